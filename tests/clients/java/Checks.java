import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.apache.zookeeper.KeeperException;

/** Named checks, a line each, so that the test which started us sees which ones ran. */
final class Checks {
    private static final BufferedReader PARENT =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    private static boolean failed;

    interface Body {
        void run() throws Exception;
    }

    private Checks() {}

    /** Runs one; `ok NAME` or `FAILED NAME: why`. */
    static void check(String name, Body body) {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable why) {
            failed = true;
            System.out.println("FAILED " + name + ": " + why);
            why.printStackTrace();
        }
        System.out.flush();
    }

    static void equal(Object wanted, Object found) {
        if (!Objects.equals(wanted, found)) {
            throw new AssertionError("wanted " + wanted + ", found " + found);
        }
    }

    static void that(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    /** The body has to end with this error of the server. */
    static void refused(KeeperException.Code code, Body body) throws Exception {
        try {
            body.run();
        } catch (KeeperException error) {
            equal(code, error.code());
            return;
        }
        throw new AssertionError("not refused with " + code);
    }

    /** Waits until it holds, half a minute at most. */
    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long end = System.nanoTime() + 30_000_000_000L;
        while (!holds.call()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("never: " + what);
            }
            Thread.sleep(10);
        }
    }

    /** Asks the test which started us to do something with the server, and waits until it is done. */
    static void ask(String what) throws Exception {
        System.out.println("ask " + what);
        System.out.flush();
        equal("done", PARENT.readLine());
    }

    /** No return: 1 if a check failed. */
    static void end() {
        System.out.flush();
        Runtime.getRuntime().halt(failed ? 1 : 0);
    }
}
