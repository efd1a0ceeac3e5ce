/* SPDX-License-Identifier: Apache-2.0 */
#include "run/unwanted.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"
#include "run/run.h"

#define KEPT_MOST 1000
#define KEPT_MS INT64_C(3600000)

struct entry {
    struct run_id id;
    int64_t until_ms; /* monotonic */
};

struct unwanted_list {
    struct lock lock;
    struct entry entries[KEPT_MOST]; /* lock; the oldest first */
};

void unwanted_init(struct unwanted *unwanted)
{
    atomic_init(&unwanted->count, 0);
    unwanted->list = xcalloc(1, sizeof(*unwanted->list));
    lock_init(&unwanted->list->lock);
}

void unwanted_done(struct unwanted *unwanted)
{
    lock_done(&unwanted->list->lock);
    free(unwanted->list);
}

static size_t find(const struct unwanted *unwanted, const char *run_id)
{
    size_t count = atomic_load_explicit(&unwanted->count, memory_order_relaxed);
    size_t at = 0;

    assert_held(&unwanted->list->lock);
    while (at < count && strcmp(unwanted->list->entries[at].id.text, run_id) != 0)
        at++;
    return at;
}

static void remove_at(struct unwanted *unwanted, size_t at)
{
    struct entry *entries = unwanted->list->entries;
    size_t count = atomic_load_explicit(&unwanted->count, memory_order_relaxed);

    assert(at < count);
    assert_held(&unwanted->list->lock);
    memmove(&entries[at], &entries[at + 1], (count - at - 1) * sizeof(*entries));
    atomic_store_explicit(&unwanted->count, count - 1, memory_order_relaxed);
}

static void forget_old(struct unwanted *unwanted, int64_t now_ms)
{
    assert_held(&unwanted->list->lock);
    while (atomic_load_explicit(&unwanted->count, memory_order_relaxed) > 0 && unwanted->list->entries[0].until_ms <= now_ms)
        remove_at(unwanted, 0);
}

void unwanted_add(struct unwanted *unwanted, const char *run_id)
{
    int64_t now_ms = clock_monotonic_ms();
    struct entry entry = { .until_ms = now_ms + KEPT_MS };

    if (!run_id_is_valid(run_id))
        return;
    memcpy(entry.id.text, run_id, sizeof(entry.id.text));
    LOCK_GUARD(&unwanted->list->lock);
    forget_old(unwanted, now_ms);
    size_t at = find(unwanted, run_id);
    if (at < atomic_load_explicit(&unwanted->count, memory_order_relaxed))
        return;
    if (at == KEPT_MOST) {
        remove_at(unwanted, 0);
        at--;
    }
    assert(at < KEPT_MOST);
    unwanted->list->entries[at] = entry;
    atomic_store_explicit(&unwanted->count, at + 1, memory_order_relaxed);
}

bool unwanted_find(struct unwanted *unwanted, const char *run_id)
{
    LOCK_GUARD(&unwanted->list->lock);
    forget_old(unwanted, clock_monotonic_ms());
    return find(unwanted, run_id) < atomic_load_explicit(&unwanted->count, memory_order_relaxed);
}
