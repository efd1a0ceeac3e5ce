/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds all calls to apps that are under way: one thread, whatever their number, over connections that
 * are kept. A call belongs to who sends it, and comes back exactly once, through its `done`.
 */
#ifndef STEPD_SDK_COURIER_H
#define STEPD_SDK_COURIER_H

#include "base/error.h"
#include "base/memory.h"
#include "sdk/call.h"

struct courier;

/* At most `limit` calls at once; others wait for those. */
struct courier *courier_create(int limit);
/* What was sent before goes out then. 0, or negative errno with the reason. */
int courier_start(struct courier *courier, struct error *ret_error) MUST_CHECK;
/* All its calls are done, or broken off: those are done by then. NULL is fine. */
void courier_destroy(struct courier *courier);

/* Any thread. */
void courier_send(struct courier *courier, struct call *call);
/* Any thread: it is to be done soon, broken off where it is not done by then. Once it is done its sender
 * must not ask this any more. */
void courier_break_off(struct courier *courier, struct call *call);

#endif
