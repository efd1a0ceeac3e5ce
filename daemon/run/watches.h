/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of events that runs wait for, as far as this daemon has heard, and for each how the values are found by which
 * the store is asked. One thread adds and removes, any thread looks: without a lock, and for nothing where nobody waits. What is
 * removed is freed once nobody looks at it any more.
 */
#ifndef STEPD_RUN_WATCHES_H
#define STEPD_RUN_WATCHES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "codec/expression.h"

struct watches;
struct watches_bucket;

/* One way to look for waits of a name. */
struct watched_side {
    _Atomic(struct watched_side *) next;
    struct watched_side *next_removed;
    char *later;                   /* how the later side is written; "": there is none, each event is a candidate */
    struct expression *expression; /* that it is part of */
    const struct node *side;       /* NULL: none */
    atomic_bool *shards;           /* of the store, in which there are such waits */
};

struct watched_name {
    _Atomic(struct watched_name *) next;
    struct watched_name *next_removed;
    struct watches_bucket *bucket;
    char *name;
    _Atomic(struct watched_side *) first;
};

struct watches *watches_create(int shards);
/* Nobody looks any more. */
void watches_destroy(struct watches *watches);
/* Its one thread. */
void watches_add(struct watches *watches, int shard, const char *name, const char *later);
/* Its one thread: nobody in that shard waits so any more. */
void watches_remove(struct watches *watches, int shard, const char *name, const char *later);
size_t watches_count(const struct watches *watches);
int watches_shards(const struct watches *watches);
/* Any thread. */
bool watches_have(struct watches *watches, const char *name);
/* Any thread: to be looked at until watches_leave(). NULL: nobody waits for events of that name, and there is nothing to leave. */
const struct watched_name *watches_enter(struct watches *watches, const char *name);
void watches_leave(const struct watched_name *name);

static inline const struct watched_side *watched_first(const struct watched_name *name)
{
    return atomic_load(&name->first);
}

static inline const struct watched_side *watch_next(const struct watched_side *watch)
{
    return atomic_load(&watch->next);
}

#endif
