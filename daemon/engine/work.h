/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does with what it takes: finds the functions of a message, passes gates and strands, runs,
 * and goes on with what that kept from running. Inside of dispatch.
 */
#ifndef STEPD_ENGINE_WORK_H
#define STEPD_ENGINE_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/workers.h"

/* `item` is a message, or (bit 0 set) a job, and the callee's. False: the watch took over. */
bool work_on(struct worker *worker, uintptr_t item);
/* Brings to its end what the watch took from another thread, and takes the place of the watch in it. */
void work_settle(struct worker *worker, struct takeover *takeover);
/* One of its two holders has done with it. */
void work_drop(struct takeover *takeover);

#endif
