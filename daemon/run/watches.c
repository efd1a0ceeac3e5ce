/* SPDX-License-Identifier: Apache-2.0 */
#include "run/watches.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/memory.h"

#define BUCKETS 4096

struct watches {
    int shards;
    atomic_size_t count; /* of watches */
    _Atomic(struct watched_name *) buckets[BUCKETS];
};

struct watches *watches_create(int shards)
{
    struct watches *watches = xcalloc(1, sizeof(*watches));

    watches->shards = shards;
    return watches;
}

static void watch_free(struct watched_side *watch)
{
    expression_destroy(watch->expression);
    free(watch->later);
    free(watch->shards);
    free(watch);
}

static void name_free(struct watched_name *name)
{
    struct watched_side *next;

    for (struct watched_side *watch = atomic_load(&name->first); watch != NULL; watch = next) {
        next = atomic_load(&watch->next);
        watch_free(watch);
    }
    free(name->name);
    free(name);
}

void watches_destroy(struct watches *watches)
{
    if (watches == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct watched_name *name = atomic_load(&watches->buckets[i]); name != NULL;) {
            struct watched_name *next = name->next;
            name_free(name);
            name = next;
        }
    }
    free(watches);
}

size_t watches_count(const struct watches *watches)
{
    return atomic_load_explicit(&watches->count, memory_order_relaxed);
}

int watches_shards(const struct watches *watches)
{
    return watches->shards;
}

static size_t bucket_of(const char *name)
{
    return XXH3_64bits(name, strlen(name)) % BUCKETS;
}

/* Orders: who adds makes a name, or a watch, whole before it can be found (release, acquire). */
static struct watched_name *find(const struct watches *watches, const char *name)
{
    struct watched_name *found = atomic_load_explicit(&watches->buckets[bucket_of(name)], memory_order_acquire);

    while (found != NULL && strcmp(found->name, name) != 0)
        found = found->next;
    return found;
}

const struct watched_name *watches_find(const struct watches *watches, const char *name)
{
    if (watches == NULL || atomic_load_explicit(&watches->count, memory_order_acquire) == 0)
        return NULL;
    return find(watches, name);
}

/* NULL: what another version wrote there can't be read here. */
static struct watched_side *watch_create(int shards, const char *later)
{
    struct watched_side *watch = xcalloc(1, sizeof(*watch));
    AUTO_FREE char *text = xasprintf("(%s) == null", later);
    struct expression_equality equality;
    struct error error;

    watch->later = xstrdup(later);
    watch->shards = xcalloc((size_t)shards, sizeof(*watch->shards));
    if (later[0] == '\0')
        return watch;
    if (expression_compile((struct bytes){ text, strlen(text) }, &watch->expression, &error) == 0 &&
        expression_find_equality(watch->expression, &equality)) {
        watch->side = equality.later;
        return watch;
    }
    log_error("runs wait for events by '%s', which this daemon can't read: it does not find them", later);
    watch_free(watch);
    return NULL;
}

static struct watched_name *name_add(struct watches *watches, const char *name)
{
    struct watched_name *known = find(watches, name);
    _Atomic(struct watched_name *) *bucket = &watches->buckets[bucket_of(name)];

    if (known != NULL)
        return known;
    known = xcalloc(1, sizeof(*known));
    known->name = xstrdup(name);
    known->next = atomic_load(bucket);
    atomic_store_explicit(bucket, known, memory_order_release);
    return known;
}

void watches_add(struct watches *watches, int shard, const char *name, const char *later)
{
    struct watched_name *known = name_add(watches, name);
    struct watched_side *watch = atomic_load(&known->first);

    while (watch != NULL && strcmp(watch->later, later) != 0)
        watch = atomic_load(&watch->next);
    if (watch == NULL) {
        watch = watch_create(watches->shards, later);
        if (watch == NULL)
            return;
        atomic_init(&watch->next, atomic_load(&known->first));
        atomic_store_explicit(&known->first, watch, memory_order_release);
        atomic_fetch_add_explicit(&watches->count, 1, memory_order_release);
    }
    atomic_store_explicit(&watch->shards[shard], true, memory_order_release);
}
