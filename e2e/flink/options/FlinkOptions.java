import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.annotation.Annotation;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Collectors;

/**
 * Prints the options that the static fields of Flink's classes declare, sorted, one a line:
 * {@code key <tab> type <tab> default <tab> deprecated keys <tab> fallback keys <tab> enum values}.
 *
 * <p>A default is written as {@code =} and its text in the notation of a configuration file; nothing means
 * none. Several keys or values are joined with spaces; a list type ends in {@code []}.
 *
 * <p>Usage: {@code java FlinkOptions.java FILE_WITH_CLASS_PATH OUTPUT}
 */
final class FlinkOptions {
    private static final String OPTION = "org.apache.flink.configuration.ConfigOption";

    /** An option of one field, with what decides between fields that declare the same key. */
    private record Declared(String key, String line, boolean deprecated, String field) {}

    private final URLClassLoader flink;
    private final Class<?> optionClass;
    private final List<Declared> declared = new ArrayList<>();

    private FlinkOptions(List<Path> jars) throws Exception {
        URL[] urls = new URL[jars.size()];
        for (int i = 0; i < urls.length; i++) {
            urls[i] = jars.get(i).toUri().toURL();
        }
        flink = new URLClassLoader(urls, ClassLoader.getPlatformClassLoader());
        optionClass = flink.loadClass(OPTION);
    }

    public static void main(String[] args) throws Exception {
        List<Path> jars = Arrays.stream(Files.readString(Path.of(args[0])).trim().split(":"))
                .map(Path::of).collect(Collectors.toList());
        FlinkOptions options = new FlinkOptions(jars);
        for (String name : namesOfClassesWithOptions(jars)) {
            options.read(name);
        }
        Path output = Path.of(args[1]);
        Path unfinished = Path.of(args[1] + ".tmp");
        try (PrintStream out = new PrintStream(unfinished.toFile(), StandardCharsets.UTF_8)) {
            options.print(out);
        }
        Files.move(unfinished, output, StandardCopyOption.REPLACE_EXISTING);
    }

    /** Every class that mentions the descriptor of a ConfigOption: its name does not always end in Options. */
    private static Collection<String> namesOfClassesWithOptions(List<Path> jars) throws IOException {
        String descriptor = "L" + OPTION.replace('.', '/') + ";";
        Collection<String> names = new TreeSet<>();
        for (Path path : jars) {
            String file = path.getFileName().toString();
            if (!file.startsWith("flink-") || file.startsWith("flink-shaded")) {
                continue;
            }
            try (JarFile jar = new JarFile(path.toFile())) {
                for (JarEntry entry : (Iterable<JarEntry>) jar.stream()::iterator) {
                    String name = entry.getName();
                    if (!name.startsWith("org/apache/flink/") || !name.endsWith(".class")) {
                        continue;
                    }
                    try (InputStream in = jar.getInputStream(entry)) {
                        // Latin-1 keeps every byte, so that text search is byte search.
                        if (new String(in.readAllBytes(), StandardCharsets.ISO_8859_1).contains(descriptor)) {
                            names.add(name.substring(0, name.length() - ".class".length()).replace('/', '.'));
                        }
                    }
                }
            }
        }
        return names;
    }

    private void read(String className) throws Exception {
        Field[] fields;
        Class<?> owner;
        try {
            owner = Class.forName(className, false, flink);
            fields = owner.getDeclaredFields();
        } catch (LinkageError e) {
            // Handlers, clients and the like, whose dependencies are not on this class path.
            if (className.contains("Option")) {
                throw e;
            }
            return;
        }
        for (Field field : fields) {
            int modifiers = field.getModifiers();
            if (!Modifier.isStatic(modifiers) || !Modifier.isPublic(modifiers) || field.getType() != optionClass) {
                continue;
            }
            field.setAccessible(true);
            Object option = field.get(null);
            if (option != null && isOfTheConfiguration((String) call(optionClass, option, "key"), owner)) {
                boolean deprecated = owner.isAnnotationPresent(Deprecated.class)
                        || field.isAnnotationPresent(Deprecated.class);
                declared.add(describe(option, field, deprecated));
            }
        }
    }

    /** Not what Flink hands to itself, nor the parameters of a connector or a provider. */
    private static boolean isOfTheConfiguration(String key, Class<?> owner) {
        String home = owner.getPackageName();
        return !key.startsWith("$")
                && (key.contains(".")
                        || home.equals("org.apache.flink.configuration")
                        || home.startsWith("org.apache.flink.metrics."));
    }

    /** The options of a reporter are declared without the prefix, with or without an annotation that has it. */
    private static String fullKey(String key, Field field) throws Exception {
        String prefix = annotated(field, "SuffixOption");
        if (prefix == null && field.getDeclaringClass().getPackageName().startsWith("org.apache.flink.metrics.")) {
            prefix = "metrics.reporter.<name>";
        }
        return prefix == null || key.startsWith(prefix) ? key : prefix + "." + key;
    }

    private Declared describe(Object option, Field field, boolean deprecated) throws Exception {
        String key = fullKey((String) call(optionClass, option, "key"), field);
        List<String> aliases = new ArrayList<>();
        List<String> fallbacks = new ArrayList<>();
        for (Object fallback : (Iterable<?>) call(optionClass, option, "fallbackKeys")) {
            boolean isAlias = (Boolean) call(fallback.getClass(), fallback, "isDeprecated");
            String other = (String) call(fallback.getClass(), fallback, "getKey");
            // taskmanager.network.retries names itself.
            if (!other.equals(key)) {
                (isAlias ? aliases : fallbacks).add(other);
            }
        }
        Class<?> type = (Class<?>) call(optionClass, option, "getClazz");
        boolean isList = (Boolean) call(optionClass, option, "isList");
        Object value = call(optionClass, option, "defaultValue");
        // A text that is computed on the machine that asks (its directories, its Flink): the documented one is the same
        // everywhere. Documentation also calls the largest number infinite, which is no value of a number.
        String documented = value instanceof String ? annotated(field, "OverrideDefault") : null;
        String text = documented != null ? "=" + documented : value == null ? "" : "=" + notation(value);
        String line = String.join("\t", key, name(type) + (isList ? "[]" : ""), escaped(text),
                String.join(" ", aliases), String.join(" ", fallbacks), enumValues(type));
        return new Declared(key, line, deprecated, field.getDeclaringClass().getName() + "." + field.getName());
    }

    private void print(PrintStream out) {
        // A field in use stands before a deprecated one of the same key.
        declared.sort(Comparator.comparing(Declared::deprecated).thenComparing(Declared::field));
        Map<String, Declared> byKey = new TreeMap<>();
        for (Declared option : declared) {
            Declared first = byKey.putIfAbsent(option.key(), option);
            if (first != null && !first.line().equals(option.line())) {
                System.err.println(option.key() + ": " + first.field() + " stands, " + option.field() + " differs");
            }
        }
        byKey.values().forEach(option -> out.print(option.line() + "\n"));
    }

    private static Object call(Class<?> owner, Object target, String method) throws Exception {
        Method found = owner.getDeclaredMethod(method);
        found.setAccessible(true);
        return found.invoke(target);
    }

    /** The value of an annotation by its simple name: Flink's packages of them have moved. */
    private static String annotated(Field field, String simpleName) throws Exception {
        for (Annotation annotation : field.getAnnotations()) {
            if (annotation.annotationType().getSimpleName().equals(simpleName)) {
                return (String) call(annotation.annotationType(), annotation, "value");
            }
        }
        return null;
    }

    private static String name(Class<?> type) {
        if (type.isEnum()) {
            return "enum";
        }
        switch (type.getSimpleName()) {
            case "Boolean": return "bool";
            case "Integer": return "int";
            case "MemorySize": return "memory";
            default: return type.getSimpleName().toLowerCase();
        }
    }

    private static String enumValues(Class<?> type) {
        return type.isEnum()
                ? Arrays.stream(type.getEnumConstants()).map(Object::toString).collect(Collectors.joining(" "))
                : "";
    }

    /** A value as a configuration file has it: lists with semicolons, maps as {@code key:value,key:value}. */
    private static String notation(Object value) throws Exception {
        if (value instanceof Duration duration) {
            return notation(duration);
        }
        if (value.getClass().getSimpleName().equals("MemorySize")) {
            return memory((Long) call(value.getClass(), value, "getBytes"));
        }
        List<String> parts = new ArrayList<>();
        if (value instanceof Collection<?> items) {
            for (Object item : items) {
                parts.add(notation(item));
            }
            return String.join(";", parts);
        }
        if (value instanceof Map<?, ?> map) {
            for (Map.Entry<?, ?> entry : new TreeMap<>(map).entrySet()) {
                parts.add(entry.getKey() + ":" + entry.getValue());
            }
            return String.join(",", parts);
        }
        return value.toString();
    }

    /** In the largest unit that divides it, which every Flink reads ({@code 90 s}, {@code 5 min}). */
    private static String notation(Duration duration) {
        if (duration.getNano() % 1_000_000 != 0) {
            return duration.toNanos() + " ns";
        }
        long ms;
        try {
            ms = duration.toMillis();
        } catch (ArithmeticException e) {
            ms = Long.MAX_VALUE;
        }
        long[] sizes = {86_400_000, 3_600_000, 60_000, 1_000};
        String[] units = {"d", "h", "min", "s"};
        for (int i = 0; i < sizes.length && ms != 0; i++) {
            if (ms % sizes[i] == 0) {
                return ms / sizes[i] + " " + units[i];
            }
        }
        return ms + " ms";
    }

    private static String memory(long bytes) {
        String[] units = {"tb", "gb", "mb", "kb"};
        for (int i = 0; i < units.length && bytes != 0; i++) {
            long size = 1L << (10 * (units.length - i));
            if (bytes % size == 0) {
                return bytes / size + " " + units[i];
            }
        }
        return bytes + " b";
    }

    private static String escaped(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
    }
}
