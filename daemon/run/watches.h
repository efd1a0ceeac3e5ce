/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of events that runs wait for, as far as this daemon has heard, and for each how the values are found by which
 * the store is asked. One thread adds, any thread looks: without a lock, and for nothing where nobody waits. What was
 * added stays: a name that nobody waits for any more costs its events a question.
 */
#ifndef STEPD_RUN_WATCHES_H
#define STEPD_RUN_WATCHES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "codec/expression.h"

struct watches;

/* One way to look for waits of a name. */
struct watched_side {
    _Atomic(struct watched_side *) next;
    char *later;                   /* how the later side is written; "": there is none, each event is a candidate */
    struct expression *expression; /* that it is part of */
    const struct node *side;       /* NULL: none */
    atomic_bool *shards;           /* of the store, in which there are such waits */
};

struct watched_name {
    struct watched_name *next;
    char *name;
    _Atomic(struct watched_side *) first;
};

struct watches *watches_create(int shards);
void watches_destroy(struct watches *watches);
/* Its one thread. */
void watches_add(struct watches *watches, int shard, const char *name, const char *later);
size_t watches_count(const struct watches *watches);
int watches_shards(const struct watches *watches);
/* Any thread. NULL: nobody waits for events of that name. */
const struct watched_name *watches_find(const struct watches *watches, const char *name);

static inline const struct watched_side *watched_first(const struct watched_name *name)
{
    return atomic_load_explicit(&name->first, memory_order_acquire);
}

static inline const struct watched_side *watch_next(const struct watched_side *watch)
{
    return atomic_load_explicit(&watch->next, memory_order_acquire);
}

#endif
