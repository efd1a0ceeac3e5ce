/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a server of Inngest's SDKs: its HTTP routes, its functions, and the thread that asks the
 * configured apps to register. All it needs of Redis and Kafka is given to it.
 */
#ifndef STEPD_SDK_INNGEST_H
#define STEPD_SDK_INNGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/web.h"
#include "run/function.h"
#include "sdk/inngest_settings.h"

struct inngest;

/* Its functions can be found and its requests answered from here on. The settings are copied, not what
 * they point to. */
struct inngest *inngest_create(const struct inngest_settings *settings);
/* Starts the thread that looks at the shelf and asks the apps. 0, or negative errno with the reason. */
int inngest_start(struct inngest *inngest, struct error *ret_error) MUST_CHECK;
/* Until it is known what apps registered before: events that come sooner would find no function. False: it
 * stops. Any thread. */
bool inngest_wait(struct inngest *inngest);
/* Before the shelf and the publisher stop. NULL is fine. */
void inngest_stop(struct inngest *inngest);
/* Once no attempt runs any more. NULL is fine. */
void inngest_destroy(struct inngest *inngest);

const struct web_route *inngest_routes(const struct inngest *inngest, size_t *ret_count);
/* Any thread. Calls `each` for all functions in force; they live as long as `inngest`. */
void inngest_each_function(struct inngest *inngest, void (*each)(void *context, const struct function *function), void *context);
/* Any thread; waits for nobody. NULL: none is known. */
const struct function *inngest_find_function(struct inngest *inngest, const char *id);
/* Any thread that may wait for the shelf: looks there first. NULL: there is none. */
const struct function *inngest_learn_function(struct inngest *inngest, const char *id);

#endif
