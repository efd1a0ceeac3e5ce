/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/kafka.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "kafka/conf.h"

#define TIMEOUT_MS 15000
#define DOWN_MS 3000     /* no broker at all for that long: given up sooner */

struct delivery {
    bool is_done;
    rd_kafka_resp_err_t error;
    struct kafka_place place;
};

static void on_delivery(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct delivery *delivery = message->_private;

    (void)handle;
    (void)opaque;
    *delivery = (struct delivery){ .is_done = true, .error = message->err, .place = { message->partition, message->offset } };
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

int kafka_open(struct kafka *kafka, const struct config *config, struct error *ret_error)
{
    rd_kafka_conf_t *conf;
    char text[160];
    int status = conf_create(config->kafka, &conf, ret_error);

    *kafka = (struct kafka){ 0 };
    if (status != 0)
        return status;
    conf_force(conf, "client.id", "stepctl");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_opaque(conf, kafka);
    kafka->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (kafka->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(ret_error, EINVAL, "kafka: %s", text);
    }
    return 0;
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

static int unreachable(const struct kafka *kafka, struct error *ret_error)
{
    return error_set(ret_error, EAGAIN, "Kafka can't be reached: %s", kafka->why[0] != '\0' ? kafka->why : "no broker answers");
}

/* False: time is up. */
static bool wait_for(struct kafka *kafka, const struct delivery *delivery)
{
    const int64_t began_ms = clock_monotonic_ms();

    while (!delivery->is_done) {
        (void)rd_kafka_poll(kafka->handle, 100);
        int64_t waited_ms = clock_monotonic_ms() - began_ms;
        if (!delivery->is_done && (waited_ms > TIMEOUT_MS || (kafka->is_down && waited_ms > DOWN_MS)))
            return false;
    }
    return true;
}

int kafka_produce(struct kafka *kafka, const char *topic, struct bytes key, struct bytes value, struct kafka_place *ret_place, struct error *ret_error)
{
    struct delivery delivery = { .is_done = false };

    rd_kafka_resp_err_t refused = rd_kafka_producev(
        kafka->handle, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(key.data, key.size), RD_KAFKA_V_VALUE((void *)(uintptr_t)value.data, value.size),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(&delivery), RD_KAFKA_V_END);
    if (refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(ret_error, EIO, "%s: %s", topic, rd_kafka_err2str(refused));
    if (!wait_for(kafka, &delivery)) {
        /* Its report would be written to a stack that is gone. */
        (void)rd_kafka_purge(kafka->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        while (!delivery.is_done)
            (void)rd_kafka_poll(kafka->handle, 100);
        if (delivery.error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return unreachable(kafka, ret_error);
    }
    if (delivery.error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || delivery.error == RD_KAFKA_RESP_ERR__TRANSPORT)
        return unreachable(kafka, ret_error);
    if (delivery.error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(ret_error, EIO, "%s: %s", topic, rd_kafka_err2str(delivery.error));
    *ret_place = delivery.place;
    return 0;
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
            return unreachable(kafka, ret_error);
    }
}
