/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/broker.h"

#include <assert.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "dev/forwarder.h"

struct broker {
    rd_kafka_t *handle; /* the mock cluster wants one for its book-keeping; never used else */
    rd_kafka_mock_cluster_t *cluster;
    struct forwarder *forwarder;
};

static int create_handle(struct broker *broker, struct error *ret_error)
{
    char text[160];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    (void)rd_kafka_conf_set(conf, "client.id", "stepd-dev-broker", text, sizeof(text));
    (void)rd_kafka_conf_set(conf, "log_level", "2", text, sizeof(text));
    broker->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (broker->handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(ret_error, EIO, "the embedded broker does not start: %s", text);
    }
    broker->cluster = rd_kafka_mock_cluster_new(broker->handle, 1);
    if (broker->cluster == NULL)
        return error_set(ret_error, EIO, "the embedded broker does not start");
    return 0;
}

static uint16_t mock_port(const struct broker *broker)
{
    const char *colon = strrchr(rd_kafka_mock_cluster_bootstraps(broker->cluster), ':');
    return (uint16_t)(colon != NULL ? strtoul(colon + 1, NULL, 10) : 0);
}

/* Runs on: the forwarder's thread. Waits: for the mock cluster's. */
static int16_t create_topic_asked_for(void *opaque, const char *topic, int partitions)
{
    struct broker *broker = opaque;

    return (int16_t)rd_kafka_mock_topic_create(broker->cluster, topic, partitions, 1);
}

int broker_start(uint16_t port, struct broker **ret_broker, struct error *ret_error)
{
    struct broker *broker = xcalloc(1, sizeof(*broker));
    const struct admin admin = { create_topic_asked_for, broker };
    int status = create_handle(broker, ret_error);

    if (status == 0)
        status = forwarder_start(port, mock_port(broker), &admin, &broker->forwarder, ret_error);
    if (status != 0) {
        broker_stop(broker);
        return status;
    }
    *ret_broker = broker;
    return 0;
}

uint16_t broker_port(const struct broker *broker)
{
    assert(broker->forwarder != NULL); /* it has started */
    return forwarder_port(broker->forwarder);
}

int broker_create_topic(struct broker *broker, const char *topic, int partitions, struct error *ret_error)
{
    rd_kafka_resp_err_t status = rd_kafka_mock_topic_create(broker->cluster, topic, partitions, 1);

    assert(partitions > 0);
    if (status != RD_KAFKA_RESP_ERR_NO_ERROR && status != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        return error_set(ret_error, EIO, "cannot make the topic %s: %s", topic, rd_kafka_err2str(status));
    return 0;
}

void broker_stop(struct broker *broker)
{
    if (broker == NULL)
        return;
    forwarder_stop(broker->forwarder);
    if (broker->cluster != NULL)
        rd_kafka_mock_cluster_destroy(broker->cluster);
    if (broker->handle != NULL)
        rd_kafka_destroy(broker->handle);
    free(broker);
}
