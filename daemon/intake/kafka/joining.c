/* SPDX-License-Identifier: Apache-2.0 */
/* How the group is joined: with which settings, and when. */
#include "intake/kafka/consumer_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "kafka/conf.h"
#include "kafka/library.h"
#include "kafka/protocol.h"

#define LOOK_MS 1000    /* between two looks at a group that may not be joined yet, and for each */
#define SILENT_MS 20000 /* without a heartbeat: the brokers may not have the protocol */

/* ---- settings --------------------------------------------------------------------------------- */

static void set_classic(const struct setting *kafka, rd_kafka_conf_t *conf)
{
    conf_default(conf, kafka, "session.timeout.ms", "6000");
    conf_default(conf, kafka, "heartbeat.interval.ms", "2000");
    conf_force(conf, "partition.assignment.strategy", "cooperative-sticky");
}

int joining_set_values(const struct setting *kafka, rd_kafka_conf_t *conf, struct error *ret_error)
{
    conf_default(conf, kafka, "group.id", "stepd");
    conf_default(conf, kafka, "topic.metadata.refresh.interval.ms", "10000");
    conf_default(conf, kafka, "queued.min.messages", "1000000");
    conf_default(conf, kafka, "queued.max.messages.kbytes", "131072");
    conf_default(conf, kafka, "fetch.queue.backoff.ms", "5");
    conf_default(conf, kafka, "fetch.wait.max.ms", "100");
    conf_force(conf, "enable.auto.commit", "false");
    conf_force(conf, "enable.auto.offset.store", "false");
    conf_force(conf, "enable.partition.eof", "false");
    conf_force(conf, "auto.offset.reset", "error"); /* told to us: a new assignment begins then */
    if (!protocol_is_consumer(kafka))
        set_classic(kafka, conf);
    return protocol_set(kafka, conf, ret_error);
}

/* ---- whether it may be joined ----------------------------------------------------------------- */

/* The group as its coordinator has it; NULL: no broker says that it knows it. Groups of the consumer protocol are unknown to what is asked. */
static const struct rd_kafka_group_info *known_of(const struct rd_kafka_group_list *list)
{
    for (int i = 0; i < list->group_cnt; i++) {
        if (list->groups[i].err == RD_KAFKA_RESP_ERR_NO_ERROR || list->groups[i].err == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS)
            return &list->groups[i];
    }
    return NULL;
}

static void refuse(struct consumer *consumer, const struct rd_kafka_group_info *group)
{
    AUTO_FREE char *why = xasprintf(
        "Kafka: the group %s has %d member%s of the classic protocol (%s), and the brokers can't turn it into one of the consumer protocol "
        "meanwhile: stop all of its daemons first, or name another kafka.group.id and carry the offsets over, with "
        "`stepctl offsets copy --from %s --to ID`",
        group->group, group->member_cnt, group->member_cnt == 1 ? "" : "s", group->protocol[0] != '\0' ? group->protocol : group->state,
        group->group);

    consumer->is_refused = true;
    consumer->settings.fatal(why);
}

/*
 * Members of the two protocols can't be in one group once cooperative-sticky has rebalanced it: the brokers refuse the
 * newcomer, for good. Once the last classic member has left, the group may be of either.
 */
static bool may_join(struct consumer *consumer)
{
    const char *id = conf_text(consumer->settings.kafka, "group.id", "stepd");
    const struct rd_kafka_group_list *list;
    rd_kafka_resp_err_t failed = rd_kafka_list_groups(consumer->handle, id, &list, LOOK_MS);

    assert(!consumer->is_subscribed);
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
        log_debug("the brokers do not say who is in the group, and are asked again: %s", rd_kafka_err2str(failed));
        return false;
    }
    const struct rd_kafka_group_info *group = known_of(list);
    bool is_loading = group != NULL && group->err != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (group != NULL && group->member_cnt > 0)
        refuse(consumer, group);
    rd_kafka_group_list_destroy(list);
    return !is_loading && !consumer->is_refused;
}

/* ---- joining ---------------------------------------------------------------------------------- */

static int subscribe(struct consumer *consumer, struct error *ret_error)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(4);

    assert(!consumer->is_subscribed);
    for (const char *const *topic = consumer->settings.topics; *topic != NULL; topic++)
        rd_kafka_topic_partition_list_add(topics, *topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t failed = rd_kafka_subscribe(consumer->handle, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(ret_error, EINVAL, "topics: %s", rd_kafka_err2str(failed));
    consumer->is_subscribed = true;
    consumer->subscribed_ms = consumer->now_ms;
    return 0;
}

static void say_what_library_breaks_on(void)
{
    if (library_breaks_on_new_topics(rd_kafka_version()))
        log_info("librdkafka %s breaks on a topic that is deleted and created again: the daemon then ends; stop all "
                 "daemons before you do that, or install librdkafka 2.10 or newer",
                 rd_kafka_version_str());
}

int joining_begin(struct consumer *consumer, struct error *ret_error)
{
    say_what_library_breaks_on();
    consumer->is_heard = !protocol_is_consumer(consumer->settings.kafka);
    if (consumer->is_heard)
        return subscribe(consumer, ret_error);
    log_warn("group.protocol is consumer: the partitions of a killed daemon go on elsewhere after the brokers' "
             "group.consumer.session.timeout.ms "
             "(45 s unless they say otherwise, never less than their group.consumer.min.session.timeout.ms), not within 10 s; "
             "`stepctl doctor` tells what they have");
    return 0;
}

/*
 * librdkafka says nothing where the brokers do not have the protocol: it sends no heartbeat, ever. Nor does it while the group's
 * coordinator is away, so only where all brokers answer.
 */
static void look_whether_heard(struct consumer *consumer)
{
    const struct rd_kafka_group_list *list;

    consumer->is_heard = atomic_load(&consumer->group.has_beaten);
    if (consumer->is_heard || consumer->now_ms - consumer->subscribed_ms < SILENT_MS ||
        rd_kafka_list_groups(consumer->handle, conf_text(consumer->settings.kafka, "group.id", "stepd"), &list, LOOK_MS) !=
            RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    rd_kafka_group_list_destroy(list);
    if (atomic_load(&consumer->group.has_beaten))
        return;
    consumer->is_refused = true;
    consumer->settings.fatal("Kafka: the brokers do not have the consumer protocol: they are older than Kafka 4, or their "
                             "group.coordinator.rebalance.protocols leaves it out; take kafka.group.protocol: consumer out of the config");
}

void joining_tend(struct consumer *consumer)
{
    struct error error;

    assert_thread(&consumer->thread);
    if (consumer->is_heard || consumer->is_refused || consumer->now_ms - consumer->looked_ms < LOOK_MS)
        return;
    consumer->looked_ms = consumer->now_ms;
    if (consumer->is_subscribed)
        look_whether_heard(consumer);
    else if (may_join(consumer) && subscribe(consumer, &error) != 0)
        consumer->settings.fatal(error.text);
}
