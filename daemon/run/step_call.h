/* SPDX-License-Identifier: Apache-2.0 */
/* The step that runs, or whose failure parks the run. */
#ifndef STEPD_RUN_STEP_CALL_H
#define STEPD_RUN_STEP_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "run/ports.h"
#include "run/step_ids.h"

struct step_call {
    bool is_running;
    char id[STEP_ID_SIZE];
    int retries;
    int64_t retry_delay_ms; /* before its next attempt, should this one fail */
    int64_t timeout_ms;
    bool is_at_most_once;
    size_t position; /* of its checkpoint */
    int executions;  /* this one included */
    int64_t started_ms;
    bool is_beside;              /* a branch, which has a counter of its own: */
    int attempt;                 /* errors of the branch so far */
    int attempt_after;           /* the run's counter, once the step is finished */
    const struct callee *callee; /* that its checkpoint calls; NULL: none */
    const struct wait_ask *wait; /* that its checkpoint begins; NULL: none */
    struct run_id call_off;      /* whose answer it waits for no more; empty: none */
    struct bytes beside_error;   /* msgpack, as long as the attempt lasts: kept with the error, should it fail for good; empty: nothing */
};

#endif
