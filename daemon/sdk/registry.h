/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The apps that are registered and the functions they make. Durable on a shelf that all daemons share:
 * each looks there now and then and takes what others registered. A function that is once made stays
 * until the daemon ends, since runs of it may be under way; the daemon's routes lead to the newest.
 */
#ifndef STEPD_SDK_REGISTRY_H
#define STEPD_SDK_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "sdk/inngest_settings.h"

struct registry;

struct calls_settings; /* sdk/calls.h */

/* Its functions call their apps as `calls` says. */
struct registry *registry_create(const struct inngest_settings *settings, const struct calls_settings *calls);
void registry_destroy(struct registry *registry);

/* Any thread. A registration as the SDK sent it: checked, kept, put in force. 0 (*ret_is_new: it changed
 * something); -EINVAL with a sentence that the caller frees; or as the shelf's. */
int registry_register(struct registry *registry, struct bytes body, bool *ret_is_new, char **ret_error) MUST_CHECK;
/* Any thread. Takes what stands on the shelf. 0, or as the shelf's. */
int registry_refresh(struct registry *registry) MUST_CHECK;
/* Any thread. NULL: no app has, or had, such a function. */
const struct function *registry_find(struct registry *registry, const char *id);
/* Calls `each` for all functions in force. */
void registry_each(struct registry *registry, void (*each)(void *context, const struct function *function), void *context);

#endif
