import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * A job that does well, or badly in the way that the file {@code mood} of its temporary folder says, so that its metrics can
 * be seen in each: {@code starved}, {@code slow}, {@code slow-checkpoints}, {@code full-heap}, {@code failing}.
 */
public final class Moody {
    private static final int KEYS = 1000;
    private static final Path FILE = Path.of(System.getProperty("java.io.tmpdir"), "mood");

    /** Milliseconds between records. */
    private static final Map<String, Long> PAUSES = Map.of("starved", 1000L, "slow", 0L);

    private static volatile String mood = "well";
    private static volatile long readAt;

    /** Of this moment, read from the file a few times a second. */
    static String mood() throws IOException {
        if (System.nanoTime() - readAt > 200_000_000L) {
            mood = Files.readString(FILE).trim();
            readAt = System.nanoTime();
        }
        return mood;
    }

    static final class Keep extends KeyedProcessFunction<Long, Long, Long> implements CheckpointedFunction {
        private static final List<byte[]> HOARD = new ArrayList<>();

        @Override
        public void processElement(Long number, Context context, Collector<Long> out) throws Exception {
            ValueState<byte[]> kept = getRuntimeContext().getState(new ValueStateDescriptor<>("kept", byte[].class));
            kept.update(new byte[512]);
            switch (mood()) {
                case "slow":
                    Thread.sleep(50);
                    break;
                case "failing":
                    throw new IllegalStateException("in a bad mood");
                case "full-heap":
                    hoard();
                    break;
                default:
                    HOARD.clear();
            }
            out.collect(number);
        }

        /** Fills the heap to 94 %, so that the job is hindered and not ended. */
        private static void hoard() {
            Runtime runtime = Runtime.getRuntime();
            while (runtime.totalMemory() - runtime.freeMemory() < runtime.maxMemory() * 0.94) {
                HOARD.add(new byte[1 << 20]);
            }
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            if (mood().equals("slow-checkpoints")) {
                Thread.sleep(6000);
            }
        }

        @Override
        public void initializeState(FunctionInitializationContext context) {}
    }

    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.fromSequence(0, Long.MAX_VALUE).uid("numbers")
                .map(number -> {
                    Thread.sleep(PAUSES.getOrDefault(mood(), 2L));
                    return number;
                }).returns(Long.class).uid("paced")
                .keyBy(number -> number % KEYS)
                .process(new Keep()).uid("keep");
        env.execute("moody");
    }
}
