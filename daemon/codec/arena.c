/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/arena.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"

#define CHUNK_SIZE 4096

struct arena_chunk {
    struct arena_chunk *next;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena, void *buffer, size_t size, size_t most)
{
    assert(size == 0 || buffer != NULL);
    *arena = (struct arena){ .at = buffer, .left = size, .most = most };
}

static void add_chunk(struct arena *arena, size_t size)
{
    size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    struct arena_chunk *chunk = xmalloc(sizeof(*chunk) + room);

    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = chunk->bytes;
    arena->left = room;
}

void *arena_take(struct arena *arena, size_t size)
{
    if (size > arena->most)
        return NULL;
    size_t rounded = (size + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
    arena->most -= rounded < arena->most ? rounded : arena->most;
    if (rounded > arena->left)
        add_chunk(arena, rounded);
    assert(rounded <= arena->left);
    void *taken = arena->at;
    arena->at += rounded;
    arena->left -= rounded;
    return taken;
}

void arena_done(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
    *arena = (struct arena){ 0 };
}
