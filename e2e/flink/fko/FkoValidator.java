import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.kubernetes.operator.api.FlinkDeployment;
import org.apache.flink.kubernetes.operator.api.FlinkSessionJob;
import org.apache.flink.kubernetes.operator.config.FlinkConfigManager;
import org.apache.flink.kubernetes.operator.validation.DefaultValidator;

/**
 * Prints what the Flink Kubernetes Operator's own validator says of resources. A line of the input is
 * {@code {"operator": {KEY: VALUE}, "object": RESOURCE, "sessionCluster": RESOURCE or null}}, with the operator's
 * configuration; the line of the output for it is {@code accepted} or {@code refused: why}.
 *
 * <p>Usage: {@code java -cp CLASS_PATH_OF_THE_OPERATOR FkoValidator.java INPUT OUTPUT}
 */
final class FkoValidator {
    private final ObjectMapper mapper =
            new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
    private final Map<String, DefaultValidator> validators = new HashMap<>();

    private FkoValidator() {}

    public static void main(String[] args) throws Exception {
        FkoValidator validator = new FkoValidator();
        try (PrintStream out = new PrintStream(args[1], StandardCharsets.UTF_8)) {
            for (String line : Files.readAllLines(Path.of(args[0]))) {
                JsonNode input = validator.mapper.readTree(line);
                String verdict = validator.verdict(input).map(why -> "refused: " + why).orElse("accepted");
                out.println(verdict.replaceAll("\\s+", " "));
            }
        }
        System.exit(0); // the operator's configuration leaves threads behind
    }

    private Optional<String> verdict(JsonNode input) throws Exception {
        DefaultValidator validator = validator(input.get("operator"));
        JsonNode object = input.get("object");
        JsonNode sessionCluster = input.get("sessionCluster");
        try {
            if (sessionCluster.isNull()) {
                return validator.validateDeployment(mapper.treeToValue(object, FlinkDeployment.class));
            }
            return validator.validateSessionJob(mapper.treeToValue(object, FlinkSessionJob.class),
                    Optional.of(mapper.treeToValue(sessionCluster, FlinkDeployment.class)));
        } catch (RuntimeException e) {
            // What the operator's webhook would answer with as well.
            return Optional.of(e.toString());
        }
    }

    private DefaultValidator validator(JsonNode operator) {
        return validators.computeIfAbsent(operator.toString(), text -> {
            Configuration configuration = new Configuration();
            operator.fields().forEachRemaining(pair -> configuration.setString(pair.getKey(), pair.getValue().asText()));
            configuration.setString("kubernetes.operator.dynamic.config.enabled", "false");
            return new DefaultValidator(new FlinkConfigManager(configuration));
        });
    }
}
