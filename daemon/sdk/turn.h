/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stay of an SDK's run on a worker: what has arrived is taken (sdk/arrivals), what follows goes out
 * (sdk/departures), and the run leaves, is parked, or ends. The worker's.
 */
#ifndef STEPD_SDK_TURN_H
#define STEPD_SDK_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "run/context.h"
#include "sdk/app.h"
#include "sdk/ops.h"
#include "sdk/sdk_errand.h"

#define THE_FUNCTION "" /* the branch that looks for what comes next */

struct turn {
    struct stepd_ctx *ctx;
    const struct sdk_function *function;
    struct sdk_errand *errand;
    struct retry_advice advice; /* of the reply that is taken */
    int attempt;                /* the function's own errors */
    int64_t failed_due_ms;      /* a branch failed, of ctx->step_raised, which is not durable yet; 0: none */
    bool is_done;               /* the function has ended well */
};

/* The store's time, or the claim's where that is later. */
int64_t turn_now_ms(const struct turn *turn);
bool turn_has_finished(const struct turn *turn, const char *step);
/* When the first sleep ends after that time; 0: none does. */
int64_t turn_next_waking_ms(const struct turn *turn, int64_t after_ms);
/* Nothing else of the run is under way, or waits: the run as a whole is parked with what fails or sleeps. */
bool turn_is_alone(const struct turn *turn);
/* The branches go into the run's tail with its next change. */
void turn_keep_branches(struct turn *turn);
/* What a branch failed of becomes durable while others go on. */
enum stepd_status turn_note_failure(struct turn *turn);

#endif
