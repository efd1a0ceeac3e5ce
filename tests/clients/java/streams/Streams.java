// SPDX-License-Identifier: Apache-2.0
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.state.*;

/** Kafka Streams against a broker: BROKER TOPIC COUNT. Counts a topic's events by key, with a store that a topic of its own backs. */
public class Streams {
    static Properties properties(String broker, String... more) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        for (int i = 0; i < more.length; i += 2)
            properties.put(more[i], more[i + 1]);
        return properties;
    }

    static void produce(String broker, String topic, int count) {
        try (var producer = new KafkaProducer<>(properties(broker), new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < count; i++)
                producer.send(new ProducerRecord<>(topic, "key-" + i % 8, "" + i));
        }
    }

    static Topology topology(String topic) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(topic, Consumed.with(Serdes.String(), Serdes.String()))
            .groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts")).withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream().mapValues(String::valueOf).to(topic + "-counts", Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    /** Until the counts of all keys add up. */
    static long read(String broker, String topic, int count) {
        Map<String, Long> counts = new HashMap<>();
        long until = System.currentTimeMillis() + 60000;
        Properties properties = properties(broker, "group.id", topic + "-reader", "auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic + "-counts"));
            while (counts.values().stream().mapToLong(Long::longValue).sum() < count && System.currentTimeMillis() < until)
                consumer.poll(Duration.ofMillis(200)).forEach(record -> counts.put(record.key(), Long.parseLong(record.value())));
        }
        return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    public static void main(String[] args) {
        int count = Integer.parseInt(args[2]);
        produce(args[0], args[1], count);
        produce(args[0], args[1] + "-counts", 0);
        Properties properties = properties(args[0], "application.id", args[1], "auto.offset.reset", "earliest", "state.dir", args[3],
            "commit.interval.ms", "200", "statestore.cache.max.bytes", "0");
        long read;
        try (var streams = new KafkaStreams(topology(args[1]), properties)) {
            streams.start();
            read = read(args[0], args[1], count);
        }
        System.out.println("{\"produced\": " + count + ", \"read\": " + read + "}");
        System.exit(0);
    }
}
