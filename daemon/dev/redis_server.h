/* SPDX-License-Identifier: Apache-2.0 */
/* The private redis-server of `stepd dev`: 127.0.0.1 only, append-only in a folder, evicts nothing.
   Runs on: the main thread. */
#ifndef STEPD_DEV_REDIS_SERVER_H
#define STEPD_DEV_REDIS_SERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Starts it with its data in `folder`, which is made, and waits until it answers.
   -EINTR: a signal to stop is pending. */
MUST_CHECK int redis_server_start(const char *folder, uint16_t port, pid_t *ret_pid, struct error *ret_error);

#endif
