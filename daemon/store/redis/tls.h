/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS over a connection, with hiredis_ssl where the build found it (Debian 12's hiredis has none).
 * The server's certificate must be signed by an authority that this machine trusts, for the host's name.
 */
#ifndef STEPD_STORE_REDIS_TLS_H
#define STEPD_STORE_REDIS_TLS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

bool tls_is_built_in(void);
/* Right after connecting; waits for the handshake. 0, or -EAGAIN with the reason. */
int tls_begin(redisContext *redis, const char *host, struct error *ret_error) MUST_CHECK;

#endif
