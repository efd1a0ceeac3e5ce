/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/key_set.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/lock.h"
#include "base/memory.h"

#define FIRST_SIZE 64

struct entry {
    struct entry *next;
    uint64_t hash;
    size_t function_size; /* with its NUL */
    size_t key_size;
    char text[]; /* function, NUL, key */
};

struct key_set {
    struct lock lock; /* guards chains, size and writes of count */
    struct entry **chains;
    size_t size;         /* a power of two */
    atomic_size_t count; /* 0 is seen without the lock: the common case */
};

struct key_set *key_set_create(void)
{
    struct key_set *set = xcalloc(1, sizeof(*set));

    lock_init(&set->lock);
    set->size = FIRST_SIZE;
    set->chains = xcalloc(set->size, sizeof(struct entry *));
    return set;
}

void key_set_destroy(struct key_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->size; i++) {
        while (set->chains[i] != NULL) {
            struct entry *entry = set->chains[i];
            set->chains[i] = entry->next;
            free(entry);
        }
    }
    free(set->chains);
    lock_done(&set->lock);
    free(set);
}

static uint64_t hash_of(const char *function, struct bytes key)
{
    return XXH3_64bits_withSeed(key.data, key.size, XXH3_64bits(function, strlen(function)));
}

/* The link that leads to the entry, or the chain's end. */
static struct entry **find(struct key_set *set, uint64_t hash, const char *function, struct bytes key)
{
    size_t function_size = strlen(function) + 1;
    struct entry **link = &set->chains[hash & (set->size - 1)];

    assert((set->size & (set->size - 1)) == 0);
    assert_held(&set->lock);
    for (; *link != NULL; link = &(*link)->next) {
        const struct entry *entry = *link;
        if (entry->hash == hash && entry->function_size == function_size && entry->key_size == key.size &&
            memcmp(entry->text, function, function_size) == 0 &&
            (key.size == 0 || memcmp(entry->text + function_size, key.data, key.size) == 0))
            break;
    }
    return link;
}

static void grow(struct key_set *set)
{
    size_t size = set->size * 2;
    struct entry **chains = xcalloc(size, sizeof(struct entry *));

    assert_held(&set->lock);
    for (size_t i = 0; i < set->size; i++) {
        while (set->chains[i] != NULL) {
            struct entry *entry = set->chains[i];
            set->chains[i] = entry->next;
            entry->next = chains[entry->hash & (size - 1)];
            chains[entry->hash & (size - 1)] = entry;
        }
    }
    free(set->chains);
    set->chains = chains;
    set->size = size;
}

void key_set_add(struct key_set *set, const char *function, struct bytes key)
{
    uint64_t hash = hash_of(function, key);
    size_t function_size = strlen(function) + 1;

    lock_take(&set->lock);
    if (*find(set, hash, function, key) == NULL) {
        if (set->count >= set->size)
            grow(set);
        struct entry **link = find(set, hash, function, key);
        struct entry *entry = xmalloc(sizeof(*entry) + function_size + key.size);
        *entry = (struct entry){ .hash = hash, .function_size = function_size, .key_size = key.size };
        memcpy(entry->text, function, function_size);
        if (key.size > 0)
            memcpy(entry->text + function_size, key.data, key.size);
        *link = entry;
        set->count++;
    }
    lock_give(&set->lock);
}

void key_set_remove(struct key_set *set, const char *function, struct bytes key)
{
    uint64_t hash = hash_of(function, key);

    lock_take(&set->lock);
    struct entry **link = find(set, hash, function, key);
    struct entry *entry = *link;
    if (entry != NULL) {
        assert(set->count > 0);
        *link = entry->next;
        free(entry);
        set->count--;
    }
    lock_give(&set->lock);
}

bool key_set_has(struct key_set *set, const char *function, struct bytes key)
{
    if (set->count == 0)
        return false;
    lock_take(&set->lock);
    bool has = *find(set, hash_of(function, key), function, key) != NULL;
    lock_give(&set->lock);
    return has;
}
