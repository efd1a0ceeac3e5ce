/* SPDX-License-Identifier: Apache-2.0 */
/* Why something failed, where a person must read it. Set on failure only. */
#ifndef STEPD_BASE_ERROR_H
#define STEPD_BASE_ERROR_H

#include "base/memory.h"

struct error {
    int code;       /* a positive errno */
    char text[200]; /* one line, no full stop */
};

/* Returns -code. `error` may be NULL; text that is too long is cut. */
int error_set(struct error *error, int code, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
