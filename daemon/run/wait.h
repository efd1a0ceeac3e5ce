/* SPDX-License-Identifier: Apache-2.0 */
/* Waits for events, as steps: stepd_wait_for_event(), which parks the run, and one beside other steps. */
#ifndef STEPD_RUN_WAIT_H
#define STEPD_RUN_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "base/bytes.h"

/* Records that step `id` waits, and goes on. As a step's call answers; SUSPENDED with no verdict while nothing has come
 * (run/awaited.h). `has_more`: together with it another wait for the same was asked for, which is recorded after it (run/waited.h). */
enum stepd_status wait_beside(struct stepd_ctx *ctx, const char *id, const struct stepd_wait *wait, bool has_more);
/* Whether both wait for the same. */
bool wait_is_same(const struct stepd_wait *one, const struct stepd_wait *other);
/* The checkpoint that ends a wait of the phase that the run is in, up to the time at which it ended; as long as the attempt lasts. */
struct bytes wait_outcome_head(struct stepd_ctx *ctx, const char *id, int64_t started_ms);

#endif
