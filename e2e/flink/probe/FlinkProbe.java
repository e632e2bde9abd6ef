import java.io.File;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.stream.Collectors;

/**
 * Prints what Flink's own loaders make of configurations. A line of the input is one configuration,
 * {@code key=value <tab> ... <tab> #key <tab> ...}, where {@code #key} asks for the role of a key; the line of the output
 * for it is {@code fact=value <tab> ...}. A fact that Flink cannot tell is {@code refused: why}.
 *
 * <p>Prometheus reporters are really started, one configuration after the other: run it where ports are free to take.
 *
 * <p>Usage: {@code java FlinkProbe.java FILE_WITH_CLASS_PATH INPUT OUTPUT}
 */
final class FlinkProbe {
    private static final String CONFIGURATION = "org.apache.flink.configuration.";
    private static final String RUNTIME = "org.apache.flink.runtime.";

    /** A question to Flink. */
    private interface Question {
        Object ask() throws Exception;
    }

    private final ClassLoader flink;
    private final Class<?> configurationClass;
    /** Options by their key, and by their deprecated keys. */
    private final Map<String, Object> primary = new HashMap<>();

    private final Map<String, Object> deprecated = new HashMap<>();

    private FlinkProbe(List<Path> jars) throws Exception {
        URL[] urls = new URL[jars.size()];
        for (int i = 0; i < urls.length; i++) {
            urls[i] = jars.get(i).toUri().toURL();
        }
        flink = new URLClassLoader(urls, ClassLoader.getPlatformClassLoader());
        Thread.currentThread().setContextClassLoader(flink);
        configurationClass = flink.loadClass(CONFIGURATION + "Configuration");
        for (Path jar : jars) {
            if (jar.getFileName().toString().startsWith("flink-")) {
                readOptions(jar.toFile());
            }
        }
    }

    public static void main(String[] args) throws Exception {
        List<Path> jars = Arrays.stream(Files.readString(Path.of(args[0])).trim().split(":"))
                .map(Path::of).collect(Collectors.toList());
        FlinkProbe probe = new FlinkProbe(jars);
        try (PrintStream out = new PrintStream(args[2], StandardCharsets.UTF_8)) {
            for (String line : Files.readAllLines(Path.of(args[1]))) {
                out.println(String.join("\t", probe.facts(line)));
            }
        }
        System.exit(0); // a reporter may have left a thread
    }

    private void readOptions(File file) throws Exception {
        try (JarFile jar = new JarFile(file)) {
            for (Enumeration<JarEntry> entries = jar.entries(); entries.hasMoreElements(); ) {
                String name = entries.nextElement().getName();
                if (name.endsWith("Options.class")) {
                    readOptions(name.replace('/', '.').substring(0, name.length() - ".class".length()));
                }
            }
        }
    }

    private void readOptions(String className) throws Exception {
        Class<?> option = flink.loadClass(CONFIGURATION + "ConfigOption");
        Field[] fields;
        try {
            fields = flink.loadClass(className).getDeclaredFields();
        } catch (LinkageError | ClassNotFoundException e) {
            return; // of a module that is not here
        }
        for (Field field : fields) {
            if (!Modifier.isStatic(field.getModifiers()) || field.getType() != option) {
                continue;
            }
            field.setAccessible(true);
            try {
                Object value = field.get(null);
                primary.put((String) call(value, "key"), value);
                for (Object key : (Iterable<?>) call(value, "fallbackKeys")) {
                    if ((boolean) call(key, "isDeprecated")) {
                        deprecated.put((String) call(key, "getKey"), value);
                    }
                }
            } catch (LinkageError e) {
                return;
            }
        }
    }

    private List<String> facts(String line) throws Exception {
        Object conf = configurationClass.getConstructor().newInstance();
        List<String> asked = new ArrayList<>();
        for (String part : line.split("\t")) {
            if (part.startsWith("#")) {
                asked.add(part.substring(1));
            } else if (!part.isEmpty()) {
                String[] pair = part.split("=", 2);
                configurationClass.getMethod("setString", String.class, String.class).invoke(conf, pair[0], pair[1]);
            }
        }
        List<String> facts = new ArrayList<>();
        facts.add("backend=" + told(() -> backend(conf).getClass().getName()));
        facts.add("incremental=" + told(() -> call(backend(conf), "isIncrementalCheckpointsEnabled")));
        facts.add("storage=" + told(() -> storage(conf)));
        facts.add("savepoints=" + told(() -> option(conf, "CheckpointingOptions", "SAVEPOINT_DIRECTORY")));
        facts.add("interval=" + told(() -> interval(conf)));
        facts.add("max-parallelism=" + told(() -> call(executionConfig(conf), "getMaxParallelism")));
        facts.add("generated-uids=" + told(() -> call(executionConfig(conf), "hasAutoGeneratedUIDsEnabled")));
        facts.add("restart=" + told(() -> restartStrategy(conf)));
        facts.add("ha=" + told(() -> highAvailability(conf)));
        facts.add("reporters=" + told(() -> reporters(conf)));
        for (String key : asked) {
            facts.add("#" + key + "=" + told(() -> role(conf, key)));
        }
        return facts;
    }

    private static String told(Question question) {
        String text;
        try {
            text = String.valueOf(question.ask());
        } catch (Throwable e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            text = "refused: " + cause;
        }
        return text.replaceAll("\\s+", " ");
    }

    /** What this Flink takes the key for; a value that it cannot read is an error. */
    private String role(Object conf, String key) throws Exception {
        Object option = primary.getOrDefault(key, deprecated.get(key));
        if (option == null) {
            return "unknown";
        }
        get(conf, option);
        return primary.containsKey(key) ? "primary" : "deprecated";
    }

    private Object backend(Object conf) throws Exception {
        Class<?> loader = flink.loadClass(RUNTIME + "state.StateBackendLoader");
        Object backend = invoke(method(loader, "loadStateBackendFromConfig"), null, conf);
        return backend != null ? backend
                : flink.loadClass(RUNTIME + "state.hashmap.HashMapStateBackend").getConstructor().newInstance();
    }

    private String storage(Object conf) throws Exception {
        Class<?> loader = flink.loadClass(RUNTIME + "state.CheckpointStorageLoader");
        Method load = Arrays.stream(loader.getDeclaredMethods())
                .filter(method -> method.getName().equals("load") && Modifier.isPublic(method.getModifiers()))
                .findFirst().orElseThrow();
        Object storage = invoke(load, null, conf);
        String path;
        try {
            path = " " + call(storage, "getCheckpointPath");
        } catch (NoSuchMethodException e) {
            path = "";
        }
        return storage.getClass().getSimpleName() + path;
    }

    private Object interval(Object conf) throws Exception {
        Class<?> type = flink.loadClass("org.apache.flink.streaming.api.environment.CheckpointConfig");
        Object config = type.getConstructor().newInstance();
        invoke(method(type, "configure"), config, conf);
        return call(config, "getCheckpointInterval");
    }

    private Object executionConfig(Object conf) throws Exception {
        Class<?> type = flink.loadClass("org.apache.flink.api.common.ExecutionConfig");
        Object config = type.getConstructor().newInstance();
        invoke(method(type, "configure"), config, conf);
        return config;
    }

    private Object restartStrategy(Object conf) throws Exception {
        Class<?> loader;
        try {
            loader = flink.loadClass(RUNTIME + "executiongraph.failover.RestartBackoffTimeStrategyFactoryLoader");
        } catch (ClassNotFoundException e) {
            loader = flink.loadClass(RUNTIME + "executiongraph.failover.flip1.RestartBackoffTimeStrategyFactoryLoader");
        }
        Object factory = invoke(method(loader, "createRestartBackoffTimeStrategyFactory"), null, conf);
        return call(factory, "create");
    }

    private String highAvailability(Object conf) throws Exception {
        Class<?> modes = flink.loadClass(RUNTIME + "jobmanager.HighAvailabilityMode");
        if (!(boolean) invoke(method(modes, "isHighAvailabilityModeActivated"), null, conf)) {
            return "off";
        }
        Object mode = invoke(method(modes, "fromConfig"), null, conf);
        Class<?> services = flink.loadClass(RUNTIME + "highavailability.HighAvailabilityServicesUtils");
        Object directory = invoke(method(services, "getClusterHighAvailableStoragePath"), null, conf);
        // A class that this Flink has no mode for is loaded by its name.
        if (String.valueOf(mode).equals("FACTORY_CLASS")) {
            Class<?> factory = flink.loadClass(option(conf, "HighAvailabilityOptions", "HA_MODE").toString());
            mode = factory.getConstructor().newInstance().getClass().getSimpleName();
        }
        return mode + " " + directory;
    }

    /** Name, class and port of every reporter that was started and is closed again. */
    private String reporters(Object conf) throws Exception {
        List<String> names = new ArrayList<>();
        for (Object setup : setups(conf)) {
            Object reporter = call(setup, "getReporter");
            String port;
            try {
                port = ":" + call(reporter, "getPort");
            } catch (NoSuchMethodException e) {
                port = "";
            }
            names.add(call(setup, "getName") + " " + reporter.getClass().getSimpleName() + port);
            call(reporter, "close");
        }
        return String.join(", ", names);
    }

    private Iterable<?> setups(Object conf) throws Exception {
        Class<?> setup = flink.loadClass(RUNTIME + "metrics.ReporterSetup");
        Optional<Method> own = Arrays.stream(setup.getDeclaredMethods())
                .filter(method -> method.getName().equals("fromConfiguration")).findFirst();
        if (own.isPresent()) {
            return (Iterable<?>) invoke(own.get(), null, conf);
        }
        Class<?> builder = flink.loadClass(RUNTIME + "metrics.ReporterSetupBuilder");
        Object metrics = builder.getField("METRIC_SETUP_BUILDER").get(null);
        return (Iterable<?>) invoke(method(builder, "fromConfiguration"), metrics, conf);
    }

    /** What lets metrics through to a reporter, where the caller has to bring it: Flink 2.1 and newer. */
    private Object metricFilter(Object conf) {
        try {
            Class<?> filters = flink.loadClass(RUNTIME + "metrics.filter.DefaultReporterFilters");
            return invoke(method(filters, "metricsFromConfiguration"), null, conf);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private Object option(Object conf, String holder, String field) throws Exception {
        return get(conf, flink.loadClass(CONFIGURATION + holder).getField(field).get(null));
    }

    private Object get(Object conf, Object option) throws Exception {
        return configurationClass.getMethod("get", flink.loadClass(CONFIGURATION + "ConfigOption")).invoke(conf, option);
    }

    /** Of the overloads of a method the one with the most parameters. */
    private static Method method(Class<?> type, String name) {
        return Arrays.stream(type.getDeclaredMethods())
                .filter(method -> method.getName().equals(name) && !method.isSynthetic())
                .max((a, b) -> a.getParameterCount() - b.getParameterCount()).orElseThrow(
                        () -> new IllegalStateException(type.getName() + " has no method " + name));
    }

    /** Calls with what the parameters' types ask for; what only an application could give is null. */
    private Object invoke(Method method, Object self, Object conf) throws Exception {
        Object[] arguments = new Object[method.getParameterCount()];
        for (int i = 0; i < arguments.length; i++) {
            Class<?> type = method.getParameterTypes()[i];
            if (type.isInstance(conf)) {
                arguments[i] = conf;
            } else if (type == ClassLoader.class) {
                arguments[i] = flink;
            } else if (type == boolean.class) {
                arguments[i] = (long) interval(conf) > 0;
            } else if (type.getSimpleName().equals("StateBackend")) {
                arguments[i] = backend(conf);
            } else if (type.getSimpleName().equals("Logger")) {
                arguments[i] = flink.loadClass("org.slf4j.LoggerFactory")
                        .getMethod("getLogger", String.class).invoke(null, "probe");
            } else if (type == Function.class) {
                arguments[i] = (Function<Object, Object>) this::metricFilter;
            } else if (type.getSimpleName().equals("RestartStrategyConfiguration")) {
                arguments[i] = flink.loadClass("org.apache.flink.api.common.restartstrategy.RestartStrategies")
                        .getMethod("fallBackRestart").invoke(null);
            }
        }
        method.setAccessible(true);
        return method.invoke(self, arguments);
    }

    /** Calls a method without parameters, whoever declares it. */
    private static Object call(Object self, String name) throws Exception {
        for (Class<?> type = self.getClass(); type != null; type = type.getSuperclass()) {
            for (Method method : type.getDeclaredMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == 0 && !method.isSynthetic()) {
                    method.setAccessible(true);
                    return method.invoke(self);
                }
            }
        }
        throw new NoSuchMethodException(name);
    }
}
