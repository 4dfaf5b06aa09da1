import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.transaction.CuratorTransactionResult;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.NodeCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.recipes.watch.PersistentWatcher;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;
import org.apache.zookeeper.WatchedEvent;

/**
 * Curator's recipes, each with two clients as a rule.
 *
 * <pre>CuratorClient HOST:PORT</pre>
 */
public final class CuratorClient {
    private static String hosts;
    private static CuratorFramework one;
    private static CuratorFramework two;

    public static void main(String[] arguments) throws Exception {
        hosts = arguments[0];
        one = open();
        two = open();
        Checks.check("create_and_read", CuratorClient::createAndRead);
        Checks.check("transaction", CuratorClient::transaction);
        Checks.check("background_and_guaranteed", CuratorClient::background);
        Checks.check("mutex", CuratorClient::mutex);
        Checks.check("read_write_lock", CuratorClient::readWriteLock);
        Checks.check("semaphore", CuratorClient::semaphore);
        Checks.check("leader_latch", CuratorClient::leaderLatch);
        Checks.check("leader_selector", CuratorClient::leaderSelector);
        Checks.check("path_children_cache", CuratorClient::pathChildrenCache);
        Checks.check("curator_cache", CuratorClient::curatorCache);
        Checks.check("tree_cache", CuratorClient::treeCache);
        Checks.check("node_cache", CuratorClient::nodeCache);
        Checks.check("atomic_long", CuratorClient::atomicLong);
        Checks.check("shared_count", CuratorClient::sharedCount);
        Checks.check("queue", CuratorClient::queue);
        Checks.check("barriers", CuratorClient::barriers);
        Checks.check("group_member", CuratorClient::groupMember);
        Checks.check("persistent_watcher", CuratorClient::persistentWatcher);
        Checks.check("restart", CuratorClient::restart);
        Checks.end();
    }

    private static CuratorFramework open() throws Exception {
        CuratorFramework client =
                CuratorFrameworkFactory.newClient(hosts, 30_000, 10_000, new ExponentialBackoffRetry(50, 8));
        client.start();
        Checks.that(client.blockUntilConnected(30, TimeUnit.SECONDS), "connected");
        return client;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static void createAndRead() throws Exception {
        one.create().creatingParentContainersIfNeeded().forPath("/cr/a/b", bytes("1"));
        Checks.equal("1", text(two.getData().forPath("/cr/a/b")));
        one.create().orSetData().forPath("/cr/a/b", bytes("2"));
        Checks.equal("2", text(two.getData().forPath("/cr/a/b")));
        Checks.refused(Code.NODEEXISTS, () -> one.create().forPath("/cr"));
        String protectedName = one.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/cr/p-");
        Checks.that(protectedName.matches("/cr/_c_[-0-9a-f]{36}-p-\\d{10}"), protectedName);
        Checks.equal(2, one.setData().withVersion(1).forPath("/cr/a/b", bytes("3")).getVersion());
        one.delete().deletingChildrenIfNeeded().forPath("/cr");
        Checks.equal(null, two.checkExists().forPath("/cr"));
        one.delete().quietly().forPath("/cr");
        CuratorFramework inside = one.usingNamespace("space");
        inside.create().forPath("/x", bytes("in"));
        Checks.equal("in", text(two.getData().forPath("/space/x")));
    }

    private static void transaction() throws Exception {
        Collection<CuratorTransactionResult> results = one.transaction().forOperations(
                one.transactionOp().create().forPath("/tr", bytes("1")),
                one.transactionOp().setData().forPath("/tr", bytes("2")),
                one.transactionOp().check().withVersion(1).forPath("/tr"),
                one.transactionOp().create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath("/tr/s-"));
        List<String> made = new ArrayList<>();
        results.forEach(result -> made.add(result.getResultPath()));
        Checks.equal("/tr/s-0000000000", made.get(3));
        Checks.refused(Code.BADVERSION, () -> one.transaction().forOperations(
                one.transactionOp().create().forPath("/tr/no"),
                one.transactionOp().check().withVersion(8).forPath("/tr")));
        Checks.equal(null, two.checkExists().forPath("/tr/no"));
    }

    private static void background() throws Exception {
        BlockingQueue<String> answers = new LinkedBlockingQueue<>();
        one.create().inBackground((client, event) -> answers.add(event.getType() + " " + event.getResultCode()))
                .forPath("/bg", bytes("1"));
        Checks.equal("CREATE 0", answers.poll(20, TimeUnit.SECONDS));
        one.getData().inBackground((client, event) -> answers.add(text(event.getData()))).forPath("/bg");
        Checks.equal("1", answers.poll(20, TimeUnit.SECONDS));
        one.sync().inBackground((client, event) -> answers.add("synced")).forPath("/bg");
        Checks.equal("synced", answers.poll(20, TimeUnit.SECONDS));
        one.delete().guaranteed().forPath("/bg");
        one.getChildren().inBackground((client, event) -> answers.add("" + event.getResultCode())).forPath("/bg");
        Checks.equal("" + Code.NONODE.intValue(), answers.poll(20, TimeUnit.SECONDS));
    }

    private static void mutex() throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger entered = new AtomicInteger();
        List<CompletableFuture<Void>> workers = new ArrayList<>();
        for (int n = 0; n < 6; n++) {
            InterProcessMutex lock = new InterProcessMutex(n % 2 == 0 ? one : two, "/mutex");
            workers.add(CompletableFuture.runAsync(() -> {
                try {
                    for (int round = 0; round < 10; round++) {
                        lock.acquire();
                        lock.acquire();
                        Checks.equal(1, inside.incrementAndGet());
                        entered.incrementAndGet();
                        inside.decrementAndGet();
                        lock.release();
                        lock.release();
                    }
                } catch (Exception why) {
                    throw new IllegalStateException(why);
                }
            }, command -> new Thread(command).start()));
        }
        for (CompletableFuture<Void> worker : workers) {
            worker.get(60, TimeUnit.SECONDS);
        }
        Checks.equal(60, entered.get());
        InterProcessMutex mine = new InterProcessMutex(one, "/mutex");
        mine.acquire();
        Checks.that(!new InterProcessMutex(two, "/mutex").acquire(200, TimeUnit.MILLISECONDS), "it is held");
        mine.release();
        Checks.equal(0, two.getChildren().forPath("/mutex").size());
    }

    private static void readWriteLock() throws Exception {
        InterProcessReadWriteLock mine = new InterProcessReadWriteLock(one, "/rw");
        InterProcessReadWriteLock others = new InterProcessReadWriteLock(two, "/rw");
        mine.readLock().acquire();
        Checks.that(others.readLock().acquire(20, TimeUnit.SECONDS), "readers share");
        others.readLock().release();
        Checks.that(!others.writeLock().acquire(200, TimeUnit.MILLISECONDS), "a writer waits for readers");
        mine.readLock().release();
        Checks.that(others.writeLock().acquire(20, TimeUnit.SECONDS), "a writer goes when they are gone");
        others.writeLock().release();
    }

    private static void semaphore() throws Exception {
        InterProcessSemaphoreV2 mine = new InterProcessSemaphoreV2(one, "/sem", 2);
        InterProcessSemaphoreV2 others = new InterProcessSemaphoreV2(two, "/sem", 2);
        Lease first = mine.acquire();
        Lease second = others.acquire();
        Checks.equal(null, mine.acquire(200, TimeUnit.MILLISECONDS));
        others.returnLease(second);
        Lease third = mine.acquire(20, TimeUnit.SECONDS);
        Checks.that(third != null, "a lease that was given back");
        mine.returnAll(Arrays.asList(first, third));
    }

    private static void leaderLatch() throws Exception {
        CuratorFramework third = open();
        LeaderLatch mine = new LeaderLatch(third, "/latch", "third");
        mine.start();
        Checks.that(mine.await(20, TimeUnit.SECONDS), "the only one leads");
        LeaderLatch next = new LeaderLatch(two, "/latch", "two");
        next.start();
        Checks.eventually("both take part", () -> next.getParticipants().size() == 2);
        Checks.equal("third", next.getLeader().getId());
        Checks.that(!next.hasLeadership(), "one leader");
        third.close();
        Checks.that(next.await(20, TimeUnit.SECONDS), "the next one leads when the first is gone");
        next.close();
    }

    private static void leaderSelector() throws Exception {
        BlockingQueue<String> led = new LinkedBlockingQueue<>();
        Semaphore leave = new Semaphore(0);
        List<LeaderSelector> all = new ArrayList<>();
        for (CuratorFramework client : Arrays.asList(one, two)) {
            LeaderSelector selector = new LeaderSelector(client, "/selector", new LeaderSelectorListenerAdapter() {
                @Override
                public void takeLeadership(CuratorFramework leader) throws Exception {
                    led.add(leader == one ? "one" : "two");
                    leave.acquire();
                }
            });
            all.add(selector);
            selector.start();
        }
        String first = led.poll(20, TimeUnit.SECONDS);
        Checks.equal(null, led.poll(200, TimeUnit.MILLISECONDS));
        leave.release();
        String second = led.poll(20, TimeUnit.SECONDS);
        Checks.equal(first.equals("one") ? "two" : "one", second);
        leave.release();
        all.forEach(LeaderSelector::close);
    }

    @SuppressWarnings("deprecation")
    private static void pathChildrenCache() throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        one.create().creatingParentsIfNeeded().forPath("/pcc/old", bytes("0"));
        try (PathChildrenCache cache = new PathChildrenCache(one, "/pcc", true)) {
            cache.getListenable().addListener((client, event) -> {
                if (event.getData() != null) {
                    seen.add(event.getType() + " " + event.getData().getPath() + " " + text(event.getData().getData()));
                }
            });
            cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
            Checks.equal(1, cache.getCurrentData().size());
            two.create().forPath("/pcc/a", bytes("1"));
            Checks.equal("CHILD_ADDED /pcc/a 1", seen.poll(20, TimeUnit.SECONDS));
            two.setData().forPath("/pcc/a", bytes("2"));
            Checks.equal("CHILD_UPDATED /pcc/a 2", seen.poll(20, TimeUnit.SECONDS));
            two.delete().forPath("/pcc/a");
            Checks.equal("CHILD_REMOVED /pcc/a 2", seen.poll(20, TimeUnit.SECONDS));
        }
    }

    private static void curatorCache() throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        one.create().creatingParentsIfNeeded().forPath("/cc/old", bytes("0"));
        try (CuratorCache cache = CuratorCache.build(one, "/cc")) {
            cache.listenable().addListener(CuratorCacheListener.builder()
                    .afterInitialized()
                    .forCreates(node -> seen.add("created " + node.getPath()))
                    .forChanges((before, after) -> seen.add("changed " + after.getPath() + " " + text(after.getData())))
                    .forDeletes(node -> seen.add("deleted " + node.getPath()))
                    .build());
            CountDownLatch initialized = new CountDownLatch(1);
            cache.listenable().addListener(
                    CuratorCacheListener.builder().forInitialized(initialized::countDown).build());
            cache.start();
            Checks.that(initialized.await(20, TimeUnit.SECONDS), "the cache is filled");
            Checks.equal(2, cache.size());
            two.create().creatingParentsIfNeeded().forPath("/cc/a/b", bytes("1"));
            Checks.equal("created /cc/a", seen.poll(20, TimeUnit.SECONDS));
            Checks.equal("created /cc/a/b", seen.poll(20, TimeUnit.SECONDS));
            two.setData().forPath("/cc/a/b", bytes("2"));
            Checks.equal("changed /cc/a/b 2", seen.poll(20, TimeUnit.SECONDS));
            two.delete().deletingChildrenIfNeeded().forPath("/cc/a");
            Checks.equal("deleted /cc/a/b", seen.poll(20, TimeUnit.SECONDS));
            Checks.equal("deleted /cc/a", seen.poll(20, TimeUnit.SECONDS));
        }
    }

    @SuppressWarnings("deprecation")
    private static void treeCache() throws Exception {
        one.create().creatingParentsIfNeeded().forPath("/tc/a/b", bytes("1"));
        try (TreeCache cache = new TreeCache(one, "/tc")) {
            CountDownLatch initialized = new CountDownLatch(1);
            BlockingQueue<String> seen = new LinkedBlockingQueue<>();
            cache.getListenable().addListener((client, event) -> {
                switch (event.getType()) {
                    case INITIALIZED:
                        initialized.countDown();
                        break;
                    case NODE_ADDED:
                    case NODE_UPDATED:
                    case NODE_REMOVED:
                        seen.add(event.getType() + " " + event.getData().getPath());
                        break;
                    default:
                }
            });
            cache.start();
            Checks.that(initialized.await(20, TimeUnit.SECONDS), "the cache is filled");
            Checks.equal("1", text(cache.getCurrentData("/tc/a/b").getData()));
            seen.clear();
            two.setData().forPath("/tc/a/b", bytes("2"));
            Checks.equal("NODE_UPDATED /tc/a/b", seen.poll(20, TimeUnit.SECONDS));
            two.create().forPath("/tc/a/b/c");
            Checks.equal("NODE_ADDED /tc/a/b/c", seen.poll(20, TimeUnit.SECONDS));
            two.delete().forPath("/tc/a/b/c");
            Checks.equal("NODE_REMOVED /tc/a/b/c", seen.poll(20, TimeUnit.SECONDS));
        }
    }

    @SuppressWarnings("deprecation")
    private static void nodeCache() throws Exception {
        try (NodeCache cache = new NodeCache(one, "/nc")) {
            BlockingQueue<String> seen = new LinkedBlockingQueue<>();
            cache.getListenable().addListener(() -> {
                ChildData data = cache.getCurrentData();
                seen.add(data == null ? "none" : text(data.getData()));
            });
            cache.start(true);
            two.create().forPath("/nc", bytes("1"));
            Checks.equal("1", seen.poll(20, TimeUnit.SECONDS));
            two.setData().forPath("/nc", bytes("2"));
            Checks.equal("2", seen.poll(20, TimeUnit.SECONDS));
            two.delete().forPath("/nc");
            Checks.equal("none", seen.poll(20, TimeUnit.SECONDS));
        }
    }

    private static void atomicLong() throws Exception {
        List<CompletableFuture<Integer>> workers = new ArrayList<>();
        for (CuratorFramework client : Arrays.asList(one, two, one, two)) {
            DistributedAtomicLong number = new DistributedAtomicLong(client, "/al", new RetryNTimes(200, 2));
            workers.add(CompletableFuture.supplyAsync(() -> {
                int done = 0;
                try {
                    for (int round = 0; round < 25; round++) {
                        AtomicValue<Long> value = number.increment();
                        done += value.succeeded() ? 1 : 0;
                    }
                } catch (Exception why) {
                    throw new IllegalStateException(why);
                }
                return done;
            }, command -> new Thread(command).start()));
        }
        long done = 0;
        for (CompletableFuture<Integer> worker : workers) {
            done += worker.get(60, TimeUnit.SECONDS);
        }
        Checks.equal(100L, done);
        Checks.equal(done, new DistributedAtomicLong(one, "/al", new RetryNTimes(3, 10)).get().postValue());
    }

    private static void sharedCount() throws Exception {
        SharedCount mine = new SharedCount(one, "/sc", 5);
        SharedCount others = new SharedCount(two, "/sc", 5);
        mine.start();
        others.start();
        mine.setCount(9);
        Checks.eventually("the other sees it", () -> others.getCount() == 9);
        Checks.that(others.trySetCount(others.getVersionedValue(), 10), "nobody was faster");
        mine.close();
        others.close();
    }

    private static void queue() throws Exception {
        SimpleDistributedQueue in = new SimpleDistributedQueue(one, "/queue");
        SimpleDistributedQueue out = new SimpleDistributedQueue(two, "/queue");
        CompletableFuture<List<String>> taker = CompletableFuture.supplyAsync(() -> {
            List<String> taken = new ArrayList<>();
            try {
                for (int n = 0; n < 20; n++) {
                    taken.add(text(out.take()));
                }
            } catch (Exception why) {
                throw new IllegalStateException(why);
            }
            return taken;
        });
        List<String> sent = new ArrayList<>();
        for (int n = 0; n < 20; n++) {
            sent.add("item " + n);
            in.offer(bytes("item " + n));
        }
        Checks.equal(sent, taker.get(60, TimeUnit.SECONDS));
        Checks.equal(null, out.poll());
    }

    private static void barriers() throws Exception {
        DistributedBarrier gate = new DistributedBarrier(one, "/gate");
        gate.setBarrier();
        CompletableFuture<Boolean> waiter = CompletableFuture.supplyAsync(() -> {
            try {
                return new DistributedBarrier(two, "/gate").waitOnBarrier(20, TimeUnit.SECONDS);
            } catch (Exception why) {
                throw new IllegalStateException(why);
            }
        });
        Thread.sleep(50);
        Checks.that(!waiter.isDone(), "it waits");
        gate.removeBarrier();
        Checks.that(waiter.get(20, TimeUnit.SECONDS), "it goes on");

        CompletableFuture<Boolean> other = CompletableFuture.supplyAsync(() -> {
            try {
                DistributedDoubleBarrier both = new DistributedDoubleBarrier(two, "/double", 2);
                return both.enter(20, TimeUnit.SECONDS) && both.leave(20, TimeUnit.SECONDS);
            } catch (Exception why) {
                throw new IllegalStateException(why);
            }
        });
        DistributedDoubleBarrier both = new DistributedDoubleBarrier(one, "/double", 2);
        Checks.that(both.enter(20, TimeUnit.SECONDS), "both are in");
        Checks.that(both.leave(20, TimeUnit.SECONDS), "both leave");
        Checks.that(other.get(20, TimeUnit.SECONDS), "so does the other");
    }

    private static void groupMember() throws Exception {
        GroupMember mine = new GroupMember(one, "/group", "one", bytes("1"));
        mine.start();
        CuratorFramework third = open();
        GroupMember other = new GroupMember(third, "/group", "third", bytes("3"));
        other.start();
        Checks.eventually("both are there", () -> names(mine).equals(Arrays.asList("one", "third")));
        third.close();
        Checks.eventually("one is gone", () -> names(mine).equals(Collections.singletonList("one")));
        mine.close();
    }

    private static List<String> names(GroupMember member) {
        Map<String, byte[]> members = new TreeMap<>(member.getCurrentMembers());
        return new ArrayList<>(members.keySet());
    }

    private static void persistentWatcher() throws Exception {
        BlockingQueue<WatchedEvent> seen = new LinkedBlockingQueue<>();
        one.create().forPath("/pw");
        try (PersistentWatcher watcher = new PersistentWatcher(one, "/pw", true)) {
            CountDownLatch set = new CountDownLatch(1);
            watcher.getResetListenable().addListener(set::countDown);
            watcher.getListenable().addListener(seen::add);
            watcher.start();
            Checks.that(set.await(20, TimeUnit.SECONDS), "the watch is set");
            two.create().forPath("/pw/a");
            two.setData().forPath("/pw/a", bytes("1"));
            two.setData().forPath("/pw/a", bytes("2"));
            two.delete().forPath("/pw/a");
            List<String> wanted = Arrays.asList("NodeCreated", "NodeDataChanged", "NodeDataChanged", "NodeDeleted");
            for (String type : wanted) {
                WatchedEvent event = seen.poll(20, TimeUnit.SECONDS);
                Checks.equal(type + " /pw/a", event == null ? null : event.getType() + " " + event.getPath());
            }
        }
    }

    /** A lock, an ephemeral node and a cache through the end and the return of the server. */
    private static void restart() throws Exception {
        InterProcessMutex lock = new InterProcessMutex(one, "/lock-kept");
        lock.acquire();
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        BlockingQueue<ConnectionState> states = new LinkedBlockingQueue<>();
        two.getConnectionStateListenable().addListener((client, state) -> states.add(state));
        try (PersistentNode node = new PersistentNode(two, CreateMode.EPHEMERAL, false, "/kept", bytes("here"));
                CuratorCache cache = CuratorCache.build(two, "/cached")) {
            node.start();
            Checks.that(node.waitForInitialCreate(20, TimeUnit.SECONDS), "the node is made");
            long owner = one.checkExists().forPath("/kept").getEphemeralOwner();
            cache.listenable().addListener(
                    CuratorCacheListener.builder().forCreates(made -> seen.add(made.getPath())).build());
            cache.start();
            Checks.ask("kill9_and_restart");
            Checks.equal(ConnectionState.SUSPENDED, states.poll(20, TimeUnit.SECONDS));
            Checks.equal(ConnectionState.RECONNECTED, states.poll(20, TimeUnit.SECONDS));
            Checks.equal(owner, one.checkExists().forPath("/kept").getEphemeralOwner());
            Checks.that(!new InterProcessMutex(two, "/lock-kept").acquire(200, TimeUnit.MILLISECONDS), "still held");
            one.create().forPath("/cached", bytes("1"));
            Checks.equal("/cached", seen.poll(20, TimeUnit.SECONDS));
            lock.release();
            InterProcessMutex next = new InterProcessMutex(two, "/lock-kept");
            Checks.that(next.acquire(20, TimeUnit.SECONDS), "free again");
            next.release();
        }
        one.close();
        two.close();
    }
}
