import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Runs the main methods of many command line tools, one after the other, in one virtual machine: a start of Java for
 * each would take minutes.
 *
 * A line comes in: class, standard input, arguments, separated by TAB, each in hexadecimal. A line goes out: exit code,
 * standard output, standard error, likewise. Every tool finds the streams as if it were alone, and ends where it calls
 * exit: its thread is parked there for ever, as nothing behind that call would run either. Then its shutdown hooks run.
 * It needs --add-opens java.base/java.lang=ALL-UNNAMED for those.
 */
public final class ManyTools {
    /** A tool that takes longer is given up with the exit code of timeout(1). */
    private static final long LIMIT_SECONDS = 60;
    private static final int GIVEN_UP = 124;

    private static final Switch OUT = new Switch();
    private static final Switch ERR = new Switch();
    private static volatile InputStream in = new ByteArrayInputStream(new byte[0]);
    /** Of the tool that runs. */
    private static volatile Run current;

    private static final class Switch extends OutputStream {
        private volatile ByteArrayOutputStream to = new ByteArrayOutputStream();

        @Override
        public void write(int b) {
            to.write(b);
        }

        @Override
        public void write(byte[] bytes, int from, int length) {
            to.write(bytes, from, length);
        }
    }

    private static final class Run {
        private final CountDownLatch ended = new CountDownLatch(1);
        private volatile int code;
        private volatile Thread thread;

        private void end(int code) {
            this.code = code;
            ended.countDown();
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        System.setOut(new PrintStream(OUT, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(ERR, true, StandardCharsets.UTF_8));
        System.setIn(new InputStream() {
            @Override
            public int read() throws java.io.IOException {
                return in.read();
            }

            @Override
            public int read(byte[] to, int from, int length) throws java.io.IOException {
                return in.read(to, from, length);
            }

            @Override
            public int available() throws java.io.IOException {
                return in.available();
            }
        });
        catchExits();
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            answers.println(one(line.split("\t", -1)));
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static String one(String[] parts) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        OUT.to = out;
        ERR.to = err;
        in = new ByteArrayInputStream(bytes(parts[1]));
        String[] arguments = new String[parts.length - 2];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = new String(bytes(parts[i + 2]), StandardCharsets.UTF_8);
        }
        Set<Thread> before = new HashSet<>(hooks().keySet());
        Run run = new Run();
        current = run;
        run.thread = new Thread(() -> run.end(body(new String(bytes(parts[0]), StandardCharsets.UTF_8), arguments)), "main");
        run.thread.setDaemon(true);
        run.thread.start();
        int code = run.ended.await(LIMIT_SECONDS, TimeUnit.SECONDS) ? run.code : GIVEN_UP;
        runHooks(before);
        System.out.flush();
        System.err.flush();
        return code + "\t" + hex(out.toByteArray()) + "\t" + hex(err.toByteArray());
    }

    private static int body(String name, String[] arguments) {
        try {
            Class<?> tool = Class.forName(name);
            forget(name);
            tool.getMethod("main", String[].class).invoke(null, (Object) arguments);
            return 0;
        } catch (InvocationTargetException thrown) {
            // As the virtual machine reports what nobody catches.
            StringWriter text = new StringWriter();
            thrown.getCause().printStackTrace(new PrintWriter(text));
            System.err.print("Exception in thread \"main\" " + text);
            return 1;
        } catch (ReflectiveOperationException missing) {
            System.err.println("no such tool: " + missing);
            return GIVEN_UP;
        }
    }

    /** What a tool keeps from one run to the next in a static field, because a process has only one. */
    private static void forget(String name) {
        try {
            Object module = Class.forName(name + "$").getField("MODULE$").get(null);
            module.getClass().getMethod("messageCount_$eq", int.class).invoke(module, 0);
        } catch (ReflectiveOperationException none) {
            // It keeps nothing.
        }
    }

    /** Kafka's tools call their own exit, which can be told what to do. */
    private static void catchExits() throws Exception {
        for (String name : new String[] {"org.apache.kafka.common.utils.Exit", "org.apache.kafka.common.utils.internals.Exit"}) {
            Class<?> exit;
            try {
                exit = Class.forName(name);
            } catch (ClassNotFoundException none) {
                continue;
            }
            Class<?> procedure = Class.forName(name + "$Procedure");
            Object park = Proxy.newProxyInstance(procedure.getClassLoader(), new Class<?>[] {procedure}, (self, method, values) -> {
                Run run = current;
                if (values == null || !(values[0] instanceof Integer)) {
                    return null;
                }
                run.end((Integer) values[0]);
                while (true) {
                    LockSupport.park();
                }
            });
            for (String setter : new String[] {"setExitProcedure", "setHaltProcedure"}) {
                Method set = exit.getMethod(setter, procedure);
                set.invoke(null, park);
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<Thread, Thread> hooks() throws Exception {
        Field field = Class.forName("java.lang.ApplicationShutdownHooks").getDeclaredField("hooks");
        field.setAccessible(true);
        Map<Thread, Thread> hooks = (Map<Thread, Thread>) field.get(null);
        return hooks == null ? new IdentityHashMap<>() : hooks;
    }

    private static void runHooks(Set<Thread> before) throws Exception {
        List<Thread> added = new ArrayList<>();
        for (Thread hook : new ArrayList<>(hooks().keySet())) {
            if (!before.contains(hook)) {
                added.add(hook);
            }
        }
        for (Thread hook : added) {
            Runtime.getRuntime().removeShutdownHook(hook);
            hook.setDaemon(true);
            hook.start();
        }
        for (Thread hook : added) {
            hook.join(TimeUnit.SECONDS.toMillis(10));
        }
    }

    private static byte[] bytes(String hex) {
        byte[] bytes = new byte[hex.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }

    private static String hex(byte[] bytes) {
        StringBuilder hex = new StringBuilder(bytes.length * 2);
        for (byte b : bytes) {
            hex.append(Character.forDigit((b >> 4) & 15, 16)).append(Character.forDigit(b & 15, 16));
        }
        return hex.toString();
    }
}
