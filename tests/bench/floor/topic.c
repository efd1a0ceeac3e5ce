/* SPDX-License-Identifier: Apache-2.0 */
/* topic BOOTSTRAP TOPIC PARTITIONS: makes a topic. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

static int answer_of(rd_kafka_event_t *event)
{
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result = event == NULL ? NULL : rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = result == NULL ? NULL : rd_kafka_CreateTopics_result_topics(result, &count);

    if (count == 1 && rd_kafka_topic_result_error(topics[0]) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    (void)fprintf(stderr, "%s\n", count == 1 ? rd_kafka_topic_result_error_string(topics[0]) : "no answer");
    return 1;
}

int main(int argc, char **argv)
{
    char reason[200];

    if (argc != 4)
        return 2;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], reason, sizeof(reason)) != RD_KAFKA_CONF_OK)
        return 1;
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(argv[2], (int)strtol(argv[3], NULL, 10), 1, reason, sizeof(reason));
    if (kafka == NULL || topic == NULL)
        return 1;
    rd_kafka_queue_t *answers = rd_kafka_queue_new(kafka);
    rd_kafka_CreateTopics(kafka, &topic, 1, NULL, answers);
    rd_kafka_event_t *event = rd_kafka_queue_poll(answers, 30000);
    int status = answer_of(event);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_destroy(kafka);
    return status;
}
