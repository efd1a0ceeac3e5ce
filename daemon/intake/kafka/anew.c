/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A topic that was deleted and made anew while it was read. librdkafka goes on in it where it was in the old one: what stands below is
 * skipped without a word, unless the new one is still shorter. So it is asked for every few seconds: by its id, where librdkafka tells that.
 * Else by the times of its records: if a partition's very first record is younger than all that had been read of it, then what had been
 * read is not there any more, though its offsets are.
 *
 * Some versions of librdkafka break on such a topic (kafka/library.h). With these the process ends, and one that is started in its place reads
 * the topic from its beginning.
 */
#include "intake/kafka/consumer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "intake/kafka/ends.h"
#include "kafka/library.h"
#include "kafka/protocol.h"

#define TAKE_BACK_MS 5000
#define TAKE_BACK_LOOKS 3

/* ---- what is asked ------------------------------------------------------------------------------ */

static bool has_been_read(const struct read_so_far *read)
{
    return read->next > 0 && read->youngest_ms >= 0;
}

static struct read_so_far read_now(const struct partition *partition)
{
    return (struct read_so_far){ .next = offsets_next(partition->offsets), .youngest_ms = partition->youngest_ms };
}

/* By what had been read when it was last asked: what has been read since may be the new topic's already. */
static void ask_times(struct consumer *consumer, struct look *look)
{
    look->beginnings = rd_kafka_topic_partition_list_new(1);
    look->since = rd_kafka_topic_partition_list_new(1);
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        const struct partition *partition = consumer->assigned.items[i];
        const struct assignment *assignment = &partition->assignment;
        if (!has_been_read(&partition->read))
            continue;
        rd_kafka_topic_partition_list_add(look->beginnings, assignment->topic, assignment->partition);
        rd_kafka_topic_partition_list_add(look->since, assignment->topic, assignment->partition)->offset = partition->read.youngest_ms + 1;
    }
}

void anew_prepare(struct consumer *consumer, struct look *look)
{
    look->wants_topics = topic_ids_are_told();
    if (!look->wants_topics)
        ask_times(consumer, look);
}

void anew_asked(struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct partition *partition = consumer->assigned.items[i];
        partition->read_before = partition->read;
        partition->read = read_now(partition);
    }
}

/* ---- what is answered --------------------------------------------------------------------------- */

/* One that has come since the last answer, and not at the beginning, is of the topic that was there then: that one had been read so far. */
static bool is_another_topic(struct consumer *consumer, struct partition *partition, const struct look *look)
{
    const char *const *names = consumer->settings.topics;
    size_t at = 0;

    while (names[at] != NULL && strcmp(names[at], partition->assignment.topic) != 0)
        at++;
    if (names[at] == NULL || !topic_id_is_known(&look->topics[at].id))
        return false;
    if (!topic_id_is_known(&partition->topic_id) && partition->start > 0)
        partition->topic_id = consumer->topics[at].id;
    if (topic_id_is_known(&partition->topic_id))
        return !topic_id_is(&partition->topic_id, &look->topics[at].id);
    partition->topic_id = look->topics[at].id;
    return false;
}

static int64_t offset_in(rd_kafka_topic_partition_list_t *list, const struct assignment *assignment)
{
    const rd_kafka_topic_partition_t *entry =
        list != NULL ? rd_kafka_topic_partition_list_find(list, assignment->topic, assignment->partition) : NULL;

    return entry != NULL ? entry->offset : ENDS_UNKNOWN;
}

/* Of what we have not read ourselves only once it was not so: a record that was read before us may say that it is from tomorrow. */
static bool has_younger_records(struct partition *partition, const struct look *look)
{
    const int64_t beginning = offset_in(look->beginnings, &partition->assignment);
    const int64_t first = offset_in(look->since, &partition->assignment);

    if (beginning == ENDS_UNKNOWN || first == ENDS_UNKNOWN)
        return false;
    if (first == beginning && beginning < partition->read_before.next)
        return partition->was_older || (partition->start >= 0 && beginning >= partition->start);
    partition->was_older = true;
    return false;
}

static bool is_anew(struct consumer *consumer, struct partition *partition, const struct look *look)
{
    if (look->asked_ms < partition->began_ms)
        return false; /* it is about the one before */
    return look->topics != NULL ? is_another_topic(consumer, partition, look) : has_younger_records(partition, look);
}

/* Where the brokers tell members nothing of topics that they do not have. */
static void say_missing(const struct consumer *consumer, const char *name, struct topic_watch *watch, const struct topic_seen *seen)
{
    watch->looks_missing = seen->is_missing ? watch->looks_missing + 1 : 0;
    if (watch->looks_missing == 2 && protocol_is_consumer(consumer->settings.kafka)) /* at the first it may be about to be made */
        log_warn("topic '%s' does not exist: stepd reads it once it exists", name);
}

static bool is_made_anew(const struct topic_watch *watch, const struct topic_seen *seen)
{
    return topic_id_is_known(&watch->id) && topic_id_is_known(&seen->id) && !topic_id_is(&watch->id, &seen->id);
}

static void say_anew(const char *name, struct topic_watch *watch, const struct topic_seen *seen)
{
    if (!topic_id_is_known(&seen->id))
        return;
    if (is_made_anew(watch, seen))
        log_warn("topic '%s' was deleted and created again: stepd reads it from its beginning", name);
    watch->id = seen->id;
}

static void watch_topics(struct consumer *consumer, const struct look *look)
{
    const char *const *names = consumer->settings.topics;

    for (size_t i = 0; look->topics != NULL && names[i] != NULL; i++) {
        say_missing(consumer, names[i], &consumer->topics[i], &look->topics[i]);
        say_anew(names[i], &consumer->topics[i], &look->topics[i]);
    }
}

/* What is committed may be of the old topic, or of what was read of the new one as if it were the old one: neither is to be gone on from. */
static bool ends_over(struct consumer *consumer, const char *name, struct topic_watch *watch, const struct topic_seen *seen)
{
    if (!is_made_anew(watch, seen))
        return false;
    if (!commits_take_back(consumer->commits, name, seen->partitions, TAKE_BACK_MS) && ++watch->looks_anew < TAKE_BACK_LOOKS)
        return true; /* tried again at the next look */
    AUTO_FREE char *why = xasprintf("Kafka: topic '%s' was deleted and created again, on which librdkafka %s breaks (2.10 does not): %s",
                                    name, rd_kafka_version_str(),
                                    watch->looks_anew < TAKE_BACK_LOOKS
                                        ? "started again, stepd reads the topic from its beginning"
                                        : "the group's offsets could not be set back to its beginning, so that started again, stepd may "
                                          "skip its first events: kafka-consumer-groups.sh --reset-offsets --to-earliest sets them back");
    consumer->settings.fatal(why);
    return true;
}

static bool breaks_library(struct consumer *consumer, const struct look *look)
{
    const char *const *names = consumer->settings.topics;
    bool is_over = false;

    if (look->topics == NULL || !library_breaks_on_new_topics(rd_kafka_version()))
        return false;
    for (size_t i = 0; names[i] != NULL; i++)
        is_over |= ends_over(consumer, names[i], &consumer->topics[i], &look->topics[i]);
    return is_over;
}

void anew_hear(struct consumer *consumer, const struct look *look)
{
    struct partition_list anew = { 0 };

    if (breaks_library(consumer, look))
        return;
    for (size_t i = 0; i < consumer->assigned.count; i++)
        if (is_anew(consumer, consumer->assigned.items[i], look))
            partition_list_add(&anew, consumer->assigned.items[i]);
    watch_topics(consumer, look);
    for (size_t i = 0; i < anew.count; i++)
        reading_begin_anew(consumer, anew.items[i]);
    free(anew.items);
}
