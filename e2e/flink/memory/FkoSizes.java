import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Prints the process size that the Flink Kubernetes Operator makes of the text of a resource's memory:
 * {@code text <tab> bytes}, or {@code error} where Flink does not read what the operator hands on. Control
 * characters in a text are written as {@code \t} and {@code \n}.
 *
 * <p>Usage: {@code java FkoSizes.java FILE_WITH_CLASS_PATH OUTPUT}, with the class path of an operator up to 1.15.
 */
final class FkoSizes {
    private static final String[] TEXTS = {
        "2048m", "2g", "2G", "2 gb", "2 GB", "2Gb", "2048 mb", "2147483648", "2147483648b", "0", "1", "2k", "2K", "2m",
        "2M", "2000m", "1t", "1T", "2Gi", "2 Gi", "2gi", "2GI", "2GiB", "2gib", " 2 GiB ", "2\tGi\n", "2048Mi",
        "2048MiB", "2048 mi", "2097152Ki", "1Ti", "1Pi", "8Pi", "1Ei", "1.5Gi", "1.0Gi", "0.5Gi", ".5Gi", "1.Gi", "5.",
        "1.5g", "1.5", "1e9", "1E9", "1e9b", "2e+9", "1e15", "1e16", "1.5e16", "1.25e17", "1.125Ei", "15e-1", "1e", "1E", "1P", "2P", "1p", "2Pb",
        "-2Gi", "+2Gi", "-2g", "+2g", "", " ", "Gi", "g", "2Xi", "2 Gigs", "2GG", "2GiGi", "2Gi3", "2K3", "2KB3", "2i",
        "2B", "2bb", "2 bytes", "0Gi", "9007199254740992Ki", "8191Pi", "8192Pi", "8796093022207Mi", "8796093022208Mi",
        "9223372036854775807", "9223372036854775808", "2_0Gi", "2,5Gi", "0x2Gi", "100000u", "100n", "1e400",
        "1e99999999999", "0e5", "00012Mi", "1\u00a0Gi",
    };

    private FkoSizes() {}

    public static void main(String[] args) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String jar : Files.readString(Path.of(args[0])).trim().split(":")) {
            urls.add(Path.of(jar).toUri().toURL());
        }
        ClassLoader operator = new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
        Method handOn = operator.loadClass("org.apache.flink.kubernetes.operator.config.FlinkConfigBuilder")
                .getMethod("parseResourceMemoryString", String.class);
        Method read = operator.loadClass("org.apache.flink.configuration.MemorySize")
                .getMethod("parseBytes", String.class);
        try (PrintStream out = new PrintStream(args[1], StandardCharsets.UTF_8)) {
            for (String text : TEXTS) {
                out.print(text.replace("\t", "\\t").replace("\n", "\\n") + "\t" + bytes(handOn, read, text) + "\n");
            }
        }
    }

    private static String bytes(Method handOn, Method read, String text) throws Exception {
        try {
            return read.invoke(null, handOn.invoke(null, text)).toString();
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException) {
                return "error";
            }
            throw e;
        }
    }
}
