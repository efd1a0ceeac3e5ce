/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stay of an SDK's run on a worker: what has arrived is taken (sdk/take_results), what follows goes out
 * (sdk/send_due), and the run leaves, is parked, or ends. The worker's.
 */
#ifndef STEPD_SDK_SDK_ATTEMPT_H
#define STEPD_SDK_SDK_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "run/context.h"
#include "run/ops.h"
#include "sdk/app.h"
#include "sdk/op_list.h"
#include "sdk/sdk_errand.h"

#define THE_FUNCTION "" /* the branch that looks for what comes next */

struct sdk_attempt {
    struct stepd_ctx *ctx;
    const struct sdk_function *function;
    struct sdk_errand *errand;
    struct retry_advice advice; /* of the reply that is taken */
    int attempt;                /* the function's own errors */
    struct ops ops;             /* its branches are the errand's */
    bool is_done;               /* the function has ended well */
};

/* The store's time, or the claim's where that is later. */
int64_t sdk_attempt_now_ms(const struct sdk_attempt *turn);
bool sdk_attempt_has_finished(const struct sdk_attempt *turn, const char *step);
/* When the first sleep ends after that time; 0: none does. */
int64_t sdk_attempt_next_waking_ms(const struct sdk_attempt *turn, int64_t after_ms);
/* Nothing else of the run is under way, or waits: the run as a whole is parked with what fails or sleeps. */
bool sdk_attempt_is_alone(const struct sdk_attempt *turn);
/* What a branch failed of becomes durable while others go on. */
enum stepd_status sdk_attempt_note_failure(struct sdk_attempt *turn);

#endif
