/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Produces numbered events as it is told on standard input, and says which of them the broker has:
 *   torture_feeder BROKER TOPIC ACKED_FILE
 *   standard input: NAME COUNT      so many events of that name, in partitions by their keys
 *   ACKED_FILE:     NUMBER NAME     a line for each that was acknowledged, however long that took
 * At the end of its input it waits for those that are not; exit 0: there is none left.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEYS 60
#define POLL_MS 20
#define FLUSH_MS 120000

static FILE *acked;

/* What an event's delivery report has to know. */
struct sent {
    int64_t number;
    char name[32];
};

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "torture_feeder: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct sent *sent = message->_private;

    (void)handle, (void)opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        (void)fprintf(acked, "%" PRId64 " %s\n", sent->number, sent->name);
    else
        (void)fprintf(stderr, "torture_feeder: event %" PRId64 ": %s\n", sent->number, rd_kafka_err2str(message->err));
    free(sent);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[200];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        die(name, why);
}

static rd_kafka_t *open_producer(const char *broker)
{
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", broker);
    set(conf, "enable.idempotence", "true");
    set(conf, "message.timeout.ms", "0");
    set(conf, "queue.buffering.max.messages", "1000000");
    set(conf, "linger.ms", "5");
    set(conf, "partitioner", "murmur2_random");
    set(conf, "log_level", "2");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (handle == NULL)
        die("rd_kafka_new", why);
    return handle;
}

static void produce(rd_kafka_t *handle, const char *topic, const char *name, int64_t number)
{
    char value[120];
    char key[16];
    int size = snprintf(value, sizeof(value), "{\"name\":\"torture/%s\",\"data\":{\"n\":%" PRId64 "}}", name, number);
    int key_size = snprintf(key, sizeof(key), "key-%d", (int)(number % KEYS));
    struct sent *sent = malloc(sizeof(*sent));

    if (sent == NULL)
        die("malloc", strerror(errno));
    sent->number = number;
    (void)snprintf(sent->name, sizeof(sent->name), "%s", name);
    rd_kafka_resp_err_t refused =
        rd_kafka_producev(handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key, (size_t)key_size), RD_KAFKA_V_VALUE(value, (size_t)size),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(sent), RD_KAFKA_V_END);
    if (refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("produce", rd_kafka_err2str(refused));
}

/* The next line that is asked for; reports are heard meanwhile. False: there is none any more. */
static bool next_line(rd_kafka_t *handle, char *line, size_t size)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

    while (poll(&input, 1, POLL_MS) == 0) {
        (void)rd_kafka_poll(handle, 0);
        (void)fflush(acked);
    }
    return fgets(line, (int)size, stdin) != NULL;
}

int main(int argc, char **argv)
{
    char line[120];
    char name[32];
    int64_t number = 0;
    int count;

    if (argc != 4)
        die("usage", "torture_feeder BROKER TOPIC ACKED_FILE");
    acked = fopen(argv[3], "we");
    if (acked == NULL)
        die(argv[3], strerror(errno));
    (void)setvbuf(stdin, NULL, _IONBF, 0); /* what poll() does not see is not there */
    rd_kafka_t *handle = open_producer(argv[1]);

    while (next_line(handle, line, sizeof(line))) {
        if (sscanf(line, "%31s %d", name, &count) != 2)
            die("not NAME COUNT", line);
        for (int i = 0; i < count; i++)
            produce(handle, argv[2], name, number++);
        (void)rd_kafka_poll(handle, 0);
    }
    (void)rd_kafka_flush(handle, FLUSH_MS);
    bool is_all = rd_kafka_outq_len(handle) == 0;
    (void)fclose(acked);
    rd_kafka_destroy(handle);
    return is_all ? EXIT_SUCCESS : EXIT_FAILURE;
}
