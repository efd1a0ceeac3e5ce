/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the store has room for another queued run of each function: `pause.most` of one that is paused, `flow.most` of
 * any other. Asked before anything of a message begins, so that what is dropped then, and comes again, has done nothing.
 */
#ifndef STEPD_ENGINE_ROOM_H
#define STEPD_ENGINE_ROOM_H

#include "engine/worker.h"
#include "run/attempt.h"

/* A message that starts these functions may go on. False: one has no room; the message's assignment says so from here on,
 * and all of it that has not begun is to be dropped. */
bool room_has(struct dispatch *dispatch, struct message *message, const struct function *const *functions, size_t count, int64_t now_ns);
/* Mostly nothing waits: then it is known without a call, of a message that starts one. */
static inline bool room_is_empty(const struct dispatch *dispatch, const struct message *message, const struct function *function)
{
    const struct gate *gate = &dispatch->gates[function->index];

    return gate_is_empty(gate) && !gate_is_closed(gate) && !atomic_load(&dispatch->is_short) && !atomic_load(&dispatch->is_stopped) &&
           atomic_load(&message->assignment->lacks) == 0;
}
/* All that comes of a function that is paused, or whose runs wait for their turns, goes into the store: such a job, and that it is there, or
 * ended. */
void room_expect(struct dispatch *dispatch, struct job *job);
void room_arrive(struct dispatch *dispatch, struct job *job, bool is_over);
/* A job of such a message is made: it counts, where it is going to be queued, until room_leave(). */
static inline void room_enter(struct dispatch *dispatch, struct job *job)
{
    if (job->function != NULL &&
        (gate_is_closed(&dispatch->gates[job->function->index]) || function_is_lined(function_newest(job->function))))
        room_expect(dispatch, job);
}
static inline void room_leave(struct dispatch *dispatch, struct job *job, bool is_over)
{
    if (job->is_expected)
        room_arrive(dispatch, job, is_over);
}
/* The same of jobs of one message, which stay the caller's. */
bool room_has_for_jobs(struct dispatch *dispatch, struct message *message, const struct job_list *jobs, int64_t now_ns);
/* An attempt of a run has ended: whether its function's runs are kept in the store. */
static inline void room_note_parked(struct dispatch *dispatch, const struct run *run, const struct attempt_report *report)
{
    struct gate *gate = &dispatch->gates[run->function->index];

    if (report->is_stored && !atomic_load_explicit(&gate->has_parked, memory_order_relaxed))
        atomic_store(&gate->has_parked, true);
}
/* Any thread. An assignment lacks room of the function with that index, plus 1: whether there is some again. */
bool room_is_back(struct dispatch *dispatch, int lacks, struct room_lack *ret_lack);

#endif
