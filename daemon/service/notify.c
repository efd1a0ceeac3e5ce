/* SPDX-License-Identifier: Apache-2.0 */
#include "service/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

static atomic_bool is_ready;

void notify_ready(void)
{
    atomic_store(&is_ready, true);
    (void)sd_notify(0, "READY=1");
}

void notify_status(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text[strcspn(text, "\n")] = '\0'; /* a further line would be a field of its own */
    (void)sd_notifyf(0, "STATUS=%s", text);
}

void notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void notify_reloading(void)
{
    if (atomic_load(&is_ready))
        (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_monotonic_ns() / 1000);
}

void notify_reloaded(void)
{
    if (atomic_load(&is_ready))
        (void)sd_notify(0, "READY=1");
}

void notify_extend_timeout(int64_t timeout_ms)
{
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRId64, timeout_ms * 1000);
}

void notify_watchdog(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

int64_t notify_watchdog_interval_ms(void)
{
    uint64_t interval_us = 0;

    return sd_watchdog_enabled(0, &interval_us) > 0 ? (int64_t)(interval_us / 2000) : 0;
}
