/* SPDX-License-Identifier: Apache-2.0 */
/* What must not be shown: in logs, faults, pages. By the look of it, since any text may reach those. */
#ifndef STEPD_BASE_SECRET_H
#define STEPD_BASE_SECRET_H

#include <stdbool.h>

#include "base/memory.h"

#define SECRET_HIDDEN "***"

/* Whether what stands behind that name is likely a secret: sasl.password, ssl.key.pem, signing_key … */
bool secret_is_name(const char *name);
/* A copy in which the passwords of URLs are hidden. Caller frees. */
char *secret_mask(const char *text);
/* Whether a line of a config is likely to hold one. */
bool secret_is_in(const char *line);

#endif
