/* SPDX-License-Identifier: Apache-2.0 */
/* TCP ports of 127.0.0.1. */
#ifndef STEPD_DEV_PORTS_H
#define STEPD_DEV_PORTS_H

#include <stdint.h>

#include "base/error.h"

/* `wanted`, or any free one when that is 0. Nothing holds the port: take it soon.
   -EADDRINUSE: somebody listens there. */
MUST_CHECK int port_choose(uint16_t wanted, uint16_t *ret_port);

/* A connection whose reads and writes wait no longer than `timeout_ms`; the caller closes it. */
MUST_CHECK int port_connect(uint16_t port, int timeout_ms, int *ret_fd);

/* Sends `request`, and reads until the other side closes or `answer` is full; ends it with a NUL.
   `until`: enough once this was read; NULL: all of it. */
MUST_CHECK int port_ask(uint16_t port, int timeout_ms, const char *request, const char *until, char *answer, size_t size);

#endif
