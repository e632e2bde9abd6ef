import java.util.Arrays;
import java.util.Map;
import java.util.UUID;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.DiscardingSink;
import org.apache.flink.util.Collector;

/**
 * Counts for ever, slowly, and configures nothing. Of its state it shows two gauges: "counted", and "origin", a number
 * drawn when the count began, by which a restored job is told from one that began anew.
 *
 * <p>Arguments: {@code --refuse KEY=VALUE} ends the job at its start if it is configured so; when it is started from a
 * savepoint, {@code --main-takes} and {@code --restore-takes} say for how many milliseconds it is not submitted yet, and
 * then still restores its state.
 */
public final class Counting {
    static final class Count extends KeyedProcessFunction<Long, Long, Long> implements CheckpointedFunction {
        private final long restoreTakes;
        private transient ValueState<Long> count;
        private transient ValueState<Long> origin;
        private transient volatile long counted;
        private transient volatile long begun;

        Count(long restoreTakes) {
            this.restoreTakes = restoreTakes;
        }

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            if (context.isRestored()) {
                Thread.sleep(restoreTakes);
            }
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) {}

        @Override
        public void open(Configuration parameters) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
            origin = getRuntimeContext().getState(new ValueStateDescriptor<>("origin", Long.class));
            getRuntimeContext().getMetricGroup().gauge("counted", () -> counted);
            getRuntimeContext().getMetricGroup().gauge("origin", () -> begun);
        }

        @Override
        public void processElement(Long number, Context context, Collector<Long> out) throws Exception {
            if (origin.value() == null) {
                origin.update(UUID.randomUUID().getMostSignificantBits() >>> 1);
                count.update(0L);
            }
            count.update(count.value() + 1);
            begun = origin.value();
            counted = count.value();
            out.collect(counted);
        }
    }

    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        Map<String, String> configured = ((Configuration) env.getConfiguration()).toMap();
        String refused = argument(args, "--refuse", "");
        if (configured.entrySet().stream().anyMatch(entry -> entry.toString().equals(refused))) {
            throw new IllegalStateException("this job does not run with " + refused);
        }
        if (configured.containsKey("execution.savepoint.path")) {
            Thread.sleep(Long.parseLong(argument(args, "--main-takes", "0")));
        }
        long restoreTakes = Long.parseLong(argument(args, "--restore-takes", "0"));
        env.fromSequence(0, Long.MAX_VALUE).uid("numbers")
                .map(number -> {
                    Thread.sleep(10);
                    return number;
                }).returns(Long.class).uid("slow")
                .keyBy(number -> 0L)
                .process(new Count(restoreTakes)).uid("count").name("count")
                .addSink(new DiscardingSink<>()).uid("nowhere");
        env.execute("counting");
    }

    private static String argument(String[] args, String name, String absent) {
        int at = Arrays.asList(args).indexOf(name);
        return at < 0 ? absent : args[at + 1];
    }
}
