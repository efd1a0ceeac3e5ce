/* SPDX-License-Identifier: Apache-2.0 */
/* What the service manager is told (sd_notify); without one, nothing happens. Any thread. */
#ifndef STEPD_SERVICE_NOTIFY_H
#define STEPD_SERVICE_NOTIFY_H

#include <stdint.h>

#include "base/memory.h"

void notify_ready(void);
/* One line for `systemctl status`. */
void notify_status(const char *format, ...) PRINTF_LIKE(1, 2);
void notify_stopping(void);
/* The config is read again; it was, taken over or not. Nothing is told before notify_ready(). */
void notify_reloading(void);
void notify_reloaded(void);
/* Starting or stopping takes that long still. */
void notify_extend_timeout(int64_t timeout_ms);
/* The daemon moves; to be said more often than every notify_watchdog_interval_ms(). */
void notify_watchdog(void);
/* Half of WatchdogSec=; 0: nobody watches. */
int64_t notify_watchdog_interval_ms(void);

#endif
