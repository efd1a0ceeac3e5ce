/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers share. `fuzz_x FOLDER` runs until it finds something; corpus/x holds what it begins with, and
 * what once was a fault. */
#ifndef STEPD_TESTS_FUZZ_H
#define STEPD_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool is_true)
{
    if (!is_true)
        abort();
}

/* A copy in memory of its own, so that a read past its end is seen. The caller frees. */
static inline void *exact_copy(const void *data, size_t size)
{
    void *copy = malloc(size > 0 ? size : 1);

    require(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* The same, ended by a NUL. */
static inline char *text_copy(const void *data, size_t size)
{
    char *text = malloc(size + 1);

    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
