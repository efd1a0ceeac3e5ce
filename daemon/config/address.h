/* SPDX-License-Identifier: Apache-2.0 */
/* Where a server listens, as a config writes it: "host:port", "[::1]:port". */
#ifndef STEPD_CONFIG_ADDRESS_H
#define STEPD_CONFIG_ADDRESS_H

#include "base/error.h"
#include "base/memory.h"

/* Host (an IPv6 one without its brackets) and port, which are the caller's to free. 0, or -EINVAL
 * with the reason. */
int address_split(const char *address, char **ret_host, char **ret_port, struct error *ret_error) MUST_CHECK;
/* The same answer, and nothing to free. */
int address_check(const char *address, struct error *ret_error) MUST_CHECK;

#endif
