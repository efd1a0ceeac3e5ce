/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/gate.h"

#include <assert.h>

#include "base/lock.h"
#include "base/memory.h"

#define LINE_NS INT64_C(1000000000) /* a line that was not seen for so long is gone: shards are asked four times a second */
#define LEAVING_MOST 2              /* threads that may wait for the store with one function's jobs */

void gate_init(struct gate *gate)
{
    *gate = (struct gate){ .running = 0 };
    lock_init(&gate->lock);
}

void gate_done(struct gate *gate)
{
    lock_done(&gate->lock);
}

void gate_close(struct gate *gate)
{
    atomic_store(&gate->is_closed, true);
}

void gate_open(struct gate *gate)
{
    atomic_store(&gate->is_closed, false);
}

static bool has_line(const struct gate *gate, int64_t now_ns)
{
    assert_held(&gate->lock);
    return gate->line_seen_ns != 0 && now_ns - gate->line_seen_ns < LINE_NS;
}

static bool has_place(const struct gate *gate, int limit)
{
    assert(limit >= 0);
    assert_held(&gate->lock);
    if (gate_is_closed(gate))
        return false;
    return limit == 0 || gate->running < limit;
}

static enum gate_answer answer(const struct gate *gate, int limit, size_t most, int64_t now_ns)
{
    assert_held(&gate->lock);
    bool is_lined_up = has_line(gate, now_ns);

    if (has_place(gate, limit) && !is_lined_up)
        return GATE_OPEN;
    bool is_over = is_lined_up || gate->waiting_count >= most || gate_is_closed(gate);
    return is_over && gate->leaving < LEAVING_MOST ? GATE_FULL : GATE_WAITS;
}

enum gate_answer gate_enter(struct gate *gate, struct job *job, int limit, size_t most, int64_t now_ns)
{
    assert(limit >= 0);
    LOCK_GUARD(&gate->lock);
    enum gate_answer given = answer(gate, limit, most, now_ns);
    job->is_gated = given != GATE_FULL;
    if (given == GATE_OPEN) {
        gate->running++;
    } else if (given == GATE_WAITS) {
        jobs_add(&gate->waiting, xmemdup(job, sizeof(*job)));
        gate->waiting_count++;
    } else {
        gate->leaving++;
        gate->line_seen_ns = now_ns;
    }
    return given;
}

size_t gate_reserve(struct gate *gate, int limit, size_t max)
{
    size_t count = 0;

    LOCK_GUARD(&gate->lock);
    while (count < max && has_place(gate, limit) && gate->waiting.first == NULL) {
        gate->running++;
        count++;
    }
    return count;
}

bool gate_try(struct gate *gate, int limit)
{
    return gate_reserve(gate, limit, 1) == 1;
}

void gate_leave(struct gate *gate)
{
    LOCK_GUARD(&gate->lock);
    assert(gate->running > 0);
    gate->running--;
}

static struct job *take_waiting(struct gate *gate)
{
    assert_held(&gate->lock);
    struct job *job = jobs_take(&gate->waiting);

    assert((job != NULL) == (gate->waiting_count > 0));
    if (job != NULL)
        gate->waiting_count--;
    return job;
}

struct job *gate_next(struct gate *gate, int limit)
{
    LOCK_GUARD(&gate->lock);
    struct job *next = has_place(gate, limit) ? take_waiting(gate) : NULL;
    if (next != NULL)
        gate->running++;
    return next;
}

struct job *gate_left(struct gate *gate, size_t most)
{
    LOCK_GUARD(&gate->lock);
    struct job *next = gate->waiting_count > (gate_is_closed(gate) ? 0 : most) ? take_waiting(gate) : NULL;
    if (next != NULL)
        next->is_gated = false;
    else
        gate->leaving--;
    assert(gate->leaving >= 0);
    return next;
}

void gate_see_line(struct gate *gate, int64_t now_ns)
{
    LOCK_GUARD(&gate->lock);
    gate->line_seen_ns = now_ns;
}

/* ---- how many are queued --------------------------------------------------------------------------- */

/* What has arrived counts until the store has had the time to say how many there are. */
uint64_t gate_queued(struct gate *gate, int64_t now_ns)
{
    if (now_ns - atomic_load(&gate->heard_ns) >= LINE_NS && atomic_load(&gate->arrived) != 0) {
        atomic_store(&gate->arrived, 0);
        atomic_store(&gate->heard_ns, now_ns);
    }
    return (uint64_t)(atomic_load(&gate->queued) + atomic_load(&gate->arrived) + atomic_load(&gate->coming));
}

void gate_expect(struct gate *gate)
{
    atomic_fetch_add(&gate->coming, 1);
}

void gate_arrive(struct gate *gate, bool is_over)
{
    if (is_over)
        atomic_fetch_add(&gate->arrived, 1);
    atomic_fetch_sub(&gate->coming, 1);
}

void gate_see_queued(struct gate *gate, int64_t change, int64_t now_ns)
{
    atomic_fetch_add(&gate->queued, change);
    atomic_store(&gate->arrived, 0);
    atomic_store(&gate->heard_ns, now_ns);
}
