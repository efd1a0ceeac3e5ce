/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/bundles.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/pulse.h"
#include "base/thread.h"

#define CHAINS 1024
#define IDLE_MS 1000

struct bundles {
    struct bundles_settings settings;
    struct thread thread; /* started with the first event */
    struct lock lock;
    struct condition changed;
    struct gathered *chains[CHAINS];  /* lock, as all below */
    struct gathered *oldest, *newest; /* by when they were opened */
    size_t events, bytes;
    bool has_thread;
    bool is_closed;
};

/* ---- lock held ------------------------------------------------------------------------------------- */

static struct gathered **chain_of(struct bundles *bundles, uint64_t hash)
{
    assert_held(&bundles->lock);
    return &bundles->chains[hash % CHAINS];
}

static struct gathered *find(struct bundles *bundles, const struct function *function, struct bytes key, uint64_t hash)
{
    struct gathered *each = *chain_of(bundles, hash);

    assert_held(&bundles->lock);
    while (each != NULL && (each->hash != hash || each->function->index != function->index || each->key_size != key.size ||
                            memcmp(each->key, key.data, key.size) != 0))
        each = each->next_of_chain;
    return each;
}

static struct gathered *open_one(struct bundles *bundles, const struct function *function, struct bytes key, uint64_t hash)
{
    struct gathered *opened = gathered_create(function);
    struct gathered **chain = chain_of(bundles, hash);

    assert(function->flow != NULL);
    opened->hash = hash;
    opened->key = xmemdup(key.data, key.size);
    opened->key_size = key.size;
    opened->due_ns = clock_monotonic_ns() + function->flow->given.batch.timeout_ms * 1000000;
    opened->next_of_chain = *chain;
    *chain = opened;
    opened->older = bundles->newest;
    if (bundles->newest != NULL)
        bundles->newest->newer = opened;
    else
        bundles->oldest = opened;
    bundles->newest = opened;
    return opened;
}

/* It is no longer open. */
static void take_out(struct bundles *bundles, struct gathered *gathered)
{
    struct gathered **link = chain_of(bundles, gathered->hash);

    assert(bundles->events >= gathered->bundle.count && bundles->bytes >= gathered->bytes);
    while (*link != gathered)
        link = &(*link)->next_of_chain;
    *link = gathered->next_of_chain;
    *(gathered->older != NULL ? &gathered->older->newer : &bundles->oldest) = gathered->newer;
    *(gathered->newer != NULL ? &gathered->newer->older : &bundles->newest) = gathered->older;
    gathered->older = gathered->newer = NULL;
    assert((bundles->oldest == NULL) == (bundles->newest == NULL));
    bundles->events -= gathered->bundle.count;
    bundles->bytes -= gathered->bytes;
}

static size_t bytes_of(const struct event *event)
{
    return sizeof(struct message) + event->view.raw_len + event->view.key_len;
}

/* ---- the thread ------------------------------------------------------------------------------------- */

/* The first that is due; else *ret_next_ns is when the next one is. */
static struct gathered *take_due(struct bundles *bundles, int64_t now_ns, int64_t *ret_next_ns)
{
    assert_held(&bundles->lock);
    *ret_next_ns = INT64_MAX;
    for (struct gathered *each = bundles->oldest; each != NULL; each = each->newer) {
        if (each->due_ns <= now_ns) {
            take_out(bundles, each);
            return each;
        }
        *ret_next_ns = each->due_ns < *ret_next_ns ? each->due_ns : *ret_next_ns;
    }
    return NULL;
}

static void *begin_due(void *context)
{
    struct bundles *bundles = context;
    int64_t next_ns;

    assert_thread(&bundles->thread);
    lock_take(&bundles->lock);
    while (!bundles->is_closed) {
        int64_t now_ns = clock_monotonic_ns();
        struct gathered *due = take_due(bundles, now_ns, &next_ns);
        if (due != NULL) {
            lock_give(&bundles->lock);
            bundles->settings.begin(bundles->settings.context, due);
            lock_take(&bundles->lock);
            continue;
        }
        int64_t wait_ms = next_ns == INT64_MAX ? IDLE_MS : (next_ns - now_ns) / 1000000 + 1;
        pulse_rest_here();
        (void)condition_wait_until(&bundles->changed, &bundles->lock, clock_monotonic_ms() + wait_ms);
        pulse_beat_here();
    }
    lock_give(&bundles->lock);
    return NULL;
}

static void start_thread(struct bundles *bundles)
{
    struct error error = { 0 };

    assert_held(&bundles->lock);
    if (bundles->has_thread)
        return;
    bundles->has_thread = true;
    if (thread_start(&bundles->thread, "batches", PULSE_LIMIT_MS, begin_due, bundles, &error) != 0)
        bundles->settings.fatal(error.text);
}

/* ---- from outside ----------------------------------------------------------------------------------- */

struct bundles *bundles_create(const struct bundles_settings *settings)
{
    struct bundles *bundles = xcalloc(1, sizeof(*bundles));

    assert(settings->begin != NULL && settings->fatal != NULL);
    bundles->settings = *settings;
    lock_init(&bundles->lock);
    condition_init(&bundles->changed);
    return bundles;
}

void bundles_destroy(struct bundles *bundles)
{
    if (bundles == NULL)
        return;
    bundles_close(bundles);
    thread_join(&bundles->thread);
    condition_done(&bundles->changed);
    lock_done(&bundles->lock);
    free(bundles);
}

/* The oldest, where more is open than may be. */
static struct gathered *take_early(struct bundles *bundles)
{
    const struct bundles_settings *settings = &bundles->settings;
    struct gathered *oldest = bundles->oldest;

    assert_held(&bundles->lock);
    if (oldest == NULL || (bundles->events <= settings->events_most && bundles->bytes <= settings->bytes_most))
        return NULL;
    take_out(bundles, oldest);
    return oldest;
}

/* NULL: it is not full yet. */
static struct gathered *put(struct bundles *bundles, const struct function *function, struct bytes key, struct message *message,
                            struct event *event)
{
    uint64_t hash = XXH3_64bits_withSeed(key.data, key.size, function->index);
    struct gathered *into = find(bundles, function, key, hash);

    assert_held(&bundles->lock);
    if (into == NULL) {
        into = open_one(bundles, function, key, hash);
        condition_wake_one(&bundles->changed);
    }
    gathered_add(into, message, event);
    into->bytes += bytes_of(event);
    bundles->events++;
    bundles->bytes += bytes_of(event);
    if (into->bundle.count < (size_t)function->flow->given.batch.size)
        return NULL;
    take_out(bundles, into);
    return into;
}

enum bundles_answer bundles_add(struct bundles *bundles, const struct function *function, struct bytes key, struct message *message,
                                struct event *event)
{
    const struct bundles_settings *settings = &bundles->settings;
    struct gathered *early;
    bool was_early = false;

    lock_take(&bundles->lock);
    /* Who revokes looks here afterwards, under this lock: one of both sees the other. */
    if (bundles->is_closed || atomic_load(&message->assignment->is_revoked)) {
        lock_give(&bundles->lock);
        return BUNDLES_REFUSED;
    }
    start_thread(bundles);
    struct gathered *full = put(bundles, function, key, message, event);
    while ((early = take_early(bundles)) != NULL) {
        lock_give(&bundles->lock);
        was_early = true;
        settings->begin(settings->context, early);
        lock_take(&bundles->lock);
    }
    lock_give(&bundles->lock);
    if (full != NULL)
        settings->begin(settings->context, full);
    return was_early ? BUNDLES_TAKEN_EARLY : BUNDLES_TAKEN;
}

void bundles_begin_alone(struct bundles *bundles, const struct function *function, struct message *message, struct event *event)
{
    struct gathered *alone = gathered_create(function);

    gathered_add(alone, message, event);
    bundles->settings.begin(bundles->settings.context, alone);
}

void bundles_drop_revoked(struct bundles *bundles)
{
    LOCK_GUARD(&bundles->lock);
    for (struct gathered *each = bundles->oldest, *next; each != NULL; each = next) {
        next = each->newer;
        size_t before = each->bundle.count, bytes = 0;
        size_t left = gathered_drop_revoked(each);
        for (size_t i = 0; i < left; i++)
            bytes += bytes_of(each->bundle.events[i]);
        assert(left <= before && bytes <= each->bytes);
        bundles->events -= before - left;
        bundles->bytes -= each->bytes - bytes;
        each->bytes = bytes;
        if (left > 0)
            continue;
        take_out(bundles, each);
        gathered_end(each, MESSAGE_DROPPED);
    }
}

void bundles_close(struct bundles *bundles)
{
    LOCK_GUARD(&bundles->lock);
    bundles->is_closed = true;
    condition_wake_all(&bundles->changed);
    while (bundles->oldest != NULL) {
        struct gathered *each = bundles->oldest;
        take_out(bundles, each);
        gathered_end(each, MESSAGE_DROPPED);
    }
}
