/* SPDX-License-Identifier: Apache-2.0 */
/* Once a second: whether all partitions move, and what there is to see of them. */
#include "base/lock.h"
#include "intake/kafka/consumer_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/footprint.h"
#include "base/log.h"
#include "base/memory.h"

#define WATCH_MS 1000
#define ASK_MS 5000                   /* where partitions end, and of what topics they are */
#define ASK_SOON_MS 1000              /* … where librdkafka may not live long on a topic that was made anew */
#define STALLED_MS 30000              /* lag, nothing in flight, and no move for that long */
#define GROWN_BYTES ((size_t)2 << 20) /* so much more than was left the last time is worth giving back, */
#define TRIMS 5                       /* at this many looks: runs that the store has go a little later than their events */

/* Until it does, its position is one of before. */
static bool reads_as_told(const struct consumer *consumer, const struct partition *partition)
{
    return !partition->is_seeking && partition->forward_until_ms <= consumer->now_ms;
}

void stalls_reach_positions(struct consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = partition_list_names(&consumer->assigned);

    assert_thread(&consumer->thread);
    if (rd_kafka_position(consumer->handle, list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (size_t i = 0; i < consumer->assigned.count; i++) {
            const struct partition *partition = consumer->assigned.items[i];
            if (list->elems[i].offset >= 0 && reads_as_told(consumer, partition))
                offsets_reach(partition->offsets, list->elems[i].offset);
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void watch_partition(struct consumer *consumer, struct partition *partition)
{
    int64_t next = offsets_next(partition->offsets);
    int64_t low;
    int64_t high;

    assert_thread(&consumer->thread);
    if (rd_kafka_get_watermark_offsets(consumer->handle, partition->assignment.topic, partition->assignment.partition, &low, &high) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        high > partition->end)
        partition->end = high;
    bool has_moved = next != partition->watched_next || offsets_in_flight(partition->offsets) > 0 || partition->end <= next ||
                     partition->is_crowded || intake_is_held_back(consumer);
    partition->watched_next = next;
    if (has_moved) {
        partition->moved_ms = consumer->now_ms;
        partition->is_stalled = false;
        return;
    }
    if (partition->is_stalled || consumer->now_ms - partition->moved_ms < STALLED_MS)
        return;
    partition->is_stalled = true;
    if (partition->is_awaiting)
        return; /* said as what it is */
    struct log_fields fields = assigned_log_fields(partition, next);
    log_event(LOG_LEVEL_WARN, &fields, "%" PRId64 " events wait in this partition, and the broker has sent none for %d s",
              partition->end - next, STALLED_MS / 1000);
}

static int64_t lag_of(const struct partition *partition)
{
    int64_t from = partition->committed != OFFSETS_UNKNOWN ? partition->committed : partition->start;
    int64_t end = partition->end;

    return from < 0 || end == OFFSETS_UNKNOWN ? -1 : end > from ? end - from : 0;
}

static void view_of(const struct consumer *consumer, const struct partition *partition, struct partition_view *ret_view)
{
    *ret_view = (struct partition_view){
        .partition = partition->assignment.partition,
        .committed = partition->committed,
        .end = partition->end,
        .lag = lag_of(partition),
        .in_flight = offsets_in_flight(partition->offsets),
        .is_stalled = partition->is_stalled,
        .is_crowded = partition->is_crowded,
    };
    if (partition->is_crowded)
        (void)room_ask(consumer, partition, &ret_view->lack);
    (void)snprintf(ret_view->topic, sizeof(ret_view->topic), "%s", partition->assignment.topic);
}

static void publish_views(struct consumer *consumer)
{
    size_t count = consumer->assigned.count;

    assert_thread(&consumer->thread);
    consumer->counts.stalled = 0;
    LOCK_GUARD(&consumer->lock);
    consumer->views = xrealloc(consumer->views, (count + 1) * sizeof(consumer->views[0]));
    consumer->view_count = count;
    for (size_t i = 0; i < count; i++) {
        view_of(consumer, consumer->assigned.items[i], &consumer->views[i]);
        consumer->counts.stalled += consumer->assigned.items[i]->is_stalled;
    }
}

/* Librdkafka, loads and runs that are claimed take tens of MB for a burst, which malloc would keep for the next one. */
static void give_back_memory(struct consumer *consumer)
{
    loads_trim(&consumer->loads);
    if (consumer->in_flight + consumer->away > 0)
        return;
    if (footprint_bytes() >= consumer->left_bytes + GROWN_BYTES)
        consumer->trims_left = TRIMS;
    if (consumer->trims_left == 0)
        return;
    consumer->trims_left--;
    memory_give_back();
    consumer->left_bytes = footprint_bytes();
}

void stalls_watch(struct consumer *consumer)
{
    assert_thread(&consumer->thread);
    if (consumer->now_ms - consumer->watched_ms < WATCH_MS)
        return;
    consumer->watched_ms = consumer->now_ms;
    consumer_look_whether_back(consumer);
    if (consumer->now_ms - consumer->asked_all_ms >= (consumer->by_id != NULL ? ASK_SOON_MS : ASK_MS))
        assigned_ask_all(consumer);
    for (size_t i = 0; i < consumer->assigned.count; i++)
        watch_partition(consumer, consumer->assigned.items[i]);
    publish_views(consumer);
    give_back_memory(consumer);
}
