import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Prints what Flink's own classes read in texts: {@code type <tab> text} and, for each version, the value
 * (durations in milliseconds, memory sizes in bytes, {@code read} for numbers) or {@code error}. Control characters in a text are
 * written as {@code \t} and {@code \n}.
 *
 * <p>Usage: {@code java FlinkParsers.java OUTPUT VERSION FILE_WITH_CLASS_PATH...}
 */
final class FlinkParsers {
    private static final String[] BOOLEANS = {
        "true", "TRUE", "True", "tRuE", "false", "False", "yes", "no", "on", "off", "1", "0", "", " true", "true ", "t",
    };

    private static final String[] DURATIONS = {
        "0", "1", "600000", "0 ms", "10 min", "10min", "10  min", " 10 min ", "\t10\tmin", "10 MIN", "10 Min", "60s",
        "1 h", "1 d", "1 day", "1 days", "2 hours", "1 hour", "5 m", "5 minute", "5 minutes", "1 s", "1 sec", "1 secs",
        "1 second", "1 seconds", "1 ms", "1 milli", "1 millis", "1 millisecond", "1 milliseconds", "1 \u00b5s",
        "1500 micro", "1500 micros", "1500 microsecond", "1500 microseconds", "1500000 ns", "1 nano", "999999 nanos",
        "1 nanosecond", "1000000 nanoseconds", "1 us", "1 w", "1 week", "1 month", "1 y", "1 hr", "1 hrs", "1 mins",
        "", " ", "min", "ms", "10 fortnights", "1.5 s", "-1", "-1 s", "+1 s", "1 min 30 s", "1min30s", "1_000 ms",
        "0x10", "10 min.", "9223372036854775807", "9223372036854775808", "9223372036854775807 ms",
        "9223372036854775807 s", "9223372036854775807 ns", "9223372036854775808 ns", "106751991167 d",
        "106751991168 d", "99999999999999999999", "\u0661 s", "1\u00a0s", "PT10M", "pt10m", "PT0S", "PT1.5S",
        "PT0.0009S", "P1D", "p1d", "P1DT1H30S", "PT1H30M", "PT90M", "PT-1M", "-PT1M", "+PT1M", "PT+1M", "P-1DT25H",
        "P-1D", "P", "PT", "P1", "PT10", "PTM", "P1W", "P1Y", "P1M", "PT1D", "PT1S1M", "P1DT", "PT1,5S", "PT1.S",
        "PT.5S", "PT1.5M", "PT 1M", " PT1M ", "PT1.123456789S", "PT1.1234567891S", "PT9223372036854775807S",
        "PT9223372036854775808S", "P106751991168D", "infinite",
    };

    private static final String[] MEMORY_SIZES = {
        "0", "1", "1024", "1b", "1 b", "1 bytes", "1 byte", "1k", "1 k", "1kb", "1 kb", "1 kibibytes", "1 kilobytes",
        "1m", "1mb", "1 mb", "1 mebibytes", "1 megabytes", "2048m", "2g", "2 g", "2gb", "2 gb", "2 GB", "2 Gb", "2G",
        "1 gibibytes", "1 gigabytes", "1t", "1tb", "1 tb", "1 tebibytes", "1 terabytes", "1p", "1 pb", "2Gi", "2 gi",
        "2Mi", "512Ki", "1Ti", "2gib", "2 GiB", "2 mib", " 1 gb ", "\t1\tgb", "1  gb", "", " ", "mb", "1.5 gb", "1,5g",
        "-1", "-1 mb", "+1 mb", "1 gb 2 mb", "1gb2mb", "1_000 b", "0x10", "1 g.", "1e3", "1 mb/s", "10%",
        "9223372036854775807", "9223372036854775808", "9223372036854775807 bytes", "9223372036854775807 b",
        "8388607 tb", "8388608 tb", "9007199254740991 k", "9007199254740992 kb", "\u0661 mb", "1\u00a0mb",
    };

    private static final String[] WHOLE_NUMBERS = {
        "0", "1", "-1", "+1", "007", "2147483647", "2147483648", "-2147483648", "9223372036854775807",
        "9223372036854775808", "", " 1", "1 ", "1.0", "1L", "1_000", "0x10", "1e3", "one",
    };

    private static final String[] DECIMALS = {
        "0", "1", "-1", "+1.5", "0.4", ".5", "5.", "1e3", "1E-3", "1.5f", "1.5D", " 0.4 ", "NaN", "Infinity", "-Infinity",
        "nan", "inf", "infinity", "", ".", "0,4", "1_000.0", "40%", "1.0.0", "e3", "f", "+-1", "Infinityf", "1ff",
    };

    /** Of HybridPartitionDataConsumeConstraint: its values have underscores. */
    private static final String[] UNDERSCORED = {
        "ALL_PRODUCERS_FINISHED", "all_producers_finished", "All_Producers_Finished", "all-producers-finished",
        "allproducersfinished", "ALL PRODUCERS FINISHED", " ALL_PRODUCERS_FINISHED", "ALL_PRODUCERS_FINISHED ", "",
        "ALL", "all_producers_f\u0131nished",
    };

    /** Of SchedulerType: what counts is what the value prints, not the name of its constant. */
    private static final String[] SCHEDULERS = {
        "Adaptive", "adaptive", "ADAPTIVE", "AdaptiveBatch", "adaptivebatch", "adaptive-batch", "adaptive_batch",
        "Default", "default", "Ng",
    };

    private final Class<?> times;
    private final Class<?> memory;
    private final Class<?> utils;
    private final Class<?> constraint;
    private final Class<?> scheduler;

    private FlinkParsers(Path classPath) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String jar : Files.readString(classPath).trim().split(":")) {
            urls.add(Path.of(jar).toUri().toURL());
        }
        ClassLoader flink = new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
        times = flink.loadClass("org.apache.flink.util.TimeUtils");
        memory = flink.loadClass("org.apache.flink.configuration.MemorySize");
        utils = flink.loadClass("org.apache.flink.configuration.ConfigurationUtils");
        String options = "org.apache.flink.configuration.JobManagerOptions$";
        constraint = flink.loadClass(options + "HybridPartitionDataConsumeConstraint");
        scheduler = flink.loadClass(options + "SchedulerType");
    }

    public static void main(String[] args) throws Exception {
        List<FlinkParsers> flinks = new ArrayList<>();
        StringBuilder header = new StringBuilder("type\ttext");
        for (int i = 1; i < args.length; i += 2) {
            header.append('\t').append(args[i]);
            flinks.add(new FlinkParsers(Path.of(args[i + 1])));
        }
        try (PrintStream out = new PrintStream(args[0], StandardCharsets.UTF_8)) {
            out.print(header + "\n");
            table(out, flinks, "bool", BOOLEANS);
            table(out, flinks, "int", WHOLE_NUMBERS);
            table(out, flinks, "long", WHOLE_NUMBERS);
            table(out, flinks, "double", DECIMALS);
            table(out, flinks, "duration", DURATIONS);
            table(out, flinks, "memory", MEMORY_SIZES);
            table(out, flinks, "constraint", UNDERSCORED);
            table(out, flinks, "scheduler", SCHEDULERS);
        }
    }

    private static void table(PrintStream out, List<FlinkParsers> flinks, String type, String[] texts)
            throws Exception {
        for (String text : texts) {
            out.print(type + "\t" + text.replace("\t", "\\t").replace("\n", "\\n"));
            for (FlinkParsers flink : flinks) {
                out.print("\t" + flink.read(type, text));
            }
            out.print("\n");
        }
    }

    private String read(String type, String text) throws Exception {
        try {
            switch (type) {
                case "bool": return call(utils, "convertToBoolean", Object.class, text).toString();
                case "int": return isRead("convertToInt", text);
                case "long": return isRead("convertToLong", text);
                case "double": return isRead("convertToDouble", text);
                case "duration": return millis((Duration) call(times, "parseDuration", String.class, text));
                case "memory": return call(memory, "parseBytes", String.class, text).toString();
                case "constraint": return enumValue(text, constraint);
                default: return enumValue(text, scheduler);
            }
        } catch (InvocationTargetException e) {
            return "error";
        }
    }

    private static String millis(Duration duration) {
        try {
            return Long.toString(duration.toMillis());
        } catch (ArithmeticException e) {
            return "too long";
        }
    }

    private String isRead(String method, String text) throws Exception {
        call(utils, method, Object.class, text);
        return "read";
    }

    private String enumValue(String text, Class<?> type) throws Exception {
        Method method = utils.getDeclaredMethod("convertToEnum", Object.class, Class.class);
        method.setAccessible(true);
        return method.invoke(null, text, type).toString();
    }

    private static Object call(Class<?> owner, String name, Class<?> parameter, String text) throws Exception {
        Method method = owner.getDeclaredMethod(name, parameter);
        method.setAccessible(true);
        return method.invoke(null, text);
    }
}
