/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals: a run waits for one by its name, and whoever sends it is told which run that was. It is an event of the name SIGNAL_EVENT whose
 * data has `signal` and `data`, and a wait for it is a wait for that event.
 */
#ifndef STEPD_RUN_SIGNAL_WAIT_H
#define STEPD_RUN_SIGNAL_WAIT_H

#include <msgpack.h>
#include <stdbool.h>

#include "base/memory.h"

#define SIGNAL_EVENT "stepd/signal"
#define SIGNAL_NAME_MAX 1000 /* bytes */

/* It has 1 to SIGNAL_NAME_MAX bytes, and can be written in a condition. */
bool signal_name_is_valid(const char *signal);
/* The condition of a wait for it. The caller frees. */
char *signal_wait_when(const char *signal) MUST_CHECK;
/* The index in which such waits stand, as a wait_ask has it: appends its later side, and the value. */
void signal_wait_index(const char *signal, msgpack_sbuffer *later, msgpack_sbuffer *value);

#endif
