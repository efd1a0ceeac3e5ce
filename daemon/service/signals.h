/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process's signals, taken by one thread; no handler runs anywhere. SIGTERM and SIGINT ask for a
 * stop, once; a second one, half a second later or more, ends the process at once, as if it had
 * crashed. SIGHUP asks for the config to be read again, until a stop was asked for. SIGPIPE is ignored.
 */
#ifndef STEPD_SERVICE_SIGNALS_H
#define STEPD_SERVICE_SIGNALS_H

#include "base/error.h"
#include "base/memory.h"

struct signals;

struct signal_actions {
    void (*stop)(void *context, const char *signal_name); /* a thread of its own; may block */
    void (*reload)(void *context);                        /* signal thread: no signal is seen meanwhile */
    void *context;
};

/* Blocks the signals for the calling thread and all that it starts afterwards: call it before any
 * other thread is there, module's included. */
void signals_block(void);
int signals_start(const struct signal_actions *actions, struct signals **ret_signals, struct error *ret_error) MUST_CHECK;
/* NULL is fine. */
void signals_stop(struct signals *signals);

#endif
