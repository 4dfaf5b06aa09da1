import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.Watcher.WatcherType;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Stat;

/**
 * What came after 3.4: create2, containers, nodes with a time to live, persistent watches, removal of watches, reads
 * in one request, whoAmI.
 *
 * <pre>NewJavaClient HOST:PORT</pre>
 */
public final class NewJavaClient {
    private static String hosts;
    private static ZooKeeper zk;
    private static JavaClient.Events events;

    public static void main(String[] arguments) throws Exception {
        hosts = arguments[0];
        events = new JavaClient.Events();
        zk = open(events);
        Checks.check("create2", NewJavaClient::create2);
        Checks.check("containers", NewJavaClient::containers);
        Checks.check("time_to_live", NewJavaClient::timeToLive);
        Checks.check("persistent_watch", NewJavaClient::persistentWatch);
        Checks.check("recursive_watch", NewJavaClient::recursiveWatch);
        Checks.check("remove_watches", NewJavaClient::removeWatches);
        Checks.check("multi_of_new_kinds", NewJavaClient::multiOfNewKinds);
        Checks.check("multi_read", NewJavaClient::multiRead);
        Checks.check("who_am_i", NewJavaClient::whoAmI);
        Checks.check("counts_and_ephemerals", NewJavaClient::countsAndEphemerals);
        Checks.check("persistent_watches_after_a_restart", NewJavaClient::restart);
        Checks.end();
    }

    private static ZooKeeper open(JavaClient.Events events) throws Exception {
        ZooKeeper opened = new ZooKeeper(hosts, 30_000, events);
        events.expectState(KeeperState.SyncConnected);
        return opened;
    }

    private static String create(String path) throws Exception {
        return zk.create(path, null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
    }

    private static void create2() throws Exception {
        create("/c2");
        Stat stat = new Stat();
        byte[] data = {1, 2, 3};
        Checks.equal("/c2/a", zk.create("/c2/a", data, OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL, stat));
        Checks.equal(3, stat.getDataLength());
        Checks.equal(zk.getSessionId(), stat.getEphemeralOwner());
        Checks.equal(stat, zk.exists("/c2/a", false));
        String name = zk.create("/c2/s-", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_SEQUENTIAL, stat);
        Checks.equal("/c2/s-0000000001", name);
        Checks.refused(Code.NODEEXISTS,
                () -> zk.create("/c2/a", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, new Stat()));
    }

    private static void containers() throws Exception {
        zk.create("/con", null, OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        zk.create("/con-new", null, OPEN_ACL_UNSAFE, CreateMode.CONTAINER);
        create("/con/a");
        create("/con/b");
        zk.delete("/con/a", -1);
        zk.delete("/con/b", -1);
        Checks.that(zk.exists("/con-new", false) != null, "one that never had a child stays for a while");
        Checks.eventually("the empty container is removed", () -> zk.exists("/con", false) == null);
    }

    private static void timeToLive() throws Exception {
        Stat stat = new Stat();
        CreateMode mode = CreateMode.PERSISTENT_WITH_TTL;
        zk.create("/ttl", null, OPEN_ACL_UNSAFE, mode, stat, 200);
        CreateMode sequential = CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL;
        String long_lived = zk.create("/ttl-", null, OPEN_ACL_UNSAFE, sequential, stat, 3_600_000);
        Checks.that(long_lived.matches("/ttl-\\d{10}"), long_lived);
        Checks.eventually("it ends with its time", () -> zk.exists("/ttl", false) == null);
        Checks.that(zk.exists(long_lived, false) != null, "an hour is not over");
    }

    private static void persistentWatch() throws Exception {
        JavaClient.Events seen = new JavaClient.Events();
        create("/pw");
        zk.addWatch("/pw", seen, AddWatchMode.PERSISTENT);
        zk.setData("/pw", null, -1);
        zk.setData("/pw", null, -1);
        create("/pw/a");
        zk.setData("/pw/a", null, -1);
        zk.delete("/pw/a", -1);
        zk.delete("/pw", -1);
        create("/pw");
        seen.expect(EventType.NodeDataChanged, "/pw");
        seen.expect(EventType.NodeDataChanged, "/pw");
        seen.expect(EventType.NodeChildrenChanged, "/pw");
        seen.expect(EventType.NodeChildrenChanged, "/pw");
        seen.expect(EventType.NodeDeleted, "/pw");
        seen.expect(EventType.NodeCreated, "/pw");
        seen.expectNone();
    }

    private static void recursiveWatch() throws Exception {
        JavaClient.Events seen = new JavaClient.Events();
        create("/rw");
        zk.addWatch("/rw", seen, AddWatchMode.PERSISTENT_RECURSIVE);
        create("/rw/a");
        create("/rw/a/b");
        zk.setData("/rw/a/b", null, -1);
        zk.delete("/rw/a/b", -1);
        zk.setData("/rw", null, -1);
        create("/rw-beside");
        seen.expect(EventType.NodeCreated, "/rw/a");
        seen.expect(EventType.NodeCreated, "/rw/a/b");
        seen.expect(EventType.NodeDataChanged, "/rw/a/b");
        seen.expect(EventType.NodeDeleted, "/rw/a/b");
        seen.expect(EventType.NodeDataChanged, "/rw");
        seen.expectNone();
    }

    private static void removeWatches() throws Exception {
        JavaClient.Events seen = new JavaClient.Events();
        create("/rm");
        Checks.refused(Code.NOWATCHER, () -> zk.removeWatches("/rm", seen, WatcherType.Any, false));
        zk.getData("/rm", seen, null);
        zk.removeWatches("/rm", seen, WatcherType.Data, false);
        seen.expect(EventType.DataWatchRemoved, "/rm");
        zk.setData("/rm", null, -1);
        zk.getChildren("/rm", seen);
        Checks.refused(Code.NOWATCHER, () -> zk.removeWatches("/rm", seen, WatcherType.Data, false));
        zk.removeAllWatches("/rm", WatcherType.Any, false);
        seen.expect(EventType.ChildWatchRemoved, "/rm");
        zk.addWatch("/rm", seen, AddWatchMode.PERSISTENT_RECURSIVE);
        zk.removeWatches("/rm", seen, WatcherType.Any, false);
        seen.seen.poll(5, java.util.concurrent.TimeUnit.SECONDS);
        create("/rm/a");
        seen.expectNone();
    }

    private static void multiOfNewKinds() throws Exception {
        List<OpResult> done = zk.multi(Arrays.asList(
                Op.create("/mn", null, OPEN_ACL_UNSAFE, CreateMode.CONTAINER.toFlag()),
                Op.create("/mn/ttl", null, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT_WITH_TTL, 3_600_000),
                Op.create("/mn/a", new byte[2], OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL)));
        Checks.equal("/mn/ttl", ((OpResult.CreateResult) done.get(1)).getPath());
        Checks.equal(2, zk.exists("/mn/a", false).getDataLength());
        Checks.equal(2, zk.exists("/mn", false).getNumChildren());
    }

    private static void multiRead() throws Exception {
        create("/mr");
        zk.create("/mr/a", new byte[] {7}, OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        List<OpResult> read =
                zk.multi(Arrays.asList(Op.getData("/mr/a"), Op.getChildren("/mr"), Op.getData("/mr/none")));
        Checks.equal((byte) 7, ((OpResult.GetDataResult) read.get(0)).getData()[0]);
        Checks.equal(Arrays.asList("a"), ((OpResult.GetChildrenResult) read.get(1)).getChildren());
        Checks.equal(Code.NONODE.intValue(), ((OpResult.ErrorResult) read.get(2)).getErr());
    }

    private static void whoAmI() throws Exception {
        List<String> names = new ArrayList<>();
        for (ClientInfo client : zk.whoAmI()) {
            names.add(client.getAuthScheme() + " " + client.getUser());
        }
        Checks.equal(Arrays.asList("ip 127.0.0.1"), names);
        ZooKeeper other = open(new JavaClient.Events());
        other.addAuthInfo("digest", JavaClient.bytes("ada:secret"));
        names.clear();
        for (ClientInfo client : other.whoAmI()) {
            names.add(client.getAuthScheme() + " " + client.getUser());
        }
        Collections.sort(names);
        Checks.equal(Arrays.asList("digest ada", "ip 127.0.0.1"), names);
        other.close();
    }

    private static void countsAndEphemerals() throws Exception {
        create("/ce");
        create("/ce/a");
        create("/ce/a/b");
        Checks.equal(2, zk.getAllChildrenNumber("/ce"));
        Checks.refused(Code.NONODE, () -> zk.getAllChildrenNumber("/none"));
        zk.create("/ce/e1", null, OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        zk.create("/ce/e2", null, OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        List<String> own = zk.getEphemerals("/ce");
        Collections.sort(own);
        Checks.equal(Arrays.asList("/ce/e1", "/ce/e2"), own);
        Checks.that(zk.getEphemerals().size() >= 2, "those elsewhere too");
        ZooKeeper other = open(new JavaClient.Events());
        Checks.equal(0, other.getEphemerals().size());
        other.close();
    }

    private static void restart() throws Exception {
        JavaClient.Events seen = new JavaClient.Events();
        create("/pr");
        zk.addWatch("/pr", seen, AddWatchMode.PERSISTENT_RECURSIVE);
        events.seen.clear();
        Checks.ask("kill9_and_restart");
        events.expectState(KeeperState.SyncConnected);
        Checks.eventually("it is written", () -> {
            try {
                return create("/pr/a") != null;
            } catch (KeeperException.ConnectionLossException again) {
                return false;
            }
        });
        seen.expect(EventType.NodeCreated, "/pr/a");
        zk.close();
    }
}
