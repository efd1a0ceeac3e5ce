/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/partition.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "flow/key_set.h"

static uint64_t last_serial; /* consumer thread */

static struct partition *partition_new(const char *topic, int32_t id, int64_t start)
{
    struct partition *partition = xcalloc(1, sizeof(*partition));

    assert(id >= 0);
    partition->assignment.topic = xstrdup(topic);
    partition->assignment.partition = id;
    partition->assignment.parked_keys = key_set_create();
    partition->serial = ++last_serial;
    partition->start = start;
    partition->seek_to = start;
    partition->offsets = offsets_create(start >= 0 ? start : OFFSETS_UNKNOWN);
    partition->committed = OFFSETS_UNKNOWN;
    partition->metadata_max = METADATA_MAX;
    partition->end = OFFSETS_UNKNOWN;
    partition->watched_next = OFFSETS_UNKNOWN;
    partition->moved_ms = clock_monotonic_ms();
    partition->began_ms = partition->moved_ms;
    partition->youngest_ms = -1;
    partition->read = partition->read_before = (struct read_so_far){ OFFSETS_UNKNOWN, -1 };
    return partition;
}

static void refuse_metadata(const struct partition *partition, const char *why)
{
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.topic = partition->assignment.topic;
    fields.partition = partition->assignment.partition;
    fields.offset = partition->start;
    log_event(LOG_LEVEL_WARN, &fields,
              "stepd ignores the metadata of the committed offset: %s; messages above it that were done are done again", why);
}

struct partition *partition_create(const char *topic, int32_t id, const struct partition_begin *begin, bool *ret_is_unread)
{
    struct partition *partition = partition_new(topic, id, begin->start);
    struct error error = { .text = "the partition's end is not known" };

    partition->end = begin->end;
    *ret_is_unread = begin->metadata.size > 0 && (begin->end == OFFSETS_UNKNOWN || begin->start < 0 ||
                                                  offsets_decode(partition->offsets, begin->metadata, begin->end, &error) != 0);
    if (*ret_is_unread)
        refuse_metadata(partition, error.text);
    return partition;
}

struct partition *partition_renew(const struct partition *old)
{
    int64_t start = offsets_committable(old->offsets);
    struct partition *partition = partition_new(old->assignment.topic, old->assignment.partition, start >= 0 ? start : old->start);
    size_t room = 64 + offsets_in_flight(old->offsets) * 16;
    AUTO_FREE char *told = xmalloc(room);
    size_t size = start >= 0 ? offsets_encode(old->offsets, told, room) : 0;
    struct error error = { 0 };

    partition->committed = old->committed;
    partition->committed_told = old->committed_told;
    partition->metadata_max = old->metadata_max;
    partition->end = old->end;
    partition->topic_id = old->topic_id;
    partition->youngest_ms = old->youngest_ms;
    partition->read = old->read;
    partition->read_before = old->read_before;
    partition->was_older = old->was_older;
    if (size > 0 && offsets_decode(partition->offsets, (struct bytes){ told, size }, INT64_MAX, &error) != 0)
        refuse_metadata(partition, error.text);
    return partition;
}

void partition_destroy(struct partition *partition)
{
    if (partition == NULL)
        return;
    assert(partition->holders == 0);
    offsets_destroy(partition->offsets);
    key_set_destroy(partition->assignment.parked_keys);
    known_runs_done(&partition->assignment.known);
    free(partition->assignment.topic);
    free(partition);
}
