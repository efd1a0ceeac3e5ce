/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/strands.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/lock.h"

#define SHARDS 64 /* powers of two; each with a lock of its own */
#define CHAINS 256
#define SPARE_KEY_SIZE 64 /* of a strand that is kept for the next key */

struct strand {
    struct strand *next; /* in its chain */
    uint64_t hash;
    size_t function; /* its index: a reload makes a newer struct of it */
    const struct assignment *assignment;
    struct job_list waiting;
    size_t key_size;
    char key[];
};

struct shard {
    struct lock lock;
    struct strand *chains[CHAINS]; /* lock */
    struct strand *spare;          /* lock; of SPARE_KEY_SIZE, nobody's. NULL: none */
};

struct strands {
    struct shard shards[SHARDS];
};

struct strands *strands_create(void)
{
    struct strands *strands = xcalloc(1, sizeof(*strands));

    for (size_t i = 0; i < SHARDS; i++)
        lock_init(&strands->shards[i].lock);
    return strands;
}

void strands_destroy(struct strands *strands)
{
    if (strands == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        free(strands->shards[i].spare);
        lock_done(&strands->shards[i].lock);
    }
    free(strands);
}

static struct shard *shard_of(struct strands *strands, uint64_t hash)
{
    return &strands->shards[hash >> 32 & (SHARDS - 1)];
}

/* What its jobs share: the message's key; of batches nothing, all events of an assignment come in their order. */
static struct bytes key_of(const struct job *job)
{
    const struct stepd_event *event = &job->message->event.view;

    return function_orders(job->function, event) ? (struct bytes){ event->key, event->key_len } : (struct bytes){ "", 0 };
}

/* The link that leads to the strand, or the chain's end. */
static struct strand **find(struct shard *shard, uint64_t hash, const struct job *job)
{
    struct bytes key = key_of(job);
    struct strand **link = &shard->chains[hash & (CHAINS - 1)];

    assert_held(&shard->lock);
    for (; *link != NULL; link = &(*link)->next) {
        const struct strand *strand = *link;
        if (strand->hash == hash && strand->function == job->function->index && strand->assignment == job->message->assignment &&
            strand->key_size == key.size && memcmp(strand->key, key.data, key.size) == 0)
            break;
    }
    return link;
}

/* Most keys have one job at a time, so that each of their jobs makes a strand of its own. */
static struct strand *take_place(struct shard *shard, size_t key_size)
{
    struct strand *spare = shard->spare;

    assert_held(&shard->lock);
    if (spare == NULL || key_size > SPARE_KEY_SIZE)
        return xmalloc(sizeof(*spare) + (key_size > SPARE_KEY_SIZE ? key_size : SPARE_KEY_SIZE));
    shard->spare = NULL;
    return spare;
}

static void give_place(struct shard *shard, struct strand *strand)
{
    assert_held(&shard->lock);
    if (shard->spare == NULL && strand->key_size <= SPARE_KEY_SIZE)
        shard->spare = strand;
    else
        free(strand);
}

static struct strand *create(struct shard *shard, uint64_t hash, const struct job *job)
{
    struct bytes key = key_of(job);
    struct strand *strand = take_place(shard, key.size);

    *strand = (struct strand){
        .hash = hash,
        .function = job->function->index,
        .assignment = job->message->assignment,
        .key_size = key.size,
    };
    memcpy(strand->key, key.data, key.size);
    return strand;
}

bool strands_enter(struct strands *strands, struct job *job)
{
    struct bytes key = key_of(job);
    uint64_t hash = XXH3_64bits_withSeed(key.data, key.size, job->function->index);
    struct shard *shard = shard_of(strands, hash);

    LOCK_GUARD(&shard->lock);
    struct strand **link = find(shard, hash, job);
    bool is_first = *link == NULL;
    if (is_first)
        *link = create(shard, hash, job);
    else
        jobs_add(&(*link)->waiting, job);
    job->strand = *link;
    return is_first;
}

struct job *strands_leave(struct strands *strands, struct strand *strand)
{
    struct shard *shard = shard_of(strands, strand->hash);

    LOCK_GUARD(&shard->lock);
    struct job *next = jobs_take(&strand->waiting);
    if (next == NULL) {
        struct strand **link = &shard->chains[strand->hash & (CHAINS - 1)];
        while (*link != strand) {
            assert(*link != NULL);
            link = &(*link)->next;
        }
        *link = strand->next;
        give_place(shard, strand);
    }
    return next;
}
