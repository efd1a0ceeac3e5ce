/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard Webhooks: how a receiver knows that a request is ours. The signed text is
 * `id.timestamp.body`, by HMAC-SHA256. A secret is "whsec_" and the base64 of its 24 to 64 bytes;
 * several, separated by spaces, sign one beside the other while one takes the other's place.
 */
#ifndef HANDLERS_HTTP_SIGNATURE_H
#define HANDLERS_HTTP_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool signature_secrets_are_valid(const char *secrets);

/* "v1,…", once for each of the secrets, which are valid; free() it. NULL: out of memory. */
char *signature_make(const char *secrets, const char *id, int64_t unix_s, const void *body, size_t size);

#endif
