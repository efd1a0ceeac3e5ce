/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/breakers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct breakers_of_shard {
    struct bytes *names; /* its own */
    size_t count;
    bool has_more;
};

void breakers_init(struct breakers *breakers)
{
    *breakers = (struct breakers){ .shard_count = 0 };
    lock_init(&breakers->lock);
}

static void clear(struct breakers_of_shard *shard)
{
    for (size_t i = 0; i < shard->count; i++)
        free((void *)(uintptr_t)shard->names[i].data);
    free(shard->names);
    *shard = (struct breakers_of_shard){ .count = 0 };
}

void breakers_done(struct breakers *breakers)
{
    for (size_t i = 0; i < breakers->shard_count; i++)
        clear(&breakers->shards[i]);
    free(breakers->shards);
    lock_done(&breakers->lock);
}

static struct breakers_of_shard *shard_at(struct breakers *breakers, size_t at)
{
    assert_held(&breakers->lock);
    if (at >= breakers->shard_count) {
        breakers->shards = xrealloc(breakers->shards, (at + 1) * sizeof(*breakers->shards));
        memset(breakers->shards + breakers->shard_count, 0, (at + 1 - breakers->shard_count) * sizeof(*breakers->shards));
        breakers->shard_count = at + 1;
    }
    return &breakers->shards[at];
}

void breakers_hear(struct breakers *breakers, int shard, const struct bytes *names, size_t count, bool has_more)
{
    size_t open_count = 0;

    assert(shard >= 0);
    LOCK_GUARD(&breakers->lock);
    struct breakers_of_shard *heard = shard_at(breakers, (size_t)shard);
    clear(heard);
    *heard = (struct breakers_of_shard){ .names = xcalloc(count + 1, sizeof(*heard->names)), .count = count, .has_more = has_more };
    for (size_t i = 0; i < count; i++)
        heard->names[i] = (struct bytes){ xmemdup(names[i].data, names[i].size), names[i].size };
    for (size_t i = 0; i < breakers->shard_count; i++)
        open_count += breakers->shards[i].count;
    atomic_store(&breakers->open_count, open_count);
}

/* The name's function is that one, and its key, unless that is left out. */
static bool is_named(struct bytes name, const char *function, const struct bytes *key)
{
    size_t size = strlen(function) + 1;

    if (name.size < size || memcmp(name.data, function, size) != 0)
        return false;
    return key == NULL || (name.size - size == key->size && memcmp((const char *)name.data + size, key->data, key->size) == 0);
}

static bool find(struct breakers *breakers, const char *function, const struct bytes *key)
{
    if (atomic_load_explicit(&breakers->open_count, memory_order_relaxed) == 0)
        return false;
    LOCK_GUARD(&breakers->lock);
    for (size_t i = 0; i < breakers->shard_count; i++) {
        const struct breakers_of_shard *shard = &breakers->shards[i];
        if (shard->has_more)
            return true;
        for (size_t k = 0; k < shard->count; k++) {
            if (is_named(shard->names[k], function, key))
                return true;
        }
    }
    return false;
}

bool breakers_touch(struct breakers *breakers, const char *function)
{
    return find(breakers, function, NULL);
}

bool breakers_hold(struct breakers *breakers, const char *function, struct bytes key)
{
    return find(breakers, function, &key);
}
