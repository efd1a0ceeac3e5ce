/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks whether every thread moves (base/pulse.h), and only then feeds the service manager's
 * watchdog; when it is left hungry it ends the process, whose runs go on elsewhere or after the
 * restart. A thread of its own.
 */
#ifndef STEPD_SERVICE_WATCHDOG_H
#define STEPD_SERVICE_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"

struct watchdog;

/* 0, or negative errno with the reason. */
int watchdog_start(struct watchdog **ret_watchdog, struct error *ret_error) MUST_CHECK;
/* Any thread: whether some thread is stuck, and in one line which and for how long. */
bool watchdog_is_stuck(struct watchdog *watchdog, char *ret_reason, size_t size);
/* NULL is fine. */
void watchdog_stop(struct watchdog *watchdog);

#endif
