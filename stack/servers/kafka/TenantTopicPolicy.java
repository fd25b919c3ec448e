// What a topic of a tenant may be: rights alone let one request make ten thousand partitions, or a topic that keeps everything for ever.
package leasehold;

import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.CreateTopicPolicy;

public final class TenantTopicPolicy implements CreateTopicPolicy {
    private static final Pattern OF_A_TENANT = Pattern.compile("lh[a-z2-7]{8}_[a-z2-7]{24}\\..*");
    private static final Set<String> FREE_CONFIGS = Set.of("compression.type", "message.timestamp.type");

    private int partitions;
    private long retentionBytes;
    private long retentionMs;
    private long messageBytes;

    @Override
    public void configure(Map<String, ?> configs) {
        partitions = (int) number(configs, "leasehold.topic.partitions");
        retentionBytes = number(configs, "log.retention.bytes");
        retentionMs = number(configs, "log.retention.ms");
        messageBytes = number(configs, "message.max.bytes");
    }

    @Override
    public void validate(RequestMetadata request) throws PolicyViolationException {
        if (!OF_A_TENANT.matcher(request.topic()).matches()) return;
        int asked = request.replicasAssignments() != null ? request.replicasAssignments().size() : request.numPartitions();
        if (asked > partitions) throw new PolicyViolationException("a topic has at most " + partitions + " partitions here");
        request.configs().forEach(this::check);
    }

    private void check(String name, String value) {
        if (FREE_CONFIGS.contains(name) || value == null) return;
        switch (name) {
            case "cleanup.policy" -> deletes(value);
            case "retention.bytes" -> atMost(name, value, retentionBytes);
            case "retention.ms" -> atMost(name, value, retentionMs);
            case "max.message.bytes" -> atMost(name, value, messageBytes);
            default -> throw new PolicyViolationException(name + " is not a tenant's to set here");
        }
    }

    /** Where old messages are only compacted Kafka asks for neither their age nor their bytes. */
    private static void deletes(String value) {
        for (String part : value.split(",")) if (part.trim().equals("delete")) return;
        throw new PolicyViolationException("cleanup.policy is delete or compact,delete here");
    }

    private static void atMost(String name, String value, long most) {
        long given;
        try {
            given = Long.parseLong(value.trim());
        } catch (NumberFormatException error) {
            throw new PolicyViolationException(name + " is no number");
        }
        if (given < 0 || given > most) throw new PolicyViolationException(name + " is from 0 to " + most + " here");
    }

    private static long number(Map<String, ?> configs, String name) {
        return Long.parseLong(String.valueOf(configs.get(name)).trim());
    }

    @Override
    public void close() {}
}
