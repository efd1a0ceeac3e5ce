/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dispatch.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#include "engine/workers.h"

#define TRIES 16

/* malloc() aligns to 16: among so many, one would lie wrong. */
Test(dispatch, is_aligned_as_its_ring_asks)
{
    struct dispatch *dispatches[TRIES];
    void *between[TRIES];

    for (size_t i = 0; i < TRIES; i++) {
        between[i] = malloc(16 * (i + 1));
        dispatches[i] = dispatch_create(&(struct dispatch_settings){ .queue = 1 });
        cr_expect_eq((uintptr_t)dispatches[i] % _Alignof(struct dispatch), 0, "%p", (void *)dispatches[i]);
    }
    for (size_t i = 0; i < TRIES; i++) {
        free(between[i]);
        cr_expect(dispatch_destroy(dispatches[i]));
    }
}
