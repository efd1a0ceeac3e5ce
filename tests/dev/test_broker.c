/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded broker, met by real clients: librdkafka here, and another process of it. */
#include "dev/broker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static struct broker *broker;

static void start(void)
{
    struct error error = { 0 };
    cr_assert(broker_start(0, &broker, &error) == 0, "%s", error.text);
    cr_assert(broker_create_topic(broker, "events", 1, &error) == 0, "%s", error.text);
}

static void stop(void)
{
    broker_stop(broker);
    broker = NULL;
}

TestSuite(broker, .init = start, .fini = stop, .timeout = 180);

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[200];
    cr_assert(rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK, "%s", text);
}

static rd_kafka_conf_t *client_conf(void)
{
    char address[40];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", broker_port(broker));
    set(conf, "bootstrap.servers", address);
    return conf;
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char text[200];
    rd_kafka_t *kafka = rd_kafka_new(type, conf, text, sizeof(text));
    cr_assert(kafka != NULL, "%s", text);
    return kafka;
}

static void produce(const char *topic, int count)
{
    rd_kafka_conf_t *conf = client_conf();
    set(conf, "enable.idempotence", "true");
    set(conf, "linger.ms", "0");
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, conf);

    for (int i = 0; i < count; i++) {
        char value[32];
        (void)snprintf(value, sizeof(value), "value-%d", i);
        rd_kafka_resp_err_t status =
            rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY("key", 3), RD_KAFKA_V_VALUE(value, strlen(value)),
                              RD_KAFKA_V_HEADER("ce_type", "a.b", 3), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        cr_assert(status == 0);
    }
    cr_assert(rd_kafka_flush(producer, 40000) == 0);
    rd_kafka_destroy(producer);
}

static rd_kafka_t *consumer(const char *topic)
{
    rd_kafka_conf_t *conf = client_conf();
    set(conf, "group.id", "stepd");
    set(conf, "partition.assignment.strategy", "cooperative-sticky");
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "enable.auto.commit", "false");
    set(conf, "session.timeout.ms", "60000");
    rd_kafka_t *kafka = client(RD_KAFKA_CONSUMER, conf);
    (void)rd_kafka_poll_set_consumer(kafka);

    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    cr_assert(rd_kafka_subscribe(kafka, topics) == 0);
    rd_kafka_topic_partition_list_destroy(topics);
    return kafka;
}

static rd_kafka_message_t *next(rd_kafka_t *kafka)
{
    for (int64_t end = clock_monotonic_ms() + 40000; clock_monotonic_ms() < end;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(kafka, 100);
        if (message != NULL && message->err == 0)
            return message;
        if (message != NULL)
            rd_kafka_message_destroy(message);
    }
    cr_assert(false, "no message came");
    return NULL;
}

static void commit(rd_kafka_t *kafka, int64_t offset, const char *metadata)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *partition = rd_kafka_topic_partition_list_add(list, "events", 0);
    partition->offset = offset;
    partition->metadata = strdup(metadata);
    partition->metadata_size = strlen(metadata);
    rd_kafka_resp_err_t status = rd_kafka_commit(kafka, list, 0);
    cr_assert(status == 0, "%s", rd_kafka_err2str(status));
    rd_kafka_topic_partition_list_destroy(list);
}

Test(broker, carries_key_value_and_headers_to_a_group_at_once)
{
    const void *header = NULL;
    size_t size = 0;
    rd_kafka_headers_t *headers = NULL;

    produce("events", 3);
    const int64_t since = clock_monotonic_ms();
    rd_kafka_t *kafka = consumer("events");
    rd_kafka_message_t *message = next(kafka);
    cr_expect(clock_monotonic_ms() - since < 10000, "the group waited %ld ms", (long)(clock_monotonic_ms() - since));
    cr_expect(message->offset == 0 && message->partition == 0);
    cr_expect(message->key_len == 3 && memcmp(message->key, "key", 3) == 0);
    cr_expect(message->len == 7 && memcmp(message->payload, "value-0", 7) == 0);
    cr_assert(rd_kafka_message_headers(message, &headers) == 0);
    cr_assert(rd_kafka_header_get_last(headers, "ce_type", &header, &size) == 0);
    cr_expect(size == 3 && memcmp(header, "a.b", 3) == 0);
    rd_kafka_message_destroy(message);
    rd_kafka_destroy(kafka);
}

Test(broker, gives_the_commit_and_its_metadata_to_the_next_member)
{
    produce("events", 5);
    rd_kafka_t *first = consumer("events");
    rd_kafka_message_destroy(next(first));
    commit(first, 3, "bitmap:42");
    rd_kafka_destroy(first);

    rd_kafka_t *second = consumer("events");
    rd_kafka_message_t *message = next(second);
    cr_expect(message->offset == 3);
    rd_kafka_message_destroy(message);

    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    const rd_kafka_topic_partition_t *partition = rd_kafka_topic_partition_list_add(list, "events", 0);
    cr_assert(rd_kafka_committed(second, list, 5000) == 0);
    cr_expect(partition->offset == 3);
    cr_assert(partition->metadata_size == 9);
    cr_expect(memcmp(partition->metadata, "bitmap:42", 9) == 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(second);
}

Test(broker, hands_a_killed_members_partition_on_without_waiting_for_its_session)
{
    int ready[2];
    char byte;

    produce("events", 2);
    cr_assert(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        rd_kafka_t *victim = consumer("events");
        rd_kafka_message_destroy(next(victim));
        (void)!write(ready[1], "x", 1);
        for (;;)
            (void)rd_kafka_consumer_poll(victim, 1000);
    }
    cr_assert(read(ready[0], &byte, 1) == 1);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);

    rd_kafka_t *kafka = consumer("events");
    rd_kafka_message_destroy(next(kafka)); /* long before the victim's session would have ended */
    rd_kafka_destroy(kafka);
}

/* The four partitions of a topic that made itself, between two members. */
Test(broker, shares_partitions_when_a_second_member_joins)
{
    produce("shared", 1);
    rd_kafka_t *first = consumer("shared");
    rd_kafka_message_destroy(next(first));
    rd_kafka_t *second = consumer("shared");
    int have_first = 0, have_second = 0;

    for (int64_t end = clock_monotonic_ms() + 40000; clock_monotonic_ms() < end && (have_first != 2 || have_second != 2);) {
        rd_kafka_topic_partition_list_t *list = NULL;
        rd_kafka_message_t *message = rd_kafka_consumer_poll(first, 50);
        if (message != NULL)
            rd_kafka_message_destroy(message);
        message = rd_kafka_consumer_poll(second, 50);
        if (message != NULL)
            rd_kafka_message_destroy(message);
        cr_assert(rd_kafka_assignment(first, &list) == 0);
        have_first = list->cnt;
        rd_kafka_topic_partition_list_destroy(list);
        cr_assert(rd_kafka_assignment(second, &list) == 0);
        have_second = list->cnt;
        rd_kafka_topic_partition_list_destroy(list);
    }
    cr_expect(have_first == 2 && have_second == 2, "%d and %d", have_first, have_second);
    rd_kafka_destroy(first);
    rd_kafka_destroy(second);
}

static void produce_at(rd_kafka_t *producer, int32_t partition, int64_t time_ms)
{
    rd_kafka_resp_err_t status =
        rd_kafka_producev(producer, RD_KAFKA_V_TOPIC("shared"), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_VALUE("value", 5),
                          RD_KAFKA_V_TIMESTAMP(time_ms), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    cr_assert(status == 0);
}

static int64_t offset_at(rd_kafka_t *kafka, const char *topic, int32_t partition, int64_t time_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    const rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_topic_partition_list_set_offset(list, topic, partition, time_ms);
    rd_kafka_resp_err_t status = rd_kafka_offsets_for_times(kafka, list, 20000);
    if (status == 0)
        status = asked->err;
    const int64_t offset = status == 0 ? asked->offset : -1000 - status;
    rd_kafka_topic_partition_list_destroy(list);
    return offset;
}

/* Messages of one compressed batch have times of their own, in any order. */
Test(broker, tells_offsets_by_time)
{
    rd_kafka_conf_t *conf = client_conf();
    set(conf, "linger.ms", "50");
    set(conf, "compression.type", "gzip");
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, conf);
    static const int64_t times[] = { 1000, 3000, 2000, 5000 };

    for (size_t i = 0; i < 4; i++)
        produce_at(producer, 1, times[i]);
    cr_assert(rd_kafka_flush(producer, 40000) == 0);
    produce_at(producer, 1, 7000);
    cr_assert(rd_kafka_flush(producer, 40000) == 0);

    cr_expect_eq(offset_at(producer, "shared", 1, 0), 0);
    cr_expect_eq(offset_at(producer, "shared", 1, 1000), 0);
    cr_expect_eq(offset_at(producer, "shared", 1, 1001), 1);
    cr_expect_eq(offset_at(producer, "shared", 1, 2000), 1, "the first that is as young, in the log's order");
    cr_expect_eq(offset_at(producer, "shared", 1, 3001), 3);
    cr_expect_eq(offset_at(producer, "shared", 1, 7000), 4);
    cr_expect_eq(offset_at(producer, "shared", 1, 7001), RD_KAFKA_OFFSET_END, "none is as young");
    cr_expect_eq(offset_at(producer, "shared", 0, 1000), RD_KAFKA_OFFSET_END, "an empty partition");
    rd_kafka_destroy(producer);
}

Test(broker, ends_while_it_is_asked_for_offsets_by_time)
{
    produce("events", 2000);
    rd_kafka_t *kafka = client(RD_KAFKA_PRODUCER, client_conf());
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, "events", 0)->offset = INT64_MAX;
    (void)rd_kafka_offsets_for_times(kafka, list, 1);
    stop();
    start();
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(kafka);
}

Test(broker, ends_while_a_member_of_a_group_is_there)
{
    produce("events", 1);
    rd_kafka_t *member = consumer("events");
    rd_kafka_message_destroy(next(member));
    stop();
    start();
    rd_kafka_destroy(member);
}

Test(broker, says_that_its_port_is_taken)
{
    struct broker *second = NULL;
    struct error error = { 0 };

    cr_expect(broker_start(broker_port(broker), &second, &error) < 0);
    cr_expect(error.code == EADDRINUSE);
    cr_expect(second == NULL);
}
