// SPDX-License-Identifier: Apache-2.0
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.serialization.*;
import org.springframework.context.annotation.*;
import org.springframework.kafka.annotation.*;
import org.springframework.kafka.config.*;
import org.springframework.kafka.core.*;

/** spring-kafka against a broker: BROKER TOPIC COUNT. A topic that is a bean, a template that sends, a listener of three threads. */
@Configuration
@EnableKafka
public class Spring {
    static String broker, topic;
    static final Set<String> seen = ConcurrentHashMap.newKeySet();

    static Map<String, Object> settings(Object... more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", broker));
        for (int i = 0; i < more.length; i += 2)
            settings.put((String) more[i], more[i + 1]);
        return settings;
    }

    @Bean
    KafkaAdmin admin() {
        return new KafkaAdmin(settings());
    }

    @Bean
    NewTopic made() {
        return new NewTopic(topic, 4, (short) 1);
    }

    @Bean
    KafkaTemplate<String, String> template() {
        return new KafkaTemplate<>(new DefaultKafkaProducerFactory<>(settings(), new StringSerializer(), new StringSerializer()));
    }

    @Bean
    ConcurrentKafkaListenerContainerFactory<String, String> kafkaListenerContainerFactory() {
        var factory = new ConcurrentKafkaListenerContainerFactory<String, String>();
        factory.setConsumerFactory(new DefaultKafkaConsumerFactory<>(settings("auto.offset.reset", "earliest"), new StringDeserializer(), new StringDeserializer()));
        factory.setConcurrency(3);
        return factory;
    }

    @Bean
    String topicName() {
        return topic;
    }

    @KafkaListener(id = "listener", topics = "#{topicName}")
    public void listen(String value) {
        seen.add(value);
    }

    public static void main(String[] args) throws Exception {
        broker = args[0];
        topic = args[1];
        int count = Integer.parseInt(args[2]);
        var context = new AnnotationConfigApplicationContext(Spring.class);
        KafkaTemplate<String, String> template = context.getBean(KafkaTemplate.class);
        for (int i = 0; i < count; i++)
            template.send(topic, "" + i, "" + i).get(20, TimeUnit.SECONDS);
        for (int i = 0; i < 300 && seen.size() < count; i++)
            Thread.sleep(200);
        int partitions = template.partitionsFor(topic).size();
        context.close();
        System.out.println("{\"produced\": " + count + ", \"read\": " + seen.size() + ", \"create\": " + partitions + "}");
        System.exit(0);
    }
}
