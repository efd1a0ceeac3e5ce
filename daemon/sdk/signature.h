/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signing key that a daemon and its apps share: apps know by it who calls them, the daemon who asks.
 * "signkey-ENV-HEX"; without one, as in development, nothing is signed and anybody is believed. Pure.
 */
#ifndef STEPD_SDK_SIGNATURE_H
#define STEPD_SDK_SIGNATURE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/memory.h"

/* Whether it can be hashed: hex digits behind its prefix. */
bool signing_key_is_valid(const char *key);
/* Whether a request's Authorization header (NULL: none) has the hash of `key` (NULL: all have). */
bool signing_key_admits(const char *key, const char *authorization);
/* Of whom programs' own requests are from: the hash, or the key itself, will do. */
bool signing_key_admits_program(const char *key, const char *authorization);
/* Whether a request's Authorization header is "Bearer SECRET". */
bool signature_is_bearer(const char *secret, const char *authorization);
/* The value of X-Inngest-Signature; the caller frees. */
char *signature_make(const char *key, struct bytes body, int64_t unix_s) MUST_CHECK;
/* JSON as it is signed: some SDKs read the body first and sign what they write of it, members in order
 * of their names. `body` is valid JSON. */
void signature_canonicalize(msgpack_sbuffer *body);

#endif
