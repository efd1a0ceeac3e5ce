/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/room.h"

#include <assert.h>

#include "base/clock.h"

static uint64_t most_of(const struct dispatch *dispatch, const struct gate *gate)
{
    return (uint64_t)(gate_is_closed(gate) ? dispatch->settings.pause_most : dispatch->settings.flow_most);
}

static struct gate *gate_of(struct dispatch *dispatch, const struct function *function)
{
    assert(function->index < dispatch->settings.function_count);
    return &dispatch->gates[function->index];
}

/* Where the store is short of memory: whether a run of the function would be kept there. */
static bool needs_memory(struct dispatch *dispatch, const struct gate *gate, const struct function *function)
{
    return atomic_load(&dispatch->is_short) &&
           (gate_is_closed(gate) || function_is_lined(function_newest(function)) || atomic_load(&gate->has_parked));
}

/* Whoever finds it full says which function it is, before the assignment says that one is. */
static bool has_room(struct dispatch *dispatch, struct message *message, const struct function *function, int64_t now_ns)
{
    struct gate *gate = gate_of(dispatch, function);

    if (gate_queued(gate, now_ns) < most_of(dispatch, gate) && !needs_memory(dispatch, gate, function))
        return true;
    atomic_store(&gate->lacking, function);
    atomic_store(&message->assignment->lacks, (int)function->index + 1);
    return false;
}

/* Whether it is to be asked at all: else all of the assignment stops. */
static bool may_go_on(struct dispatch *dispatch, struct message *message)
{
    if (atomic_load(&dispatch->is_stopped))
        atomic_store(&message->assignment->lacks, LACKS_ALL);
    return atomic_load(&message->assignment->lacks) == 0;
}

bool room_has(struct dispatch *dispatch, struct message *message, const struct function *const *functions, size_t count, int64_t now_ns)
{
    if (!may_go_on(dispatch, message))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!has_room(dispatch, message, functions[i], now_ns))
            return false;
    }
    return true;
}

bool room_has_for_jobs(struct dispatch *dispatch, struct message *message, const struct job_list *jobs, int64_t now_ns)
{
    if (!may_go_on(dispatch, message))
        return false;
    for (const struct job *job = jobs->first; job != NULL; job = job->next) {
        if (job->function != NULL && !has_room(dispatch, message, job->function, now_ns))
            return false;
    }
    return true;
}

void room_expect(struct dispatch *dispatch, struct job *job)
{
    assert(!job->is_expected);
    job->is_expected = true;
    gate_expect(gate_of(dispatch, job->function));
}

void room_arrive(struct dispatch *dispatch, struct job *job, bool is_over)
{
    assert(job->is_expected);
    gate_arrive(gate_of(dispatch, job->function), is_over);
    job->is_expected = false;
}

/* A sixteenth of them has begun: a partition does not stop and go for each. */
bool room_is_back(struct dispatch *dispatch, int lacks, struct room_lack *ret_lack)
{
    assert(lacks == LACKS_ALL || (lacks > 0 && (size_t)lacks <= dispatch->settings.function_count));
    if (lacks == LACKS_ALL) {
        *ret_lack = (struct room_lack){ .function = NULL };
        return !atomic_load(&dispatch->is_stopped);
    }
    struct gate *gate = &dispatch->gates[lacks - 1];
    const struct function *function = atomic_load(&gate->lacking);

    *ret_lack = (struct room_lack){
        .function = function != NULL ? function->id : "",
        .setting = gate_is_closed(gate) ? "pause.most" : "flow.most",
        .most = most_of(dispatch, gate),
    };
    if (function != NULL && needs_memory(dispatch, gate, function)) {
        ret_lack->setting = NULL;
        return false;
    }
    return gate_queued(gate, clock_monotonic_ns()) < ret_lack->most - ret_lack->most / 16;
}
