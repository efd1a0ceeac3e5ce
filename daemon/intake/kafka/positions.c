/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/positions.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/pulse.h"

void positions_init(struct positions *positions)
{
    lock_init(&positions->lock);
    condition_init(&positions->told);
}

void positions_done(struct positions *positions)
{
    free(positions->items);
    condition_done(&positions->told);
    lock_done(&positions->lock);
}

bool positions_ask(struct positions *positions, struct position **ret_items, size_t *ret_count)
{
    LOCK_GUARD(&positions->lock);
    positions->is_told = false;
    atomic_store(&positions->is_asked, true);
    pulse_rest_here();
    while (!positions->is_told && !positions->is_stopping)
        condition_wait(&positions->told, &positions->lock);
    pulse_beat_here();
    if (!positions->is_told)
        return false;
    *ret_items = xmemdup(positions->items, positions->count * sizeof(positions->items[0]));
    *ret_count = positions->count;
    return true;
}

static struct position position_of(const struct partition *partition)
{
    struct position position = {
        .partition = partition->assignment.partition,
        .serial = partition->serial,
        .start = partition->start,
        .next = offsets_next(partition->offsets),
        .done = offsets_committable(partition->offsets),
        .is_framed = partition->is_framed,
    };

    (void)snprintf(position.topic, sizeof(position.topic), "%s", partition->assignment.topic);
    return position;
}

/* Runs on: consumer thread, between two loads. */
void positions_tell(struct positions *positions, struct partition *const *partitions, size_t count)
{
    if (!atomic_load_explicit(&positions->is_asked, memory_order_acquire))
        return;
    LOCK_GUARD(&positions->lock);
    atomic_store(&positions->is_asked, false);
    if (positions->room < count + 1) {
        positions->room = count + 16;
        positions->items = xrealloc(positions->items, positions->room * sizeof(positions->items[0]));
    }
    assert(count < positions->room);
    positions->count = count;
    for (size_t i = 0; i < count; i++)
        positions->items[i] = position_of(partitions[i]);
    positions->is_told = true;
    condition_wake_one(&positions->told);
}

void positions_stop(struct positions *positions)
{
    LOCK_GUARD(&positions->lock);
    positions->is_stopping = true;
    condition_wake_one(&positions->told);
}
