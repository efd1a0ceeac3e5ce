/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill BOOTSTRAP TOPIC COUNT RATE NAME SIZE KEYS: COUNT events of SIZE bytes with one of KEYS keys, each saying when it
 * was sent (CLOCK_REALTIME, ns); RATE a second, 0: as fast as it goes.
 */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAST_SIZE 200

struct kind {
    const char *name;
    size_t size;
    long keys;
};

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sleep_until(int64_t at_ns)
{
    const struct timespec at = { .tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000 };
    (void)clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char reason[200];

    if (rd_kafka_conf_set(conf, key, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK)
        return;
    (void)fprintf(stderr, "%s\n", reason);
    exit(1);
}

static void make_event(char *event, const struct kind *kind, long number)
{
    char head[LEAST_SIZE];
    int size = snprintf(head, sizeof(head), "{\"name\":\"%s\",\"data\":{\"number\":%ld,\"sent\":%lld,\"text\":\"", kind->name, number,
                        (long long)now_ns());

    memset(event, 'x', kind->size);
    memcpy(event, head, (size_t)size);
    memcpy(event + kind->size - 3, "\"}}", 3);
}

static void produce(rd_kafka_t *kafka, rd_kafka_topic_t *topic, char *event, const struct kind *kind, long number)
{
    char key[16];
    int key_size = snprintf(key, sizeof(key), "key-%ld", number % kind->keys);

    make_event(event, kind, number);
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, event, kind->size, key, (size_t)key_size, NULL) != 0)
        (void)rd_kafka_poll(kafka, 10);
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    long count = strtol(argv[3], NULL, 10);
    long rate = strtol(argv[4], NULL, 10);
    const struct kind kind = { .name = argv[5], .size = strtoul(argv[6], NULL, 10), .keys = strtol(argv[7], NULL, 10) };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[200];

    if (kind.size < LEAST_SIZE || kind.keys < 1)
        return 2;
    char *event = malloc(kind.size);
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "linger.ms", rate > 0 ? "0" : "20");
    set(conf, "queue.buffering.max.messages", "500000");
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    rd_kafka_topic_t *topic = kafka == NULL ? NULL : rd_kafka_topic_new(kafka, argv[2], NULL);
    if (topic == NULL)
        return 1;
    int64_t begun_ns = now_ns();
    for (long i = 0; i < count; i++) {
        if (rate > 0)
            sleep_until(begun_ns + i * 1000000000 / rate);
        produce(kafka, topic, event, &kind, i);
        if (rate > 0 || i % 1000 == 0)
            (void)rd_kafka_poll(kafka, 0);
    }
    int status = rd_kafka_flush(kafka, 60000) == 0 ? 0 : 1;
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(kafka);
    free(event);
    return status;
}
