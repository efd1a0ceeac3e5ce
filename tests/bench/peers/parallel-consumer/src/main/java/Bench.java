/* SPDX-License-Identifier: Apache-2.0 */
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Bench BOOTSTRAP TOPIC COUNT unordered|key THREADS SLEEP_MS: reads COUNT messages, prints what that took. */
public class Bench {
    public static void main(String[] words) throws Exception {
        long count = Long.parseLong(words[2]);
        var order = words[3].equals("key") ? ProcessingOrder.KEY : ProcessingOrder.UNORDERED;
        int threads = Integer.parseInt(words[4]);
        long sleepMs = Long.parseLong(words[5]);
        var properties = new Properties();
        properties.put("bootstrap.servers", words[0]);
        properties.put("group.id", "parallel-" + UUID.randomUUID());
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        properties.put("max.poll.records", "5000");
        properties.put("fetch.min.bytes", "100000");
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        var options = ParallelConsumerOptions.<byte[], byte[]>builder()
                .consumer(new KafkaConsumer<>(properties))
                .ordering(order)
                .maxConcurrency(threads)
                .build();
        var seen = new AtomicLong();
        var startNs = new AtomicLong();
        var done = new CountDownLatch(1);
        var parallel = ParallelStreamProcessor.createEosStreamProcessor(options);
        parallel.subscribe(List.of(words[1]));
        parallel.poll(context -> {
            if (sleepMs > 0) {
                try {
                    Thread.sleep(sleepMs);
                } catch (InterruptedException stop) {
                    return;
                }
            }
            long number = seen.incrementAndGet();
            if (number == 1)
                startNs.set(System.nanoTime());
            if (number == count)
                done.countDown();
        });
        done.await();
        System.out.printf("{\"events\": %d, \"seconds\": %.6f}%n", count, (System.nanoTime() - startNs.get()) / 1e9);
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
