/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is taken piece by piece and given back all at once. It begins in a buffer of the caller's, so
 * that little work allocates nothing, and never gives more than it was told to.
 */
#ifndef STEPD_CODEC_ARENA_H
#define STEPD_CODEC_ARENA_H

#include <stddef.h>

struct arena {
    char *at;
    size_t left;                /* bytes behind `at` in this chunk */
    size_t most;                /* bytes that may still be taken */
    struct arena_chunk *chunks; /* what was allocated, the newest first */
};

/* `buffer` is the caller's and outlives the arena; aligned for any type. */
void arena_init(struct arena *arena, void *buffer, size_t size, size_t most);
/* Aligned for any type, not zeroed. NULL: that is more than may be taken. */
void *arena_take(struct arena *arena, size_t size);
void arena_done(struct arena *arena);

#endif
