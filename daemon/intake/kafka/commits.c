/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/commits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"

#define METADATA_LEAST 64 /* below that none is sent */

/* One partition of one commit. */
struct part {
    struct partition *partition;
    int64_t offset;
    uint64_t told;
};

struct parts {
    struct part *items;
    size_t count;
};

struct commits {
    rd_kafka_t *handle;
    const struct consumer_settings *settings;
    rd_kafka_queue_t *answers;
    struct parts under_way; /* count 0: none is */
    struct thread_owner owner;
    struct commits_counts counts;
};

struct commits *commits_create(rd_kafka_t *handle, const struct consumer_settings *settings)
{
    struct commits *commits = xcalloc(1, sizeof(*commits));

    commits->handle = handle;
    commits->settings = settings;
    commits->answers = rd_kafka_queue_new(handle);
    return commits;
}

static void parts_done(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        assert(parts->items[i].partition->holders > 0);
        parts->items[i].partition->holders--;
    }
    free(parts->items);
    *parts = (struct parts){ 0 };
}

void commits_destroy(struct commits *commits)
{
    if (commits == NULL)
        return;
    parts_done(&commits->under_way);
    rd_kafka_queue_destroy(commits->answers);
    free(commits);
}

/* Adds a partition to both lists if there is something new to tell of it. */
static void gather(struct partition *partition, struct parts *parts, rd_kafka_topic_partition_list_t *list)
{
    char text[METADATA_MAX];
    int64_t offset = offsets_committable(partition->offsets);

    if (offset < 0)
        return;
    size_t size = partition->metadata_max >= METADATA_LEAST ? offsets_encode(partition->offsets, text, partition->metadata_max) : 0;
    uint64_t told = size > 0 ? XXH3_64bits(text, size) : 0;
    if (offset == partition->committed && told == partition->committed_told)
        return;

    rd_kafka_topic_partition_t *entry =
        rd_kafka_topic_partition_list_add(list, partition->assignment.topic, partition->assignment.partition);
    entry->offset = offset;
    if (size > 0) {
        entry->metadata = xmemdup(text, size); /* the list frees it */
        entry->metadata_size = size;
    }
    assert(size <= partition->metadata_max);
    partition->holders++;
    parts->items[parts->count++] = (struct part){ .partition = partition, .offset = offset, .told = told };
}

static rd_kafka_topic_partition_list_t *gather_all(struct partition *const *partitions, size_t count, struct parts *ret_parts)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    *ret_parts = (struct parts){ .items = xcalloc(count + 1, sizeof(struct part)) };
    for (size_t i = 0; i < count; i++)
        gather(partitions[i], ret_parts, list);
    return list;
}

/* Of the consumer protocol; librdkafka's oldest headers have no names for them. */
#define FENCED_MEMBER_EPOCH 110
#define STALE_MEMBER_EPOCH 113

/* The group is changing hands: what was not committed is, by whoever has the partition then. */
static bool is_of_rebalance(rd_kafka_resp_err_t error)
{
    if ((int)error == FENCED_MEMBER_EPOCH || (int)error == STALE_MEMBER_EPOCH)
        return true;
    return error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || error == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
}

static void part_failed(const struct part *part, rd_kafka_resp_err_t error)
{
    struct partition *partition = part->partition;
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.topic = partition->assignment.topic;
    fields.partition = partition->assignment.partition;
    fields.offset = part->offset;
    if (error == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE && part->told != 0) {
        partition->metadata_max /= 2;
        log_event(LOG_LEVEL_INFO, &fields,
                  "the broker's offset.metadata.max.bytes is small: commits have at most %zu bytes of metadata from now on",
                  partition->metadata_max);
    } else if (is_of_rebalance(error)) {
        log_event(LOG_LEVEL_DEBUG, &fields, "nothing is committed while the group rebalances: %s", rd_kafka_err2str(error));
    } else {
        log_event(LOG_LEVEL_WARN, &fields, "the offset was not committed, and the next commit has it again: %s", rd_kafka_err2str(error));
    }
}

static void part_committed(const struct commits *commits, const struct part *part)
{
    struct partition *partition = part->partition;

    assert(part->offset >= 0);
    partition->committed = part->offset;
    partition->committed_told = part->told;
    if (commits->settings->committed != NULL)
        commits->settings->committed(commits->settings->context, partition->assignment.topic, partition->assignment.partition,
                                     part->offset);
}

static void answered(struct commits *commits, struct parts *parts, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t failed = rd_kafka_event_error(event);

    assert(parts->count > 0);
    for (size_t i = 0; i < parts->count; i++) {
        const struct part *part = &parts->items[i];
        const struct assignment *assignment = &part->partition->assignment;
        const rd_kafka_topic_partition_t *entry =
            list != NULL ? rd_kafka_topic_partition_list_find(list, assignment->topic, assignment->partition) : NULL;
        rd_kafka_resp_err_t error = entry != NULL && entry->err != RD_KAFKA_RESP_ERR_NO_ERROR ? entry->err : failed;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            part_committed(commits, part);
        else
            part_failed(part, error);
    }
    if (failed == RD_KAFKA_RESP_ERR_NO_ERROR)
        commits->counts.done++;
    else
        commits->counts.failed++;
    parts_done(parts);
}

/* False: nothing to tell, or librdkafka does not take it. */
static bool send_commit(struct commits *commits, struct partition *const *partitions, size_t count, rd_kafka_queue_t *answers,
                        struct parts *ret_parts)
{
    rd_kafka_topic_partition_list_t *list = gather_all(partitions, count, ret_parts);
    rd_kafka_resp_err_t refused = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (list->cnt > 0)
        refused = rd_kafka_commit_queue(commits->handle, list, answers, NULL, NULL);
    if (refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        log_warn("offsets are not committed: %s", rd_kafka_err2str(refused));
    if (list->cnt == 0 || refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        parts_done(ret_parts);
    rd_kafka_topic_partition_list_destroy(list);
    return ret_parts->count > 0;
}

void commits_begin(struct commits *commits, struct partition *const *partitions, size_t count)
{
    assert_owner(&commits->owner);
    if (!commits_are_under_way(commits))
        (void)send_commit(commits, partitions, count, commits->answers, &commits->under_way);
}

bool commits_are_under_way(const struct commits *commits)
{
    return commits->under_way.count > 0;
}

void commits_poll(struct commits *commits)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(commits->answers, 0);

    assert_owner(&commits->owner);
    if (event == NULL)
        return;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT)
        answered(commits, &commits->under_way, event);
    rd_kafka_event_destroy(event);
}

void commits_now(struct commits *commits, struct partition *const *partitions, size_t count, int64_t timeout_ms)
{
    rd_kafka_queue_t *answers = rd_kafka_queue_new(commits->handle);
    struct parts parts;

    assert(timeout_ms >= 0);
    assert_owner(&commits->owner);
    if (send_commit(commits, partitions, count, answers, &parts)) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(answers, (int)timeout_ms);
        if (event != NULL && rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT) {
            answered(commits, &parts, event);
        } else {
            log_warn("no answer to a commit within %" PRId64 " ms: messages that were done since the last one are done again", timeout_ms);
            commits->counts.failed++;
            parts_done(&parts);
        }
        if (event != NULL)
            rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(answers);
}

bool commits_take_back(struct commits *commits, const char *topic, size_t count, int64_t timeout_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    rd_kafka_queue_t *answers = rd_kafka_queue_new(commits->handle);
    rd_kafka_event_t *event = NULL;

    assert_owner(&commits->owner);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, (int32_t)i)->offset = 0;
    if (rd_kafka_commit_queue(commits->handle, list, answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR)
        event = rd_kafka_queue_poll(answers, (int)timeout_ms);
    const bool is_done = event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(answers);
    rd_kafka_topic_partition_list_destroy(list);
    return is_done;
}

struct commits_counts commits_counts(const struct commits *commits)
{
    return commits->counts;
}
