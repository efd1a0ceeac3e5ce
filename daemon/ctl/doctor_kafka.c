/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor says of Kafka. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/setting.h"
#include "ctl/doctor.h"
#include "ctl/kafka.h"
#include "kafka/library.h"
#include "kafka/protocol.h"
#include "run/emit.h"

#define CONFIGS_MS 15000
#define SESSION_LONG_MS 10000 /* runs go on within that otherwise */

static const struct rd_kafka_metadata_topic *find_topic(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++)
        if (strcmp(metadata->topics[i].topic, name) == 0)
            return &metadata->topics[i];
    return NULL;
}

/* Nobody can read these, nor write to them. */
static void check_leaders(struct findings *findings, const struct rd_kafka_metadata_topic *topic)
{
    AUTO_FREE char *ids = xstrdup("");
    int count = 0;

    for (int i = 0; i < topic->partition_cnt; i++) {
        if (topic->partitions[i].leader >= 0)
            continue;
        char *more = xasprintf("%s%s%d", ids, count > 0 ? ", " : "", (int)topic->partitions[i].id);
        free(ids);
        ids = more;
        count++;
    }
    if (count > 0)
        findings_add(findings, SEVERITY_FAULT, "kafka", "start the brokers that have them: `kafka-topics.sh --describe` names them",
                     "topic %s: partition%s %s ha%s no leader", topic->topic, count == 1 ? "" : "s", ids, count == 1 ? "s" : "ve");
}

static void check_topic(struct findings *findings, const struct config *config, const struct rd_kafka_metadata *metadata, const char *name)
{
    const struct rd_kafka_metadata_topic *topic = find_topic(metadata, name);
    AUTO_FREE char *dead_name = emit_letter_topic(config->dead_letter_topic, name);

    if (topic == NULL)
        findings_add(findings, SEVERITY_WARNING, "kafka", "create it, or let the brokers (auto.create.topics.enable)",
                     "topic %s is not there", name);
    else if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        findings_add(findings, SEVERITY_FAULT, "kafka", "see the brokers' log and their ACLs", "topic %s: %s", name,
                     rd_kafka_err2str(topic->err));
    else
        findings_add(findings, SEVERITY_OK, "kafka", "", "topic %s has %d partition%s", name, topic->partition_cnt,
                     topic->partition_cnt == 1 ? "" : "s");
    if (topic != NULL)
        check_leaders(findings, topic);
    if (find_topic(metadata, dead_name) == NULL)
        findings_add(findings, SEVERITY_WARNING, "kafka", "create it, unless the brokers make topics by themselves",
                     "topic %s, for dead letters, is not there yet", dead_name);
}

/* ---- the consumer protocol ------------------------------------------------------------------------ */

struct session {
    int64_t own_ms;   /* group.consumer.session.timeout.ms; -1: not known */
    int64_t least_ms; /* that brokers allow a group */
};

static void read_entry(struct session *session, const rd_kafka_ConfigEntry_t *entry)
{
    const char *name = rd_kafka_ConfigEntry_name(entry), *value = rd_kafka_ConfigEntry_value(entry);
    int64_t number;

    if (value == NULL || parse_int(value, &number) != 0)
        return;
    if (strcmp(name, "group.consumer.session.timeout.ms") == 0)
        session->own_ms = number;
    else if (strcmp(name, "group.consumer.min.session.timeout.ms") == 0)
        session->least_ms = number;
}

static void read_answer(struct session *session, rd_kafka_event_t *event)
{
    size_t count = 0, entries = 0;
    const rd_kafka_ConfigResource_t **resources =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);

    if (count == 0)
        return;
    const rd_kafka_ConfigEntry_t **each = rd_kafka_ConfigResource_configs(resources[0], &entries);
    for (size_t i = 0; i < entries; i++)
        read_entry(session, each[i]);
}

/* Of one broker: they are set alike. */
static struct session ask_session(struct kafka *kafka, int32_t broker)
{
    struct session session = { -1, -1 };
    AUTO_FREE char *name = xasprintf("%d", (int)broker);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(kafka->handle);
    rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, name);

    rd_kafka_DescribeConfigs(kafka->handle, &resource, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, CONFIGS_MS);
    if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        read_answer(&session, event);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    return session;
}

static void check_protocol(struct findings *findings, struct kafka *kafka, const struct config *config,
                           const struct rd_kafka_metadata *metadata)
{
    static const char remedy[] =
        "lower group.consumer.min.session.timeout.ms and group.consumer.session.timeout.ms on the brokers, to 6000 "
        "say, and group.consumer.min.heartbeat.interval.ms and group.consumer.heartbeat.interval.ms with them";

    if (!protocol_is_consumer(config->kafka) || metadata->broker_cnt == 0)
        return;
    const struct session session = ask_session(kafka, metadata->brokers[0].id);
    if (session.own_ms < 0)
        findings_add(findings, SEVERITY_WARNING, "kafka",
                     "group.protocol: classic, or brokers of Kafka 4 whose settings this user may read",
                     "group.protocol is consumer, and broker %d tells no group.consumer.session.timeout.ms", (int)metadata->brokers[0].id);
    else
        findings_add(findings, session.own_ms > SESSION_LONG_MS ? SEVERITY_WARNING : SEVERITY_OK, "kafka", remedy,
                     "group.protocol is consumer: a killed daemon's events go on elsewhere after %" PRId64
                     " s (group.consumer.session.timeout.ms; not less than %" PRId64 " s, group.consumer.min.session.timeout.ms)",
                     session.own_ms / 1000, session.least_ms / 1000);
}

/* ---- librdkafka -------------------------------------------------------------------------------------- */

static void check_library(struct findings *findings, int version)
{
    if (library_breaks_on_new_topics(version))
        findings_add(
            findings, SEVERITY_WARNING, "kafka",
            "stop all daemons before you delete a topic and create it again, or install librdkafka 2.10 or newer",
            "librdkafka %s breaks on a topic that is deleted and created again: a daemon that reads it ends, and has to be started "
            "again (systemd does)",
            rd_kafka_version_str());
    else
        findings_add(findings, SEVERITY_OK, "kafka", "", "librdkafka %s", rd_kafka_version_str());
}

/* ---- all of it -------------------------------------------------------------------------------------- */

void doctor_check_kafka(struct findings *findings, const struct config *config)
{
    const struct rd_kafka_metadata *metadata = NULL;
    struct error error = { 0 };
    struct kafka kafka;

    check_library(findings, rd_kafka_version());
    if (kafka_open(&kafka, config, &error) != 0) {
        findings_add(findings, SEVERITY_FAULT, "kafka", "mend that setting", "%s", error.text);
        return;
    }
    if (kafka_look(&kafka, &metadata, &error) != 0) {
        const char *servers = config_kafka(config, "bootstrap.servers");
        AUTO_FREE char *remedy = xasprintf("is a broker up at %s (kafka.bootstrap.servers)?", servers != NULL ? servers : "(none)");
        findings_add(findings, SEVERITY_FAULT, "kafka", remedy, "%s", error.text);
        findings->is_unreachable = true;
    } else {
        findings_add(findings, SEVERITY_OK, "kafka", "", "%d broker%s", metadata->broker_cnt,
                     metadata->broker_cnt == 1 ? " answers" : "s answer");
        for (size_t i = 0; config->topics[i] != NULL; i++)
            check_topic(findings, config, metadata, config->topics[i]);
        check_protocol(findings, &kafka, config, metadata);
        rd_kafka_metadata_destroy(metadata);
    }
    kafka_close(&kafka);
}
