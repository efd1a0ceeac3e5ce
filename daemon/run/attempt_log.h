/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tail of a run's record: what happened so far, for people to look at and for
 * stepd_last_error(). msgpack:
 *   [ [ [started_ms, duration_ms, attempt, step_id or nil, executions, name or nil, message or nil,
 *       due_ms or 0], … the last 20 … ],
 *     output or nil,
 *     branches, where there are some: as their owner writes them ]
 * An attempt with no name suspended (a sleep) or succeeded.
 */
#ifndef STEPD_RUN_ATTEMPT_LOG_H
#define STEPD_RUN_ATTEMPT_LOG_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "run/run.h"

#define ATTEMPT_LOG_KEPT 20

struct attempt_entry {
    int64_t started_ms;
    int64_t duration_ms;
    int64_t due_ms;                /* when the next was due; 0: none followed */
    const struct failure *failure; /* NULL: suspended or succeeded */
    int attempt;
};

/* Appends to `buffer` the tail that follows `tail` (may be empty or damaged: begins anew) when
 * `entry` (may be NULL) is added; `output` (msgpack, size 0: nil) is the run's result, `branches`
 * (msgpack, size 0: none) what is known of steps that are tried beside each other. */
void attempt_log_pack(msgpack_sbuffer *buffer, struct bytes tail, const struct attempt_entry *entry, struct bytes output,
                      struct bytes branches);
/* The latest failure in `tail`; false: none. */
bool attempt_log_last_failure(struct bytes tail, struct failure *ret_failure);
/* Attempts kept in `tail`, oldest first; 0 too when it is empty or damaged. */
size_t attempt_log_count(struct bytes tail);
/* The one at `index`, below attempt_log_count(). `ret_entry->failure` is NULL or points to `ret_failure`,
 * which tells the step and its executions where there was one. */
void attempt_log_at(struct bytes tail, size_t index, struct attempt_entry *ret_entry, struct failure *ret_failure);
/* Of a run whose on_failure is in that attempt, or has ended with it: the function's last one. */
int attempt_log_before_on_failure(struct bytes tail, int attempt);
/* The run's result, msgpack within `tail`; size 0: none. */
struct bytes attempt_log_output(struct bytes tail);
/* Within `tail`; size 0: none. */
struct bytes attempt_log_branches(struct bytes tail);

#endif
