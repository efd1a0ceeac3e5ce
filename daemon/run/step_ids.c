/* SPDX-License-Identifier: Apache-2.0 */
#include "run/step_ids.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "run/run.h"

/* Known by its hash alone: 128 bits don't meet by chance. */
struct step_id_use {
    XXH128_hash_t hash;
    unsigned count; /* 0: a free place */
};

void step_ids_clear(struct step_ids *ids)
{
    if (ids->count > 0)
        memset(ids->uses, 0, ids->capacity * sizeof(*ids->uses));
    ids->count = 0;
}

void step_ids_done(struct step_ids *ids)
{
    free(ids->uses);
    *ids = (struct step_ids){ 0 };
}

static struct step_id_use *find(const struct step_ids *ids, XXH128_hash_t hash)
{
    assert(ids->count < ids->capacity); /* else it would look for ever */
    for (size_t at = hash.low64;; at++) {
        struct step_id_use *use = &ids->uses[at & (ids->capacity - 1)];
        if (use->count == 0 || XXH128_isEqual(use->hash, hash))
            return use;
    }
}

static void grow(struct step_ids *ids)
{
    struct step_ids larger = { .capacity = ids->capacity == 0 ? 32 : ids->capacity * 2, .count = ids->count };

    larger.uses = xcalloc(larger.capacity, sizeof(*larger.uses));
    for (size_t i = 0; i < ids->capacity; i++) {
        if (ids->uses[i].count > 0)
            *find(&larger, ids->uses[i].hash) = ids->uses[i];
    }
    free(ids->uses);
    *ids = larger;
}

/* The entry of `name`; a new one has count 0 until the caller sets it. */
static struct step_id_use *entry(struct step_ids *ids, const char *name)
{
    if (ids->count * 2 >= ids->capacity)
        grow(ids);
    XXH128_hash_t hash = XXH3_128bits(name, strlen(name));
    struct step_id_use *use = find(ids, hash);
    if (use->count == 0) {
        use->hash = hash;
        ids->count++;
    }
    return use;
}

void step_ids_next(struct step_ids *ids, const char *id, char *ret_name)
{
    unsigned number = entry(ids, id)->count;

    assert(id[0] != '\0');
    (void)snprintf(ret_name, STEP_ID_SIZE, "%s", id);
    while (number > 0) {
        (void)snprintf(ret_name, STEP_ID_SIZE, "%s:%u", id, number);
        number++;
        struct step_id_use *numbered = entry(ids, ret_name);
        if (numbered->count > 0)
            continue; /* the author used that very name */
        numbered->count = 1;
        break;
    }
    entry(ids, id)->count = number > 0 ? number : 1;
}
