import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.security.Permission;
import java.util.Arrays;
import java.util.Base64;

/**
 * Runs the main classes of Kafka's tools one after the other in one JVM, each as if it had one of its own: a start
 * takes them two seconds of a processor.
 *
 * <p>A line of standard input is a command: the input it reads, the class, its arguments, all in Base64, with blanks
 * between them. A line of standard output is its result: the exit code, what it wrote to standard output and to
 * standard error. Java 11 (a security manager keeps a tool from ending the JVM).
 */
public final class KafkaTools {
    /** Standard output or error of the tool that runs now; tools keep the stream which they find at first. */
    private static final class Switched extends java.io.OutputStream {
        private ByteArrayOutputStream now = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int one) {
            now.write(one);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int length) {
            now.write(bytes, from, length);
        }

        synchronized byte[] take() {
            byte[] taken = now.toByteArray();
            now = new ByteArrayOutputStream();
            return taken;
        }
    }

    private static final class Exit extends SecurityException {
        private static final long serialVersionUID = 1L;
        final int status;

        Exit(int status) {
            this.status = status;
        }
    }

    /** The status of the first exit which the tool asked for; some catch what we throw at them. */
    private static volatile Integer asked;

    private static final class Keeper extends SecurityManager {
        @Override
        public void checkExit(int status) {
            if (asked == null) {
                asked = status;
            }
            throw new Exit(status);
        }

        @Override
        public void checkPermission(Permission permission) {}

        @Override
        public void checkPermission(Permission permission, Object context) {}
    }

    private KafkaTools() {}

    public static void main(String[] arguments) throws Exception {
        PrintStream results = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Switched out = new Switched();
        Switched err = new Switched();
        System.setOut(new PrintStream(out, true, "UTF-8"));
        System.setErr(new PrintStream(err, true, "UTF-8"));
        System.setSecurityManager(new Keeper());
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split(" ", -1);
            for (int i = 0; i < words.length; i++) {
                words[i] = new String(Base64.getDecoder().decode(words[i]), StandardCharsets.UTF_8);
            }
            System.setIn(new ByteArrayInputStream(words[0].getBytes(StandardCharsets.UTF_8)));
            int status = run(words[1], Arrays.copyOfRange(words, 2, words.length));
            System.out.flush();
            System.err.flush();
            Base64.Encoder encoder = Base64.getEncoder();
            results.println(status + " " + encoder.encodeToString(out.take()) + " " + encoder.encodeToString(err.take()));
        }
        Runtime.getRuntime().halt(0);
    }

    private static int run(String tool, String[] arguments) throws Exception {
        asked = null;
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException end) {
            if (!(end.getCause() instanceof Exit) && asked == null) {
                end.getCause().printStackTrace();
                return 1;
            }
        }
        return asked == null ? 0 : asked;
    }
}
