/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop BOOTSTRAP TOPIC COUNT BURN_NS [tuned]: the floor of all that reads Kafka through librdkafka. Polls COUNT
 * messages, works BURN_NS on each, prints what that took. BURN_NS -1: prints how long after it was made
 * each arrived. `tuned`: handed over in lots, by the callback call, out of a large queue: the real floor.
 */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char reason[200];

    if (rd_kafka_conf_set(conf, key, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
        return;
    (void)fprintf(stderr, "%s\n", reason);
    exit(1);
}

static rd_kafka_t *open_consumer(const char *bootstrap, const char *topic, int is_tuned)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    char group[40];
    char reason[200];

    (void)snprintf(group, sizeof(group), "loop-%d-%lld", (int)getpid(), (long long)now_ns(CLOCK_REALTIME));
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "group.id", group);
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "enable.auto.commit", "false");
    if (is_tuned)
        set(conf, "queued.min.messages", "1000000");
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
    if (kafka == NULL || rd_kafka_poll_set_consumer(kafka) != 0)
        exit(1);
    (void)rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    if (rd_kafka_subscribe(kafka, topics) != 0)
        exit(1);
    rd_kafka_topic_partition_list_destroy(topics);
    return kafka;
}

static void burn(int64_t ns)
{
    int64_t end = now_ns(CLOCK_MONOTONIC) + ns;

    while (now_ns(CLOCK_MONOTONIC) < end)
        ;
}

static int64_t sent_ns(const rd_kafka_message_t *message)
{
    static const char key[] = "\"sent\":";
    const char *at = memmem(message->payload, message->len, key, sizeof(key) - 1);

    return at == NULL ? 0 : strtoll(at + sizeof(key) - 1, NULL, 10);
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void report_latency(int64_t *taken_ns, long count)
{
    qsort(taken_ns, (size_t)count, sizeof(*taken_ns), compare);
    printf("{\"events\": %ld, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", count, (double)taken_ns[count / 2] / 1e6,
           (double)taken_ns[count * 99 / 100] / 1e6);
}

struct loop {
    long count, seen, burn_ns;
    int64_t *taken_ns;
    int64_t begun_ns;
};

static void take(rd_kafka_message_t *message, void *opaque)
{
    struct loop *loop = opaque;

    if (message->err != 0 || loop->seen == loop->count)
        return;
    if (loop->seen == 0)
        loop->begun_ns = now_ns(CLOCK_MONOTONIC);
    if (loop->burn_ns > 0)
        burn(loop->burn_ns);
    if (loop->burn_ns < 0)
        loop->taken_ns[loop->seen] = now_ns(CLOCK_REALTIME) - sent_ns(message);
    loop->seen++;
}

static void poll_each(struct loop *loop, rd_kafka_t *kafka)
{
    while (loop->seen < loop->count) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(kafka, 100);
        if (message == NULL)
            continue;
        take(message, loop);
        rd_kafka_message_destroy(message);
    }
}

static void take_lots(struct loop *loop, rd_kafka_t *kafka)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(kafka);

    while (loop->seen < loop->count)
        (void)rd_kafka_consume_callback_queue(queue, 100, take, loop);
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6)
        return 2;
    struct loop loop = { .count = strtol(argv[3], NULL, 10), .burn_ns = strtol(argv[4], NULL, 10) };
    loop.taken_ns = calloc((size_t)loop.count, sizeof(*loop.taken_ns));
    rd_kafka_t *kafka = open_consumer(argv[1], argv[2], argc == 6);

    if (argc == 6)
        take_lots(&loop, kafka);
    else
        poll_each(&loop, kafka);
    if (loop.burn_ns < 0)
        report_latency(loop.taken_ns, loop.count);
    else
        printf("{\"events\": %ld, \"seconds\": %.6f}\n", loop.count, (double)(now_ns(CLOCK_MONOTONIC) - loop.begun_ns) / 1e9);
    free(loop.taken_ns);
    (void)fflush(stdout);
    _exit(0); /* leaving a group takes its time, and is not what is asked */
}
