import java.util.Random;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;

/** A job with keyed state that configures nothing, so that all that is in effect comes from configuration. */
public final class KeyedNoise {
    private static final int KEYS = 1000;

    /** Keeps noise for each key: too much for a checkpoint to hold it in its metadata instead of files. */
    static final class Keep extends KeyedProcessFunction<Long, Long, Long> {
        private static final int NOISE_BYTES = 512;

        @Override
        public void processElement(Long number, Context context, Collector<Long> out) throws Exception {
            ValueState<byte[]> kept = getRuntimeContext().getState(new ValueStateDescriptor<>("kept", byte[].class));
            byte[] noise = new byte[NOISE_BYTES];
            new Random(number).nextBytes(noise);
            kept.update(noise);
            out.collect(number);
        }
    }

    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.fromSequence(0, Long.MAX_VALUE).uid("numbers")
                .map(number -> {
                    Thread.sleep(1);
                    return number;
                }).returns(Long.class).uid("slow")
                .keyBy(number -> number % KEYS)
                .process(new Keep()).uid("keep")
                .sinkTo(new DiscardingSink<>()).uid("nowhere");
        env.execute("keyed-noise");
    }
}
