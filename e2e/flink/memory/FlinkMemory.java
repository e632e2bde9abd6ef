import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Prints what Flink's own calculator makes of configurations. A line of the input is one configuration,
 * {@code key=value <tab> key=value ...}; the line of the output for it is
 * {@code TaskManager, native <tab> TaskManager, standalone <tab> JobManager}, each either sizes in bytes with
 * spaces between or {@code refused: why}.
 *
 * <p>TaskManager: framework heap, framework off-heap, task heap, task off-heap, network, managed, metaspace,
 * overhead, process, slots, and of one slot task heap, task off-heap, network, managed. JobManager: heap,
 * off-heap, metaspace, overhead, process.
 *
 * <p>Usage: {@code java FlinkMemory.java FILE_WITH_CLASS_PATH INPUT OUTPUT}
 */
final class FlinkMemory {
    private static final String RUNTIME = "org.apache.flink.runtime.";
    private static final String CONFIGURATION = "org.apache.flink.configuration.";

    /** A calculation by Flink. */
    private interface Calculation {
        List<Object> run() throws Exception;
    }

    private final Class<?> configuration;
    private final Class<?> taskManagers;
    private final Class<?> jobManagers;
    private final Class<?> workers;
    private final Class<?> slots;
    private final Object processSize;
    private final Object flinkSize;
    private final Object heapSize;

    private FlinkMemory(Path classPath) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (String jar : Files.readString(classPath).trim().split(":")) {
            urls.add(Path.of(jar).toUri().toURL());
        }
        ClassLoader flink = new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
        configuration = flink.loadClass(CONFIGURATION + "Configuration");
        taskManagers = flink.loadClass(RUNTIME + "clusterframework.TaskExecutorProcessUtils");
        jobManagers = flink.loadClass(RUNTIME + "jobmanager.JobManagerProcessUtils");
        workers = flink.loadClass(RUNTIME + "resourcemanager.WorkerResourceSpec");
        slots = flink.loadClass(RUNTIME + "resourcemanager.slotmanager.SlotManagerUtils");
        Class<?> ofTaskManager = flink.loadClass(CONFIGURATION + "TaskManagerOptions");
        processSize = ofTaskManager.getField("TOTAL_PROCESS_MEMORY").get(null);
        flinkSize = ofTaskManager.getField("TOTAL_FLINK_MEMORY").get(null);
        heapSize = flink.loadClass(CONFIGURATION + "JobManagerOptions").getField("JVM_HEAP_MEMORY").get(null);
    }

    public static void main(String[] args) throws Exception {
        FlinkMemory memory = new FlinkMemory(Path.of(args[0]));
        try (PrintStream out = new PrintStream(args[2], StandardCharsets.UTF_8)) {
            for (String line : Files.readAllLines(Path.of(args[1]))) {
                Object conf = memory.configuration(line);
                out.print(outcome(() -> memory.taskManager(conf, memory.processSize))
                        + "\t" + outcome(() -> memory.taskManager(conf, memory.flinkSize))
                        + "\t" + outcome(() -> memory.jobManager(conf)) + "\n");
            }
        }
    }

    private Object configuration(String line) throws Exception {
        Map<String, String> settings = new HashMap<>();
        for (String setting : line.split("\t")) {
            int equals = setting.indexOf('=');
            if (equals > 0) {
                settings.put(setting.substring(0, equals), setting.substring(equals + 1));
            }
        }
        return configuration.getMethod("fromMap", Map.class).invoke(null, settings);
    }

    /** Only what Flink throws to refuse is a refusal: an Error is a fault of this program's class path. */
    private static String outcome(Calculation calculation) throws Exception {
        try {
            List<String> texts = new ArrayList<>();
            for (Object value : calculation.run()) {
                texts.add(value.toString());
            }
            return String.join(" ", texts);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException refusal) {
                return "refused: " + String.valueOf(refusal.getMessage()).replaceAll("\\s+", " ");
            }
            throw e;
        }
    }

    /** As ActiveResourceManagerFactory and BashJavaUtils do, which differ in what a legacy heap size stands for. */
    private List<Object> taskManager(Object conf, Object legacyHeap) throws Exception {
        Method legacy = find(taskManagers, "getConfigurationMapLegacyTaskManagerHeapSizeToConfigOption");
        Object mapped = legacy == null ? conf : legacy.invoke(null, conf, legacyHeap);
        Object spec = find(taskManagers, "processSpecFromConfig").invoke(null, mapped);
        Object worker = find(workers, "fromTaskExecutorProcessSpec").invoke(null, spec);
        Method perSlot = slots.getMethod("generateDefaultSlotResourceProfile", workers, int.class);
        Object slot = perSlot.invoke(null, worker, call(spec, "getNumSlots"));
        return List.of(
                bytes(spec, "getFrameworkHeapSize"), bytes(spec, "getFrameworkOffHeapMemorySize"),
                bytes(spec, "getTaskHeapSize"), bytes(spec, "getTaskOffHeapSize"),
                bytes(spec, "getNetworkMemSize"), bytes(spec, "getManagedMemorySize"),
                bytes(spec, "getJvmMetaspaceSize"), bytes(spec, "getJvmOverheadSize"),
                bytes(spec, "getTotalProcessMemorySize"), call(spec, "getNumSlots"),
                bytes(slot, "getTaskHeapMemory"), bytes(slot, "getTaskOffHeapMemory"),
                bytes(slot, "getNetworkMemory"), bytes(slot, "getManagedMemory"));
    }

    private List<Object> jobManager(Object conf) throws Exception {
        Method withLegacy = find(jobManagers, "processSpecFromConfigWithNewOptionToInterpretLegacyHeap");
        Object spec = withLegacy == null
                ? find(jobManagers, "processSpecFromConfig").invoke(null, conf)
                : withLegacy.invoke(null, conf, heapSize);
        return List.of(
                bytes(spec, "getJvmHeapMemorySize"), bytes(spec, "getJvmDirectMemorySize"),
                bytes(spec, "getJvmMetaspaceSize"), bytes(spec, "getJvmOverheadSize"),
                bytes(spec, "getTotalProcessMemorySize"));
    }

    /** The static method of a class by its name alone; null if this version has none. */
    private static Method find(Class<?> owner, String name) {
        for (Method method : owner.getDeclaredMethods()) {
            if (method.getName().equals(name)) {
                method.setAccessible(true);
                return method;
            }
        }
        return null;
    }

    private static Object bytes(Object owner, String getter) throws Exception {
        return call(call(owner, getter), "getBytes");
    }

    /** Some getters are of a parent class, and some are not public. */
    private static Object call(Object target, String name) throws Exception {
        for (Class<?> owner = target.getClass(); owner != null; owner = owner.getSuperclass()) {
            try {
                Method method = owner.getDeclaredMethod(name);
                method.setAccessible(true);
                return method.invoke(target);
            } catch (NoSuchMethodException e) {
                continue;
            }
        }
        throw new NoSuchMethodException(target.getClass() + "." + name);
    }
}
