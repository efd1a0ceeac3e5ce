/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/kafka.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "kafka/conf.h"

#define TIMEOUT_MS 15000
#define DOWN_MS 3000 /* no broker at all for that long: given up sooner */

/* Runs on: the thread that polls. */
static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_sending *sending = message->_private;
    struct kafka *kafka = opaque;

    assert(sending->open > 0);
    (void)handle;
    kafka->last = (struct kafka_place){ message->partition, message->offset };
    sending->open--;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && sending->refused == RD_KAFKA_RESP_ERR_NO_ERROR)
        sending->refused = message->err;
}

/* Runs on: the thread that polls. */
static void on_error(rd_kafka_t *handle, int code, const char *reason, void *opaque)
{
    struct kafka *kafka = opaque;

    (void)handle;
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        kafka->is_down = true;
    else
        (void)snprintf(kafka->why, sizeof(kafka->why), "%s", reason);
}

/* What it logs is in on_error() as well. */
static void on_log(const rd_kafka_t *handle, int level, const char *facility, const char *text)
{
    (void)handle;
    (void)level;
    (void)facility;
    (void)text;
}

static int open_as(struct kafka *kafka, rd_kafka_type_t type, rd_kafka_conf_t *conf, struct error *ret_error)
{
    char text[160];

    assert(kafka->handle == NULL);
    conf_force(conf, "client.id", "stepctl");
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_opaque(conf, kafka);
    kafka->handle = rd_kafka_new(type, conf, text, sizeof(text));
    if (kafka->handle != NULL)
        return 0;
    rd_kafka_conf_destroy(conf);
    return error_set(ret_error, EINVAL, "kafka: %s", text);
}

int kafka_open(struct kafka *kafka, const struct config *config, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    int status = conf_create(config->kafka, &conf, ret_error);

    *kafka = (struct kafka){ 0 };
    if (status != 0)
        return status;
    conf_force(conf, "enable.idempotence", "true"); /* else what is sent again may overtake what followed it */
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    return open_as(kafka, RD_KAFKA_PRODUCER, conf, ret_error);
}

int kafka_open_reader(struct kafka *kafka, const struct config *config, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    int status = conf_create(config->kafka, &conf, ret_error);

    *kafka = (struct kafka){ 0 };
    if (status != 0)
        return status;
    conf_force(conf, "enable.auto.commit", "false");
    conf_force(conf, "enable.auto.offset.store", "false");
    conf_force(conf, "enable.partition.eof", "true");
    conf_force(conf, "allow.auto.create.topics", "false");
    conf_force(conf, "auto.offset.reset", "earliest");
    return open_as(kafka, RD_KAFKA_CONSUMER, conf, ret_error);
}

void kafka_close(struct kafka *kafka)
{
    if (kafka->handle == NULL)
        return;
    (void)rd_kafka_purge(kafka->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    (void)rd_kafka_poll(kafka->handle, 0);
    rd_kafka_destroy(kafka->handle);
    kafka->handle = NULL;
}

int kafka_unreachable(const struct kafka *kafka, struct error *ret_error)
{
    return error_set(ret_error, EAGAIN, "Kafka can't be reached: %s", kafka->why[0] != '\0' ? kafka->why : "no broker answers");
}

/* False: time is up. */
static bool wait_for(struct kafka *kafka, const struct kafka_sending *sending)
{
    const int64_t began_ms = clock_monotonic_ms();

    while (sending->open > 0) {
        (void)rd_kafka_poll(kafka->handle, 100);
        int64_t waited_ms = clock_monotonic_ms() - began_ms;
        if (sending->open > 0 && (waited_ms > TIMEOUT_MS || (kafka->is_down && waited_ms > DOWN_MS)))
            return false;
    }
    return true;
}

int kafka_send(struct kafka *kafka, const char *topic, int32_t partition, struct bytes key, struct bytes value, rd_kafka_headers_t *headers,
               struct kafka_sending *sending, struct error *ret_error)
{
    assert(kafka->handle != NULL);
    rd_kafka_resp_err_t refused =
        rd_kafka_producev(kafka->handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key.data, key.size),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.size), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(sending), RD_KAFKA_V_END);
    if (refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(ret_error, EIO, "%s: %s", topic, rd_kafka_err2str(refused));
    sending->open++;
    sending->bytes += value.size;
    return 0;
}

int kafka_settle(struct kafka *kafka, struct kafka_sending *sending, struct error *ret_error)
{
    const bool is_over = wait_for(kafka, sending);

    if (!is_over) {
        /* Its reports would be written to memory that is gone. */
        (void)rd_kafka_purge(kafka->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        while (sending->open > 0)
            (void)rd_kafka_poll(kafka->handle, 100);
    }
    assert(sending->open == 0); /* no report names it any more */
    const rd_kafka_resp_err_t refused = sending->refused;
    *sending = (struct kafka_sending){ 0 };
    if (refused == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    if (!is_over || refused == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || refused == RD_KAFKA_RESP_ERR__TRANSPORT)
        return kafka_unreachable(kafka, ret_error);
    return error_set(ret_error, EIO, "%s", rd_kafka_err2str(refused));
}

int kafka_produce(struct kafka *kafka, const char *topic, struct bytes key, struct bytes value, struct kafka_place *ret_place,
                  struct error *ret_error)
{
    struct kafka_sending sending = { 0 };
    struct error why = { 0 };
    int status = kafka_send(kafka, topic, RD_KAFKA_PARTITION_UA, key, value, NULL, &sending, ret_error);

    if (status != 0)
        return status;
    status = kafka_settle(kafka, &sending, &why);
    if (status == -EIO)
        return error_set(ret_error, EIO, "%s: %s", topic, why.text);
    *ret_error = why;
    *ret_place = kafka->last;
    return status;
}

int kafka_look(struct kafka *kafka, const struct rd_kafka_metadata **ret_metadata, struct error *ret_error)
{
    const int64_t began_ms = clock_monotonic_ms();

    for (;;) {
        /* In pieces, so that on_error() is heard. All topics: asking for one by name may make it. */
        rd_kafka_resp_err_t failed = rd_kafka_metadata(kafka->handle, 1, NULL, ret_metadata, 500);
        if (failed == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        (void)rd_kafka_poll(kafka->handle, 0);
        int64_t waited_ms = clock_monotonic_ms() - began_ms;
        if (waited_ms > TIMEOUT_MS || (kafka->is_down && waited_ms > DOWN_MS))
            return kafka_unreachable(kafka, ret_error);
    }
}
