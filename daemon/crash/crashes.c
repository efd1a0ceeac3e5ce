/* SPDX-License-Identifier: Apache-2.0 */
#include "crash/crashes.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/memory.h"

struct crash {
    struct run_id id;
    int stops;
};

/* A handful at the most: one a worker thread that died. */
struct crashes {
    struct lock lock;
    struct crash *items; /* lock */
    atomic_size_t count;
};

struct crashes *crashes_create(void)
{
    struct crashes *crashes = xcalloc(1, sizeof(*crashes));

    lock_init(&crashes->lock);
    return crashes;
}

void crashes_destroy(struct crashes *crashes)
{
    if (crashes == NULL)
        return;
    lock_done(&crashes->lock);
    free(crashes->items);
    free(crashes);
}

/* NULL: not there. */
static struct crash *find(struct crashes *crashes, const char *run_id)
{
    assert_held(&crashes->lock);
    for (size_t i = 0; i < crashes->count; i++) {
        if (strcmp(crashes->items[i].id.text, run_id) == 0)
            return &crashes->items[i];
    }
    return NULL;
}

void crashes_set(struct crashes *crashes, const char *run_id, int stops)
{
    assert(stops >= 0);
    lock_take(&crashes->lock);
    struct crash *crash = find(crashes, run_id);
    if (crash == NULL) {
        crashes->items = xrealloc(crashes->items, (crashes->count + 1) * sizeof(*crashes->items));
        crash = &crashes->items[crashes->count];
        *crash = (struct crash){ .stops = 0 };
        memcpy(crash->id.text, run_id, sizeof(crash->id.text));
        crashes->count++;
    }
    crash->stops = stops;
    lock_give(&crashes->lock);
}

bool crashes_take(struct crashes *crashes, const struct run_id *id)
{
    if (crashes == NULL || atomic_load_explicit(&crashes->count, memory_order_relaxed) == 0)
        return false;
    lock_take(&crashes->lock);
    struct crash *crash = find(crashes, id->text);
    bool has_crashed = crash != NULL && crash->stops >= CRASHES_ENOUGH;
    if (has_crashed)
        *crash = crashes->items[--crashes->count];
    lock_give(&crashes->lock);
    return has_crashed;
}
