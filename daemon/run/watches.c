/* SPDX-License-Identifier: Apache-2.0 */
#include "run/watches.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"
#include "base/memory.h"

#define BUCKETS 4096

/* Orders: who looks enters before it loads what is there, who removes takes it out before it loads how many look. With
 * both sequentially consistent, who is not counted can't find it. */
struct watches_bucket {
    _Atomic(struct watched_name *) first;
    _Atomic(uint64_t) marks; /* of its names, a bit each: most other names end here */
    atomic_int looking;
    struct watched_name *removed_names; /* until nobody looks; the one thread's, as is what follows */
    struct watched_side *removed_sides;
};

struct watches {
    int shards;
    atomic_size_t count;  /* of watches */
    size_t removed_count; /* that are not freed yet */
    struct watches_bucket buckets[BUCKETS];
};

struct watches *watches_create(int shards)
{
    struct watches *watches = xcalloc(1, sizeof(*watches));

    watches->shards = shards;
    return watches;
}

/* ---- memory ----------------------------------------------------------------------------------------- */

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

/* How many there were. */
static size_t free_removed(struct watches_bucket *bucket)
{
    size_t count = 0;

    if (atomic_load(&bucket->looking) > 0)
        return 0;
    for (struct watched_name *name; (name = bucket->removed_names) != NULL; count++) {
        bucket->removed_names = name->next_removed;
        name_free(name);
    }
    for (struct watched_side *watch; (watch = bucket->removed_sides) != NULL; count++) {
        bucket->removed_sides = watch->next_removed;
        watch_free(watch);
    }
    return count;
}

static void free_all_removed(struct watches *watches)
{
    for (size_t i = 0; i < BUCKETS && watches->removed_count > 0; i++)
        watches->removed_count -= free_removed(&watches->buckets[i]);
}

void watches_destroy(struct watches *watches)
{
    if (watches == NULL)
        return;
    free_all_removed(watches);
    for (size_t i = 0; i < BUCKETS; i++) {
        struct watched_name *next;
        for (struct watched_name *name = atomic_load(&watches->buckets[i].first); name != NULL; name = next) {
            next = atomic_load(&name->next);
            name_free(name);
        }
    }
    free(watches);
}

/* ---- looking ---------------------------------------------------------------------------------------- */

size_t watches_count(const struct watches *watches)
{
    return atomic_load_explicit(&watches->count, memory_order_relaxed);
}

int watches_shards(const struct watches *watches)
{
    return watches->shards;
}

static uint64_t mark_of(uint64_t hash)
{
    return (uint64_t)1 << (hash / BUCKETS % 64);
}

static uint64_t hash_of(const char *name)
{
    return XXH3_64bits(name, strlen(name));
}

static struct watched_name *find(const struct watches_bucket *bucket, const char *name)
{
    struct watched_name *found = atomic_load(&bucket->first);

    while (found != NULL && strcmp(found->name, name) != 0)
        found = atomic_load(&found->next);
    return found;
}

const struct watched_name *watches_enter(struct watches *watches, const char *name)
{
    if (watches == NULL || atomic_load_explicit(&watches->count, memory_order_acquire) == 0)
        return NULL;
    uint64_t hash = hash_of(name);
    struct watches_bucket *bucket = &watches->buckets[hash % BUCKETS];
    if ((atomic_load_explicit(&bucket->marks, memory_order_acquire) & mark_of(hash)) == 0)
        return NULL;
    (void)atomic_fetch_add(&bucket->looking, 1);
    const struct watched_name *found = find(bucket, name);
    if (found == NULL)
        (void)atomic_fetch_sub(&bucket->looking, 1);
    return found;
}

void watches_leave(const struct watched_name *name)
{
    if (name != NULL)
        (void)atomic_fetch_sub(&name->bucket->looking, 1);
}

bool watches_have(struct watches *watches, const char *name)
{
    const struct watched_name *found = watches_enter(watches, name);

    watches_leave(found);
    return found != NULL;
}

/* ---- adding ----------------------------------------------------------------------------------------- */

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
    log_error("runs wait for events by '%s', which this daemon can't read: no event that it reads ends their waits; another version of "
              "stepd made them",
              later);
    watch_free(watch);
    return NULL;
}

static struct watched_name *name_add(struct watches *watches, const char *name)
{
    uint64_t hash = hash_of(name);
    struct watches_bucket *bucket = &watches->buckets[hash % BUCKETS];
    struct watched_name *known = find(bucket, name);

    if (known != NULL)
        return known;
    known = xcalloc(1, sizeof(*known));
    known->name = xstrdup(name);
    known->bucket = bucket;
    atomic_init(&known->next, atomic_load(&bucket->first));
    atomic_store(&bucket->first, known);
    (void)atomic_fetch_or(&bucket->marks, mark_of(hash));
    return known;
}

static struct watched_side *find_side(const struct watched_name *name, const char *later)
{
    struct watched_side *watch = atomic_load(&name->first);

    while (watch != NULL && strcmp(watch->later, later) != 0)
        watch = atomic_load(&watch->next);
    return watch;
}

void watches_add(struct watches *watches, int shard, const char *name, const char *later)
{
    struct watched_name *known = find(&watches->buckets[hash_of(name) % BUCKETS], name);
    struct watched_side *watch = known != NULL ? find_side(known, later) : NULL;

    if (watch == NULL) {
        watch = watch_create(watches->shards, later);
        if (watch == NULL)
            return;
        known = name_add(watches, name);
        atomic_init(&watch->next, atomic_load(&known->first));
        atomic_store(&known->first, watch);
        atomic_fetch_add_explicit(&watches->count, 1, memory_order_release);
    }
    atomic_store_explicit(&watch->shards[shard], true, memory_order_release);
}

/* ---- removing --------------------------------------------------------------------------------------- */

static void note_marks(struct watches_bucket *bucket)
{
    uint64_t marks = 0;

    for (const struct watched_name *name = atomic_load(&bucket->first); name != NULL; name = atomic_load(&name->next))
        marks |= mark_of(hash_of(name->name));
    atomic_store_explicit(&bucket->marks, marks, memory_order_release);
}

static void take_out_name(struct watches *watches, struct watched_name *name)
{
    struct watches_bucket *bucket = name->bucket;
    _Atomic(struct watched_name *) *link = &bucket->first;

    while (atomic_load(link) != name)
        link = &atomic_load(link)->next;
    atomic_store(link, atomic_load(&name->next));
    note_marks(bucket);
    name->next_removed = bucket->removed_names;
    bucket->removed_names = name;
    watches->removed_count++;
}

static void take_out_side(struct watches *watches, struct watched_name *name, struct watched_side *watch)
{
    _Atomic(struct watched_side *) *link = &name->first;

    while (atomic_load(link) != watch)
        link = &atomic_load(link)->next;
    atomic_store(link, atomic_load(&watch->next));
    watch->next_removed = name->bucket->removed_sides;
    name->bucket->removed_sides = watch;
    watches->removed_count++;
    atomic_fetch_sub_explicit(&watches->count, 1, memory_order_release);
}

static bool is_of_any_shard(const struct watches *watches, const struct watched_side *watch)
{
    for (int shard = 0; shard < watches->shards; shard++)
        if (atomic_load(&watch->shards[shard]))
            return true;
    return false;
}

void watches_remove(struct watches *watches, int shard, const char *name, const char *later)
{
    struct watched_name *known = find(&watches->buckets[hash_of(name) % BUCKETS], name);
    struct watched_side *watch = known != NULL ? find_side(known, later) : NULL;

    if (watch != NULL) {
        atomic_store(&watch->shards[shard], false);
        if (!is_of_any_shard(watches, watch))
            take_out_side(watches, known, watch);
        if (atomic_load(&known->first) == NULL)
            take_out_name(watches, known);
    }
    free_all_removed(watches);
}
