/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions that bring more runs of a function than may be queued: the engine says so of their assignment, and drops what
 * has not begun. Such a partition is taken off the queue of messages, so that it is not read on, while the others go on.
 * Once there is room, and none of its messages is being worked on, it is read again from what is not done.
 */
#include "intake/kafka/consumer_internal.h"

#include <assert.h>
#include <inttypes.h>

#include "base/log.h"

#define LOOK_MS 200

bool room_ask(const struct consumer *consumer, const struct partition *partition, struct room_lack *ret_lack)
{
    struct batch_taker *taker = consumer->settings.batches;

    return taker->ops->has_room(taker, atomic_load(&partition->assignment.lacks), ret_lack);
}

static void stop(struct consumer *consumer, struct partition *partition)
{
    struct log_fields fields = assigned_log_fields(partition, offsets_committable(partition->offsets));
    struct room_lack lack;
    char why[400];

    assert_thread(&consumer->thread);
    assert(!partition->is_crowded);
    (void)room_ask(consumer, partition, &lack);
    if (!partition->is_awaiting)
        assigned_take_off(consumer, partition);
    partition->is_crowded = true;
    partition->is_seeking = true;
    partition->again_ms = 0;
    partition->looked_ms = consumer->now_ms;
    consumer->crowded++;
    consumer->watched_ms = 0; /* whoever asks is to see it now */
    room_lack_text(&lack, why, sizeof(why));
    log_event(LOG_LEVEL_WARN, &fields, "this partition stops, for all its functions: %s", why);
}

void room_let_go(struct consumer *consumer, struct partition *partition)
{
    consumer->crowded -= partition->is_crowded;
    partition->is_crowded = false;
}

/* What is worked on would be begun a second time. */
static bool is_worked_on(const struct consumer *consumer, const struct partition *partition)
{
    for (const struct load *load = consumer->open; load != NULL; load = load->next) {
        for (unsigned i = 0; i < load->batch.count; i++) {
            const struct message *message = &load->batch.messages[i];
            if (partition_of(message) == partition && message_state(message) < MESSAGE_DONE)
                return true;
        }
    }
    return false;
}

static void look(struct consumer *consumer, struct partition *partition)
{
    struct room_lack lack;

    if (partition->again_ms != 0 || consumer->now_ms - partition->looked_ms < LOOK_MS)
        return;
    partition->looked_ms = consumer->now_ms;
    if (!room_ask(consumer, partition, &lack) || is_worked_on(consumer, partition))
        return;
    intake_settle_open(consumer);
    if (takings_have(&consumer->takings, partition) || takings_have(&consumer->knowns, partition))
        return; /* what else their events started would be, too */
    struct log_fields fields = assigned_log_fields(partition, offsets_committable(partition->offsets));
    log_event(LOG_LEVEL_INFO, &fields, "there is room for more runs%s%s: this partition goes on", lack.function != NULL ? " of " : "",
              lack.function != NULL ? lack.function : "");
    partition->again_ms = consumer->now_ms;
}

void room_tend(struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct partition *partition = consumer->assigned.items[i];
        if (partition->is_crowded)
            look(consumer, partition);
        else if (atomic_load(&partition->assignment.lacks) != 0)
            stop(consumer, partition);
    }
}
