/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill BOOTSTRAP TOPIC COUNT RATE NAME SIZE KEYS FORMAT: COUNT events of SIZE bytes with one of KEYS keys, each saying when it
 * was sent (CLOCK_REALTIME, ns); RATE a second, 0: as fast as it goes. SIZE is that of an event as `json`; others have the same in
 * it: `avro` by the schema of id 1 (formats.py), `cloudevent`, `cloudevents`: a hundred a message.
 */
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LEAST_SIZE 200
#define BATCH 100
#define MORE_SIZE 200 /* what other formats have beside the same as JSON, at most */

struct kind {
    const char *name;
    size_t size;
    long keys;
    const struct format *format;
};

struct format {
    const char *name;
    long events; /* of a message */
    const char *content_type;
    size_t (*write)(char *at, const struct kind *kind, long number);
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

/* The data, of which all formats have the same. */
static size_t write_data(char *at, size_t text_size, long number, int64_t sent_ns)
{
    size_t size = (size_t)sprintf(at, "{\"number\":%ld,\"sent\":%lld,\"text\":\"", number, (long long)sent_ns);

    memset(at + size, 'x', text_size);
    memcpy(at + size + text_size, "\"}", 2);
    return size + text_size + 2;
}

/* Of the text in an event that has the size as JSON. */
static size_t text_size(const struct kind *kind, long number, int64_t sent_ns)
{
    int rest = snprintf(NULL, 0, "{\"name\":\"%s\",\"data\":{\"number\":%ld,\"sent\":%lld,\"text\":\"\"}}", kind->name, number,
                        (long long)sent_ns);

    return kind->size - (size_t)rest;
}

static size_t write_json(char *at, const struct kind *kind, long number)
{
    int64_t sent_ns = now_ns();
    size_t size = (size_t)sprintf(at, "{\"name\":\"%s\",\"data\":", kind->name);

    size += write_data(at + size, text_size(kind, number, sent_ns), number, sent_ns);
    at[size] = '}';
    return size + 1;
}

static size_t write_long(char *at, int64_t value)
{
    uint64_t left = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t size = 0;

    for (; left >= 0x80; left >>= 7)
        at[size++] = (char)(left | 0x80);
    at[size++] = (char)left;
    return size;
}

static size_t write_avro(char *at, const struct kind *kind, long number)
{
    static const char frame[] = { 0, 0, 0, 0, 1 };
    int64_t sent_ns = now_ns();
    size_t name_size = strlen(kind->name);
    size_t size = sizeof(frame);
    size_t text = text_size(kind, number, sent_ns);

    memcpy(at, frame, sizeof(frame));
    size += write_long(at + size, (int64_t)name_size);
    memcpy(at + size, kind->name, name_size);
    size += name_size;
    size += write_long(at + size, number);
    size += write_long(at + size, sent_ns);
    size += write_long(at + size, (int64_t)text);
    memset(at + size, 'x', text);
    return size + text;
}

static size_t write_cloud_event(char *at, const struct kind *kind, long number)
{
    int64_t sent_ns = now_ns();
    size_t size =
        (size_t)sprintf(at, "{\"specversion\":\"1.0\",\"type\":\"%s\",\"source\":\"/bench\",\"id\":\"%ld\",\"data\":", kind->name, number);

    size += write_data(at + size, text_size(kind, number, sent_ns), number, sent_ns);
    at[size] = '}';
    return size + 1;
}

static size_t write_cloud_events(char *at, const struct kind *kind, long number)
{
    size_t size = 0;

    for (long i = 0; i < BATCH; i++) {
        at[size++] = i == 0 ? '[' : ',';
        size += write_cloud_event(at + size, kind, number + i);
    }
    at[size] = ']';
    return size + 1;
}

static const struct format formats[] = {
    { "json", 1, NULL, write_json },
    { "avro", 1, NULL, write_avro },
    { "cloudevent", 1, "application/cloudevents+json", write_cloud_event },
    { "cloudevents", BATCH, "application/cloudevents-batch+json", write_cloud_events },
};

static const struct format *format_of(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    exit(2);
}

static rd_kafka_headers_t *headers_of(const struct format *format)
{
    rd_kafka_headers_t *headers = format->content_type == NULL ? NULL : rd_kafka_headers_new(1);

    if (headers != NULL)
        (void)rd_kafka_header_add(headers, "content-type", -1, format->content_type, -1);
    return headers;
}

/* Returns whether there was room for it. */
static int try_produce(rd_kafka_t *kafka, const char *topic, long key, char *value, size_t size, const rd_kafka_headers_t *headers)
{
    char text[24];
    int key_size = snprintf(text, sizeof(text), "key-%ld", key);
    rd_kafka_headers_t *own = headers == NULL ? NULL : rd_kafka_headers_copy(headers);
    rd_kafka_resp_err_t code =
        rd_kafka_producev(kafka, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(text, (size_t)key_size),
                          RD_KAFKA_V_VALUE(value, size), RD_KAFKA_V_HEADERS(own), RD_KAFKA_V_END);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && own != NULL)
        rd_kafka_headers_destroy(own);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Else the first events wait for the connection, and what is measured of them is that. */
static void connect_to(rd_kafka_t *kafka, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka, name, NULL);
    const struct rd_kafka_metadata *metadata;

    if (topic == NULL || rd_kafka_metadata(kafka, 0, topic, &metadata, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        exit(1);
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(topic);
}

static void fill(rd_kafka_t *kafka, const char *topic, long count, long rate, const struct kind *kind)
{
    char *value = malloc((size_t)kind->format->events * (kind->size + MORE_SIZE));
    rd_kafka_headers_t *headers = headers_of(kind->format);
    int64_t begun_ns = now_ns();

    for (long i = 0; i < count; i += kind->format->events) {
        if (rate > 0)
            sleep_until(begun_ns + i * 1000000000 / rate);
        size_t size = kind->format->write(value, kind, i);
        while (!try_produce(kafka, topic, i % kind->keys, value, size, headers))
            (void)rd_kafka_poll(kafka, 10);
        if (rate > 0 || i % 1000 == 0)
            (void)rd_kafka_poll(kafka, 0);
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    free(value);
}

int main(int argc, char **argv)
{
    if (argc != 9)
        return 2;
    const struct kind kind = {
        .name = argv[5], .size = strtoul(argv[6], NULL, 10), .keys = strtol(argv[7], NULL, 10), .format = format_of(argv[8])
    };
    long rate = strtol(argv[4], NULL, 10);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[200];

    if (kind.size < LEAST_SIZE || kind.keys < 1)
        return 2;
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "linger.ms", rate > 0 ? "0" : "20");
    set(conf, "queue.buffering.max.messages", "500000");
    rd_kafka_t *kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (kafka == NULL)
        return 1;
    if (rate > 0)
        connect_to(kafka, argv[2]);
    fill(kafka, argv[2], strtol(argv[3], NULL, 10), rate, &kind);
    int status = rd_kafka_flush(kafka, 60000) == 0 ? 0 : 1;
    rd_kafka_destroy(kafka);
    return status;
}
