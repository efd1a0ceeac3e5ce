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
/* A job of such a message is made: it counts, where it is going to be queued, until room_leave(). */
void room_enter(struct dispatch *dispatch, struct job *job);
void room_leave(struct dispatch *dispatch, struct job *job, bool is_over);
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
