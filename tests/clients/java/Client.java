// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** kafka-clients against a broker: BROKER TOPIC COUNT. What came of it, as JSON. */
public class Client {
    static final Map<String, String> result = new LinkedHashMap<>();
    static String broker, topic;
    static int count;

    static void attempt(String name, Callable<Object> call) {
        try {
            Object value = call.call();
            result.put(name, value instanceof String ? quoted((String) value) : String.valueOf(value));
        } catch (Exception error) { // what the client says is the result
            result.put(name, quoted(error.toString()));
        }
    }

    static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
    }

    static Properties properties(String... more) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        for (String side : List.of("key", "value")) {
            properties.put(side + ".serializer", "org.apache.kafka.common.serialization.StringSerializer");
            properties.put(side + ".deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        }
        properties.put("default.api.timeout.ms", "20000");
        properties.put("auto.offset.reset", "earliest");
        properties.put("request.timeout.ms", "15000");
        properties.put("max.block.ms", "20000");
        for (int i = 0; i < more.length; i += 2)
            properties.put(more[i], more[i + 1]);
        return properties;
    }

    static Object produce() {
        try (var producer = new KafkaProducer<String, String>(properties("enable.idempotence", "true", "acks", "all"))) {
            for (int i = 0; i < count; i++)
                producer.send(new ProducerRecord<>(topic, "" + i, "" + i));
            producer.flush();
        }
        return count;
    }

    static Object transact(String id, boolean commits) throws Exception {
        try (var producer = new KafkaProducer<String, String>(properties("transactional.id", topic + "-" + id))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic + "-transaction", "x")).get();
            if (commits)
                producer.commitTransaction();
            else
                producer.abortTransaction();
            return "done";
        }
    }

    /** From 1970 on there is a first message in each of the four partitions, from the next hour on there is none. */
    static Object offsetsByTime(Consumer<String, String> consumer) {
        Map<TopicPartition, Long> early = new HashMap<>(), late = new HashMap<>();
        for (int i = 0; i < 4; i++) {
            early.put(new TopicPartition(topic, i), 1L);
            late.put(new TopicPartition(topic, i), System.currentTimeMillis() + 3_600_000);
        }
        return consumer.offsetsForTimes(early).values().stream().allMatch(found -> found != null && found.offset() == 0)
            && consumer.offsetsForTimes(late).values().stream().allMatch(Objects::isNull);
    }

    static Object read() {
        Set<String> seen = new HashSet<>();
        try (var consumer = new KafkaConsumer<String, String>(properties("group.id", topic + "-group"))) {
            consumer.subscribe(List.of(topic));
            for (long end = System.nanoTime() + 20_000_000_000L; seen.size() < count && System.nanoTime() < end;)
                for (var record : consumer.poll(Duration.ofMillis(200)))
                    seen.add(record.value());
            consumer.commitSync();
            attempt("times", () -> offsetsByTime(consumer));
            administer();
        }
        return seen.size();
    }

    static Object readByNewProtocol() {
        try (var consumer = new KafkaConsumer<String, String>(properties("group.id", topic + "-new", "group.protocol", "consumer"))) {
            consumer.subscribe(List.of(topic));
            for (long end = System.nanoTime() + 15_000_000_000L; System.nanoTime() < end;)
                consumer.poll(Duration.ofMillis(200));
        }
        return "no error";
    }

    static void administer() {
        try (Admin admin = Admin.create(properties())) {
            String made = topic + "-made", group = topic + "-group";
            attempt("create", () -> {
                admin.createTopics(List.of(new NewTopic(made, 3, (short) 1))).all().get();
                try (var producer = new KafkaProducer<String, String>(properties())) {
                    return producer.partitionsFor(made).size();
                }
            });
            attempt("configs", () -> {
                var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
                return admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.bytes") != null;
            });
            attempt("groups", () -> admin.listConsumerGroups().all().get().stream().anyMatch(listed -> listed.groupId().equals(group)));
            attempt("members", () -> admin.describeConsumerGroups(List.of(group)).all().get().get(group).members().size() == 1);
            attempt("offsets", () -> {
                var partition = new TopicPartition(made, 0);
                return admin.listOffsets(Map.of(partition, OffsetSpec.latest())).all().get().get(partition).offset();
            });
            attempt("delete", () -> admin.deleteTopics(List.of(made)).all().get());
        }
    }

    public static void main(String[] words) {
        broker = words[0];
        topic = words[1];
        count = Integer.parseInt(words[2]);
        attempt("produced", Client::produce);
        attempt("read", Client::read);
        attempt("committed", () -> transact("committed", true));
        attempt("aborted", () -> transact("aborted", false));
        if (ConsumerConfig.configNames().contains("group.protocol"))
            attempt("new_protocol", Client::readByNewProtocol);
        StringJoiner json = new StringJoiner(", ", "{", "}");
        result.forEach((name, value) -> json.add(quoted(name) + ": " + value));
        System.out.println(json);
    }
}
