import static org.apache.zookeeper.CreateMode.EPHEMERAL;
import static org.apache.zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL;
import static org.apache.zookeeper.CreateMode.PERSISTENT;
import static org.apache.zookeeper.CreateMode.PERSISTENT_SEQUENTIAL;
import static org.apache.zookeeper.ZooDefs.Ids.CREATOR_ALL_ACL;
import static org.apache.zookeeper.ZooDefs.Ids.OPEN_ACL_UNSAFE;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

/**
 * What the ZooKeeper clients of all ages can do: compiled with 3.4.13 and run with that and with later ones.
 *
 * <pre>JavaClient HOST:PORT</pre>
 */
public final class JavaClient {
    private static String hosts;
    private static ZooKeeper zk;
    private static Events events;

    /** Events in the order in which they came. */
    static final class Events implements Watcher {
        final BlockingQueue<WatchedEvent> seen = new LinkedBlockingQueue<>();

        @Override
        public void process(WatchedEvent event) {
            seen.add(event);
        }

        /** The next one about a node. */
        void expect(EventType type, String path) throws Exception {
            WatchedEvent event;
            do {
                event = seen.poll(20, TimeUnit.SECONDS);
                Checks.that(event != null, "no event " + type + " " + path);
            } while (event.getType() == EventType.None);
            Checks.equal(type + " " + path, event.getType() + " " + event.getPath());
        }

        void expectState(KeeperState state) throws Exception {
            WatchedEvent event;
            do {
                event = seen.poll(20, TimeUnit.SECONDS);
                Checks.that(event != null, "never " + state);
            } while (event.getState() != state);
        }

        void expectNone() throws Exception {
            Thread.sleep(100);
            Checks.that(seen.isEmpty(), "an event too many: " + seen.peek());
        }
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static ZooKeeper open(Events events, String chroot) throws Exception {
        ZooKeeper opened = new ZooKeeper(hosts + chroot, 30_000, events);
        events.expectState(KeeperState.SyncConnected);
        return opened;
    }

    public static void main(String[] arguments) throws Exception {
        hosts = arguments[0];
        events = new Events();
        zk = open(events, "");
        Checks.check("create", JavaClient::create);
        Checks.check("refusals", JavaClient::refusals);
        Checks.check("stat", JavaClient::stat);
        Checks.check("watches", JavaClient::watches);
        Checks.check("multi", JavaClient::multi);
        Checks.check("acl", JavaClient::acl);
        Checks.check("ephemerals", JavaClient::ephemerals);
        Checks.check("session_moves", JavaClient::sessionMoves);
        Checks.check("session_refused", JavaClient::sessionRefused);
        Checks.check("large_data", JavaClient::largeData);
        Checks.check("pipelined", JavaClient::pipelined);
        Checks.check("chroot_and_names", JavaClient::chrootAndNames);
        Checks.check("restart", JavaClient::restart);
        Checks.end();
    }

    private static void create() throws Exception {
        Checks.equal("/c", zk.create("/c", null, OPEN_ACL_UNSAFE, PERSISTENT));
        Checks.equal(null, zk.getData("/c", false, null));
        zk.create("/c/empty", new byte[0], OPEN_ACL_UNSAFE, PERSISTENT);
        Checks.equal(0, zk.getData("/c/empty", false, null).length);
        Checks.equal("/c/s-0000000001", zk.create("/c/s-", bytes("x"), OPEN_ACL_UNSAFE, PERSISTENT_SEQUENTIAL));
        Checks.equal("/c/s-0000000002", zk.create("/c/s-", bytes("y"), OPEN_ACL_UNSAFE, EPHEMERAL_SEQUENTIAL));
        zk.create("/c/e", bytes("e"), OPEN_ACL_UNSAFE, EPHEMERAL);
        zk.delete("/c/s-0000000002", 0);
        Checks.equal("/c/0000000004", zk.create("/c/", null, OPEN_ACL_UNSAFE, PERSISTENT_SEQUENTIAL));
        List<String> names = zk.getChildren("/c", false);
        Collections.sort(names);
        Checks.equal(Arrays.asList("0000000004", "e", "empty", "s-0000000001"), names);
        Checks.equal(Arrays.asList("zookeeper"), only("zookeeper", zk.getChildren("/", false)));
    }

    private static List<String> only(String name, List<String> names) {
        names.retainAll(Collections.singleton(name));
        return names;
    }

    private static void refusals() throws Exception {
        zk.create("/r", bytes("1"), OPEN_ACL_UNSAFE, PERSISTENT);
        zk.create("/r/e", null, OPEN_ACL_UNSAFE, EPHEMERAL);
        Checks.refused(Code.NODEEXISTS, () -> zk.create("/r", null, OPEN_ACL_UNSAFE, PERSISTENT));
        Checks.refused(Code.NONODE, () -> zk.create("/none/a", null, OPEN_ACL_UNSAFE, PERSISTENT));
        Checks.refused(Code.NOCHILDRENFOREPHEMERALS, () -> zk.create("/r/e/a", null, OPEN_ACL_UNSAFE, PERSISTENT));
        Checks.refused(Code.BADVERSION, () -> zk.setData("/r", null, 7));
        Checks.refused(Code.BADVERSION, () -> zk.delete("/r/e", 7));
        Checks.refused(Code.NOTEMPTY, () -> zk.delete("/r", -1));
        Checks.refused(Code.NONODE, () -> zk.delete("/none", -1));
        Checks.refused(Code.NONODE, () -> zk.setData("/none", null, -1));
        Checks.refused(Code.NONODE, () -> zk.getData("/none", false, null));
        Checks.refused(Code.NONODE, () -> zk.getChildren("/none", false));
        Checks.refused(Code.NONODE, () -> zk.getACL("/none", new Stat()));
        Checks.refused(Code.INVALIDACL, () -> zk.create("/r/x", null, new ArrayList<>(), PERSISTENT));
        Checks.refused(Code.INVALIDACL, () -> zk.create("/r/x", null, CREATOR_ALL_ACL, PERSISTENT));
        Checks.equal(null, zk.exists("/none", false));
        Checks.that(Arrays.equals(bytes("1"), zk.getData("/r", false, null)), "nothing was changed");
    }

    private static void stat() throws Exception {
        zk.create("/st", bytes("abc"), OPEN_ACL_UNSAFE, PERSISTENT);
        Stat born = zk.exists("/st", false);
        Checks.equal(born.getCzxid(), born.getMzxid());
        Checks.equal(born.getCzxid(), born.getPzxid());
        Checks.equal(born.getCtime(), born.getMtime());
        Checks.that(Math.abs(born.getCtime() - System.currentTimeMillis()) < 60_000, "the time of day");
        Checks.equal("0 0 0 3 0", numbers(born));

        zk.setData("/st", bytes("de"), 0);
        Stat set = zk.setData("/st", bytes("fghi"), -1);
        Checks.equal("2 0 0 4 0", numbers(set));
        Checks.that(set.getMzxid() > born.getMzxid() && set.getCzxid() == born.getCzxid(), "zxids of setData");

        zk.create("/st/a", null, OPEN_ACL_UNSAFE, EPHEMERAL);
        zk.create("/st/b", null, OPEN_ACL_UNSAFE, PERSISTENT);
        Stat own = zk.exists("/st/a", false);
        Checks.equal(zk.getSessionId(), own.getEphemeralOwner());
        zk.delete("/st/b", -1);
        Stat parent = new Stat();
        Checks.equal(Arrays.asList("a"), zk.getChildren("/st", false, parent));
        Checks.equal("2 3 0 4 1", numbers(parent));
        Checks.that(parent.getPzxid() > own.getCzxid(), "pzxid is of the delete");
        Checks.equal("2 3 1 4 1", numbers(zk.setACL("/st", OPEN_ACL_UNSAFE, 0)));
        Checks.refused(Code.BADVERSION, () -> zk.setACL("/st", OPEN_ACL_UNSAFE, 0));
    }

    /** Version, cversion, aversion, length of data, children. */
    private static String numbers(Stat stat) {
        return stat.getVersion() + " " + stat.getCversion() + " " + stat.getAversion() + " " + stat.getDataLength()
                + " " + stat.getNumChildren();
    }

    private static void watches() throws Exception {
        ZooKeeper other = open(new Events(), "");
        events.seen.clear();
        zk.exists("/w", true);
        other.create("/w", null, OPEN_ACL_UNSAFE, PERSISTENT);
        events.expect(EventType.NodeCreated, "/w");
        other.setData("/w", null, -1);
        events.expectNone();

        zk.getData("/w", true, null);
        other.setData("/w", bytes("1"), -1);
        events.expect(EventType.NodeDataChanged, "/w");
        other.setData("/w", bytes("2"), -1);
        events.expectNone();

        zk.getChildren("/w", true);
        other.create("/w/a", null, OPEN_ACL_UNSAFE, PERSISTENT);
        events.expect(EventType.NodeChildrenChanged, "/w");
        zk.getChildren("/w", true);
        other.setData("/w/a", null, -1);
        events.expectNone();
        other.delete("/w/a", -1);
        events.expect(EventType.NodeChildrenChanged, "/w");

        // Data and child watches on one node make one event when it goes, before the one of the parent.
        zk.create("/w/d", null, OPEN_ACL_UNSAFE, PERSISTENT);
        zk.getChildren("/w", true);
        zk.exists("/w/d", true);
        zk.getData("/w/d", true, null);
        zk.getChildren("/w/d", true);
        other.delete("/w/d", -1);
        events.expect(EventType.NodeDeleted, "/w/d");
        events.expect(EventType.NodeChildrenChanged, "/w");
        events.expectNone();

        // The event is there before the answer which shows the change.
        zk.exists("/w", true);
        zk.setData("/w", bytes("3"), -1);
        Checks.equal(EventType.NodeDataChanged, events.seen.take().getType());
        other.close();
    }

    private static void multi() throws Exception {
        List<OpResult> done = zk.multi(Arrays.asList(
                Op.create("/m", bytes("1"), OPEN_ACL_UNSAFE, PERSISTENT),
                Op.create("/m/s-", null, OPEN_ACL_UNSAFE, PERSISTENT_SEQUENTIAL),
                Op.setData("/m", bytes("2"), 0),
                Op.check("/m", 1),
                Op.delete("/m/s-0000000000", 0)));
        Checks.equal("/m/s-0000000000", ((OpResult.CreateResult) done.get(1)).getPath());
        Checks.equal(1, ((OpResult.SetDataResult) done.get(2)).getStat().getVersion());
        Stat stat = new Stat();
        Checks.equal("2", new String(zk.getData("/m", false, stat), StandardCharsets.UTF_8));
        Checks.equal(stat.getCzxid(), stat.getMzxid());
        Checks.equal(0, zk.getChildren("/m", false).size());

        try {
            zk.multi(Arrays.asList(
                    Op.create("/m/x", null, OPEN_ACL_UNSAFE, PERSISTENT),
                    Op.check("/m", 9),
                    Op.delete("/m", -1)));
            throw new AssertionError("not refused");
        } catch (KeeperException error) {
            Checks.equal(Code.BADVERSION, error.code());
            List<Integer> codes = new ArrayList<>();
            error.getResults().forEach(result -> codes.add(((OpResult.ErrorResult) result).getErr()));
            Checks.equal(Arrays.asList(0, Code.BADVERSION.intValue(), Code.RUNTIMEINCONSISTENCY.intValue()), codes);
        }
        Checks.equal(null, zk.exists("/m/x", false));
        zk.transaction().check("/m", 1).setData("/m", bytes("3"), 1).commit();
        Checks.equal(2, zk.exists("/m", false).getVersion());
        Checks.equal(0, zk.multi(new ArrayList<>()).size());

        // Watches see all of it, in the order of the operations.
        events.seen.clear();
        zk.getData("/m", true, null);
        zk.exists("/m/new", true);
        zk.multi(Arrays.asList(Op.create("/m/new", null, OPEN_ACL_UNSAFE, PERSISTENT), Op.setData("/m", null, -1)));
        events.expect(EventType.NodeCreated, "/m/new");
        events.expect(EventType.NodeDataChanged, "/m");
    }

    private static void acl() throws Exception {
        ZooKeeper owner = open(new Events(), "");
        owner.addAuthInfo("digest", bytes("ada:secret"));
        owner.create("/a", bytes("1"), CREATOR_ALL_ACL, PERSISTENT);
        List<ACL> kept = owner.getACL("/a", new Stat());
        Checks.equal(1, kept.size());
        Checks.equal("digest", kept.get(0).getId().getScheme());
        Checks.that(kept.get(0).getId().getId().startsWith("ada:"), "the password is not kept: " + kept);

        Checks.refused(Code.NOAUTH, () -> zk.getData("/a", false, null));
        Checks.refused(Code.NOAUTH, () -> zk.setData("/a", null, -1));
        Checks.refused(Code.NOAUTH, () -> zk.getChildren("/a", false));
        Checks.refused(Code.NOAUTH, () -> zk.create("/a/x", null, OPEN_ACL_UNSAFE, PERSISTENT));
        Checks.refused(Code.NOAUTH, () -> zk.setACL("/a", OPEN_ACL_UNSAFE, -1));
        Checks.refused(Code.NOAUTH, () -> zk.exists("/a", false));
        Checks.refused(Code.NOAUTH, () -> zk.getACL("/a", new Stat()));
        owner.create("/a/child", null, OPEN_ACL_UNSAFE, PERSISTENT);
        Checks.refused(Code.NOAUTH, () -> zk.delete("/a/child", -1));

        ZooKeeper second = open(new Events(), "");
        second.addAuthInfo("digest", bytes("ada:wrong"));
        Checks.refused(Code.NOAUTH, () -> second.getData("/a", false, null));
        second.addAuthInfo("digest", bytes("ada:secret"));
        Checks.equal(1, second.getData("/a", false, null).length);
        second.close();

        ACL read = new ACL(Perms.READ, new Id("world", "anyone"));
        owner.setACL("/a", Arrays.asList(read, kept.get(0)), 0);
        Checks.equal(1, zk.getData("/a", false, null).length);
        Checks.refused(Code.NOAUTH, () -> zk.setData("/a", null, -1));
        Checks.equal("ada:x", zk.getACL("/a", new Stat()).get(1).getId().getId());
        owner.create("/a/ip", null, Arrays.asList(new ACL(Perms.ALL, new Id("ip", "127.0.0.1"))), PERSISTENT);
        zk.setData("/a/ip", bytes("from here"), -1);
        owner.create("/a/far", null, Arrays.asList(new ACL(Perms.ALL, new Id("ip", "10.1.2.3"))), PERSISTENT);
        Checks.refused(Code.NOAUTH, () -> zk.setData("/a/far", null, -1));
        ACL nobody = new ACL(Perms.ALL, new Id("nope", "x"));
        Checks.refused(Code.INVALIDACL, () -> owner.create("/a/y", null, Arrays.asList(nobody), PERSISTENT));
        owner.close();
    }

    private static void ephemerals() throws Exception {
        ZooKeeper other = open(new Events(), "");
        other.create("/eph", null, OPEN_ACL_UNSAFE, EPHEMERAL);
        events.seen.clear();
        zk.exists("/eph", true);
        other.close();
        Checks.equal(null, zk.exists("/eph", false));
        events.expect(EventType.NodeDeleted, "/eph");
    }

    private static void sessionMoves() throws Exception {
        Events first = new Events();
        ZooKeeper old = open(first, "");
        old.create("/moved", null, OPEN_ACL_UNSAFE, EPHEMERAL);
        Events second = new Events();
        ZooKeeper moved = new ZooKeeper(hosts, 30_000, second, old.getSessionId(), old.getSessionPasswd());
        second.expectState(KeeperState.SyncConnected);
        Checks.equal(old.getSessionId(), moved.getSessionId());
        first.expectState(KeeperState.Disconnected);
        Checks.equal(old.getSessionId(), moved.exists("/moved", false).getEphemeralOwner());
        moved.close();
        Checks.equal(null, zk.exists("/moved", false));
        first.expectState(KeeperState.Expired);
        old.close();
    }

    private static void sessionRefused() throws Exception {
        Events seen = new Events();
        ZooKeeper thief = new ZooKeeper(hosts, 30_000, seen, zk.getSessionId(), new byte[16]);
        seen.expectState(KeeperState.Expired);
        thief.close();
        // Apache's server ends the owner's connection before it looks at the password.
        Checks.eventually("the owner goes on", JavaClient::rootIsThere);
    }

    private static boolean rootIsThere() throws Exception {
        try {
            return zk.exists("/", false) != null;
        } catch (KeeperException.ConnectionLossException again) {
            return false;
        }
    }

    private static void largeData() throws Exception {
        byte[] large = new byte[1_000_000];
        Arrays.fill(large, (byte) 'x');
        zk.create("/large", large, OPEN_ACL_UNSAFE, PERSISTENT);
        Checks.that(Arrays.equals(large, zk.getData("/large", false, null)), "a million bytes come back");
        ZooKeeper other = open(new Events(), "");
        try {
            other.create("/larger", new byte[1_048_576], OPEN_ACL_UNSAFE, PERSISTENT);
            throw new AssertionError("more than jute.maxbuffer was taken");
        } catch (KeeperException.ConnectionLossException expected) {
            Checks.equal(null, zk.exists("/larger", false));
        }
        // Same session, new connection.
        Checks.eventually("it comes back", () -> {
            try {
                return other.exists("/large", false) != null;
            } catch (KeeperException.ConnectionLossException again) {
                return false;
            }
        });
        other.close();
        zk.delete("/large", -1);
    }

    private static void pipelined() throws Exception {
        int count = 2000;
        CountDownLatch answers = new CountDownLatch(count);
        List<String> names = Collections.synchronizedList(new ArrayList<>());
        zk.create("/p", null, OPEN_ACL_UNSAFE, PERSISTENT);
        for (int n = 0; n < count; n++) {
            zk.create("/p/n-", null, OPEN_ACL_UNSAFE, PERSISTENT_SEQUENTIAL, (rc, path, context, name) -> {
                names.add(rc == 0 ? name : "error " + rc);
                answers.countDown();
            }, null);
        }
        CountDownLatch synced = new CountDownLatch(1);
        zk.sync("/p", (rc, path, context) -> synced.countDown(), null);
        Checks.that(answers.await(30, TimeUnit.SECONDS), "all are answered");
        Checks.that(synced.await(30, TimeUnit.SECONDS), "sync is answered");
        for (int n = 0; n < count; n++) {
            Checks.equal(String.format("/p/n-%010d", n), names.get(n));
        }
        Checks.equal(count, zk.exists("/p", false).getNumChildren());
    }

    private static void chrootAndNames() throws Exception {
        String name = "/n \u00e3\u4e2d.-_:";
        zk.create("/chroot", null, OPEN_ACL_UNSAFE, PERSISTENT);
        ZooKeeper inside = open(new Events(), "/chroot");
        inside.create(name, bytes("\u00e7"), OPEN_ACL_UNSAFE, PERSISTENT);
        Checks.equal("\u00e7", new String(zk.getData("/chroot" + name, false, null), StandardCharsets.UTF_8));
        Checks.equal(Arrays.asList(name.substring(1)), inside.getChildren("/", false));
        inside.close();
    }

    /** Session, ephemeral node and watches outlive the server's end. */
    private static void restart() throws Exception {
        zk.create("/kept", bytes("1"), OPEN_ACL_UNSAFE, EPHEMERAL);
        long session = zk.getSessionId();
        events.seen.clear();
        zk.getData("/kept", true, null);
        zk.exists("/later", true);
        zk.getChildren("/", true);
        Checks.ask("kill9_and_restart");
        events.expectState(KeeperState.SyncConnected);
        Checks.equal(session, zk.getSessionId());
        Checks.equal(session, zk.exists("/kept", false).getEphemeralOwner());
        events.expectNone();
        zk.setData("/kept", bytes("2"), 0);
        events.expect(EventType.NodeDataChanged, "/kept");
        zk.create("/later", null, OPEN_ACL_UNSAFE, PERSISTENT);
        events.expect(EventType.NodeCreated, "/later");
        events.expect(EventType.NodeChildrenChanged, "/");
        zk.close();
        ZooKeeper other = open(new Events(), "");
        Checks.equal(null, other.exists("/kept", false));
        other.close();
    }
}
