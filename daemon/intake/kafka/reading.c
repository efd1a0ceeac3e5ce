/* SPDX-License-Identifier: Apache-2.0 */
/* Where reading of a partition begins, and begins again. */
#include "intake/kafka/consumer_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "base/log.h"
#include "base/memory.h"
#include "intake/kafka/ends.h"
#include "kafka/conf.h"

#define TEND_MS 20
#define FORWARD_MS 10000 /* a partition's stop is over by then */

enum reset reading_reset_of(const struct setting *kafka)
{
    const char *text = conf_text(kafka, "auto.offset.reset", "earliest");

    if (strcasecmp(text, "latest") == 0 || strcasecmp(text, "largest") == 0 || strcasecmp(text, "end") == 0)
        return RESET_LATEST;
    return strcasecmp(text, "error") == 0 || strcasecmp(text, "none") == 0 ? RESET_REFUSED : RESET_EARLIEST;
}

struct places reading_places_ask(struct consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    struct places places = { rd_kafka_topic_partition_list_copy(list), rd_kafka_topic_partition_list_copy(list) };

    ends_ask(consumer->handle, places.beginnings, RD_KAFKA_OFFSET_BEGINNING, ASK_TIMEOUT_MS);
    ends_ask(consumer->handle, places.ends, RD_KAFKA_OFFSET_END, ASK_TIMEOUT_MS);
    return places;
}

void reading_places_done(struct places *places)
{
    rd_kafka_topic_partition_list_destroy(places->beginnings);
    rd_kafka_topic_partition_list_destroy(places->ends);
}

static int64_t place_find(const rd_kafka_topic_partition_list_t *list, const char *topic, int32_t id)
{
    const rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)(uintptr_t)list, topic, id);

    return entry != NULL ? entry->offset : ENDS_UNKNOWN;
}

static void refuse_reset(struct consumer *consumer, const char *topic, int32_t id, const char *why)
{
    AUTO_FREE char *text = xasprintf("%s [%d]: %s, and auto.offset.reset says that this is an error", topic, (int)id, why);

    consumer->settings.fatal(text);
}

/* An offset, so that a commit can be made before the first message; logical where no broker says. */
static int64_t reset_offset(const struct consumer *consumer, const struct places *places, const char *topic, int32_t id)
{
    const rd_kafka_topic_partition_list_t *list = consumer->reset == RESET_LATEST ? places->ends : places->beginnings;
    int64_t offset = place_find(list, topic, id);

    if (offset >= 0)
        return offset;
    return consumer->reset == RESET_LATEST ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
}

struct partition *reading_begin(struct consumer *consumer, const rd_kafka_topic_partition_t *committed, const struct places *places)
{
    assert_thread(&consumer->thread);

    struct partition_begin begin = {
        .start = committed->offset,
        .metadata = { committed->metadata, committed->metadata_size },
        .end = place_find(places->ends, committed->topic, committed->partition),
    };
    bool is_unread;

    if (committed->offset < 0) {
        if (consumer->reset == RESET_REFUSED)
            refuse_reset(consumer, committed->topic, committed->partition, "the group has no offset there");
        begin.start = reset_offset(consumer, places, committed->topic, committed->partition);
        begin.metadata.size = 0;
    }
    struct partition *partition = partition_create(committed->topic, committed->partition, &begin, &is_unread);
    partition->committed = committed->offset >= 0 ? committed->offset : OFFSETS_UNKNOWN;
    consumer->counts.metadata_unread += is_unread;
    return partition;
}

static rd_kafka_topic_partition_list_t *list_of(const struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, partition->assignment.topic, partition->assignment.partition)->offset = partition->seek_to;
    return list;
}

void reading_say_refused(const char *what, rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    log_warn("%s: %s", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

/* What was fetched before is void from here on. */
static void seek(struct consumer *consumer, struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(partition);
    rd_kafka_error_t *failed = rd_kafka_seek_partitions(consumer->handle, list, ASK_TIMEOUT_MS);

    partition->is_seeking = failed != NULL || list->elems[0].err != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (partition->is_seeking) {
        struct log_fields fields = assigned_log_fields(partition, partition->seek_to);
        consumer->must_tend = true;
        log_event(LOG_LEVEL_DEBUG, &fields, "the partition can't go back yet: %s",
                  failed != NULL ? rd_kafka_error_string(failed) : rd_kafka_err2str(list->elems[0].err));
    }
    if (failed != NULL)
        rd_kafka_error_destroy(failed);
    rd_kafka_topic_partition_list_destroy(list);
}

/*
 * librdkafka reads a partition no more after an offset that was out of range, and does not seek in it.
 * Its stop, which it finishes some time later, takes the partition's queue off ours again.
 */
static void restart(struct consumer *consumer, struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(partition);

    reading_say_refused("can't stop reading", rd_kafka_incremental_unassign(consumer->handle, list));
    reading_say_refused("can't go on reading", rd_kafka_incremental_assign(consumer->handle, list));
    rd_kafka_topic_partition_list_destroy(list);
    partition->forward_until_ms = consumer->now_ms + FORWARD_MS;
    consumer->must_tend = true;
}

void reading_tend(struct consumer *consumer)
{
    assert_thread(&consumer->thread);
    if (!consumer->must_tend || consumer->now_ms - consumer->tended_ms < TEND_MS)
        return;
    consumer->must_tend = false;
    consumer->tended_ms = consumer->now_ms;
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct partition *partition = consumer->assigned.items[i];
        if (partition->is_awaiting || partition->is_crowded)
            continue;
        if (partition->is_seeking)
            seek(consumer, partition);
        if (partition->forward_until_ms > consumer->now_ms) {
            assigned_forward(consumer, partition);
            consumer->must_tend = true;
        }
    }
}

/* Nothing that is known of the old one holds. */
static void begin_again(struct consumer *consumer, struct partition *old, const struct partition_begin *begin)
{
    bool is_unread;
    struct partition *partition = partition_create(old->assignment.topic, old->assignment.partition, begin, &is_unread);

    assigned_let_go(consumer, old);
    assigned_take_up(consumer, partition);
    restart(consumer, partition);
}

static struct places ask_places(struct consumer *consumer, const struct partition *partition)
{
    rd_kafka_topic_partition_list_t *list = list_of(partition);
    struct places places = reading_places_ask(consumer, list);

    rd_kafka_topic_partition_list_destroy(list);
    return places;
}

static void on_out_of_range(struct consumer *consumer, struct partition *old)
{
    const char *topic = old->assignment.topic;
    int32_t id = old->assignment.partition;
    struct log_fields fields = assigned_log_fields(old, offsets_next(old->offsets));

    if (consumer->reset == RESET_REFUSED)
        refuse_reset(consumer, topic, id, "the offset to read next is not there any more");
    struct places places = ask_places(consumer, old);
    const struct partition_begin begin = {
        .start = reset_offset(consumer, &places, topic, id),
        .end = place_find(places.ends, topic, id),
    };
    reading_places_done(&places);
    log_event(LOG_LEVEL_WARN, &fields,
              "the next offset does not exist any more (deleted by retention, or the topic was created again): stepd reads on from the %s, "
              "%" PRId64,
              consumer->reset == RESET_LATEST ? "end" : "beginning", begin.start);
    begin_again(consumer, old, &begin);
}

void reading_begin_anew(struct consumer *consumer, struct partition *old)
{
    struct places places = ask_places(consumer, old);
    struct log_fields fields = assigned_log_fields(old, offsets_next(old->offsets));
    const int64_t beginning = place_find(places.beginnings, old->assignment.topic, old->assignment.partition);
    const struct partition_begin begin = {
        .start = beginning >= 0 ? beginning : RD_KAFKA_OFFSET_BEGINNING,
        .end = place_find(places.ends, old->assignment.topic, old->assignment.partition),
    };

    reading_places_done(&places);
    log_event(LOG_LEVEL_WARN, &fields,
              "the topic was deleted and created again while stepd read it: stepd reads it from its beginning, %" PRId64, begin.start);
    begin_again(consumer, old, &begin);
}

void reading_bring_back(struct consumer *consumer, const rd_kafka_message_t *message)
{
    struct partition *partition = assigned_partition_of(consumer, message);

    if (partition == NULL || partition->is_seeking)
        return;
    assigned_forward(consumer, partition);
    partition->seek_to = message->offset;
    partition->is_seeking = true;
    consumer->must_tend = true;
}

void reading_on_error(struct consumer *consumer, const rd_kafka_message_t *message)
{
    struct partition *partition = assigned_partition_of(consumer, message);

    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF || partition == NULL)
        return;
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
        intake_push(consumer);
        on_out_of_range(consumer, partition);
        rd_kafka_yield(consumer->handle);
        return;
    }
    struct log_fields fields = assigned_log_fields(partition, -1);
    log_event(LOG_LEVEL_WARN, &fields, "can't be read now: %s", rd_kafka_message_errstr(message));
}

static void renew(struct consumer *consumer, struct partition *old)
{
    struct partition *partition = partition_renew(old);
    int64_t read_next = offsets_next(old->offsets) >= 0 ? offsets_next(old->offsets) : old->start;

    partition->is_seeking = old->is_seeking;
    partition->forward_until_ms = old->forward_until_ms;
    if (old->is_awaiting || old->is_crowded)
        assigned_forward(consumer, partition);
    assigned_let_go(consumer, old);
    assigned_take_up(consumer, partition);
    if (partition->is_seeking || partition->start != read_next)
        seek(consumer, partition);
}

/* Redis lost its last moments: what it had taken since then comes again, under new assignments. */
static void rewind_all(struct consumer *consumer)
{
    struct partition_list old = { 0 };

    intake_settle_open(consumer);
    takings_drop(&consumer->takings);
    takings_drop(&consumer->knowns);
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        partition_list_add(&old, consumer->assigned.items[i]);
        assignment_revoke(&consumer->assigned.items[i]->assignment);
    }
    atomic_store(&consumer->must_rewind, false); /* after the revocations: assignment_is_doubtful() */
    for (size_t i = 0; i < old.count; i++)
        renew(consumer, old.items[i]);
    log_info("stepd reads again all messages of %zu partitions that are not done", old.count);
    free(old.items);
}

/* Who drops a message because its store refuses it, say, leaves it to whoever reads it next: to us. */
static void read_dropped_again(struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct partition *partition = consumer->assigned.items[i];
        if (partition->again_ms == 0 || partition->again_ms > consumer->now_ms)
            continue;
        struct log_fields fields = assigned_log_fields(partition, offsets_committable(partition->offsets));
        if (!partition->is_crowded)
            log_event(LOG_LEVEL_WARN, &fields, "events of this partition could not be handled: stepd reads again all that are not done");
        renew(consumer, partition);
        return; /* the list has another order now */
    }
}

void reading_go_back(struct consumer *consumer)
{
    assert_thread(&consumer->thread);
    if (commits_are_under_way(consumer->commits) || atomic_load(&consumer->must_pause))
        return;
    if (atomic_load(&consumer->must_rewind))
        rewind_all(consumer);
    else
        read_dropped_again(consumer);
}
