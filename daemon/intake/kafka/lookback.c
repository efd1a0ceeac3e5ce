/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/lookback.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "intake/kafka/consumer_settings.h"
#include "intake/kafka/positions.h"
#include "intake/kafka/reread.h"

#define END_MS 3000
#define EVERY_MS 250 /* how late a name may be heard of */
#define SLICE_MS 500 /* so long at most it looks back before it tells how far it came */

/* A partition that is ours. */
struct tracked {
    struct position position; /* as of the last question */
    int64_t confirmed;        /* below, all was matched against all that could have been waited for; -1: not known yet */
    int64_t goal;             /* what is looked back for ends here: the live reader knew all watches from here on */
};

struct lookback {
    const struct consumer_settings *settings;
    struct positions *positions;
    struct thread thread;
    struct lock lock; /* guards what follows */
    struct condition wake;
    bool is_stopping;

    /* Its thread's: round_of() asserts it. */
    struct confirmation *known; /* by shard */
    struct tracked *tracked;
    size_t count;
    bool has_news;      /* there is something that was not known, and is not looked back for yet */
    bool must_go_back;  /* … from `matched` on: Redis is another, or has lowered it */
    bool is_on_its_way; /* … and is looked back for in part, up to each one's goal */
    struct reread *reread;
};

struct lookback *lookback_create(const struct consumer_settings *settings, struct positions *positions)
{
    struct lookback *lookback = xcalloc(1, sizeof(*lookback));

    lookback->settings = settings;
    lookback->positions = positions;
    lookback->known = xcalloc((size_t)watches_shards(settings->matching->watches), sizeof(*lookback->known));
    lookback->reread = reread_create(settings);
    lock_init(&lookback->lock);
    condition_init(&lookback->wake);
    return lookback;
}

/* ---- partitions ----------------------------------------------------------------------------------- */

static struct tracked *find(struct tracked *tracked, size_t count, uint64_t serial)
{
    for (size_t i = 0; i < count; i++)
        if (tracked[i].position.serial == serial)
            return &tracked[i];
    return NULL;
}

/* Those that are ours now, each with what is confirmed of it. */
static void follow(struct lookback *lookback, const struct position *positions, size_t count)
{
    struct tracked *now = xcalloc(count + 1, sizeof(*now));
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        const struct tracked *before = find(lookback->tracked, lookback->count, positions[i].serial);
        if (positions[i].next < 0)
            continue; /* where it begins is not known yet */
        now[kept++] = (struct tracked){ positions[i], before != NULL ? before->confirmed : -1, before != NULL ? before->goal : 0 };
    }
    free(lookback->tracked);
    lookback->tracked = now;
    lookback->count = kept;
}

/* ---- the question --------------------------------------------------------------------------------- */

static void learn(void *context, int shard, const char *event, const char *later)
{
    struct matching *matching = context;

    watches_add(matching->watches, shard, event, later);
}

static void forget(void *context, int shard, const char *event, const char *later)
{
    struct matching *matching = context;

    watches_remove(matching->watches, shard, event, later);
}

/* What the answers of all shards come to. */
struct answer {
    struct matched_place *places;
    int64_t *matched; /* by place: the lowest of all shards; -1: a shard has nothing */
};

static int ask_shard(struct lookback *lookback, int shard, struct answer *answer)
{
    const struct consumer_settings *settings = lookback->settings;
    const struct watch_listener listener = { .add = learn, .forget = forget, .context = settings->matching };
    struct confirmation *known = &lookback->known[shard];
    const struct confirmation before = *known;

    int status = settings->confirm(settings->context, shard, known, answer->places, lookback->count, &listener);
    if (status != 0)
        return status;
    bool is_another = strcmp(known->process, before.process) != 0;
    bool has_news = is_another || known->generation != before.generation;
    lookback->has_news |= has_news;
    lookback->is_on_its_way &= !has_news;
    lookback->must_go_back |= is_another || known->lowered > before.generation;
    for (size_t i = 0; i < lookback->count; i++) {
        if (shard == 0 || answer->places[i].matched < answer->matched[i])
            answer->matched[i] = answer->places[i].matched;
    }
    return 0;
}

/* What is in flight is not matched yet. Who reads it after us may have it done before it has heard of any watch. */
static int64_t matched_of(const struct tracked *tracked)
{
    return tracked->confirmed < tracked->position.done ? tracked->confirmed : tracked->position.done;
}

static int ask(struct lookback *lookback, struct answer *answer)
{
    int status = 0;

    for (size_t i = 0; i < lookback->count; i++) {
        const struct tracked *tracked = &lookback->tracked[i];
        answer->places[i] = (struct matched_place){ tracked->position.topic, tracked->position.partition, matched_of(tracked), -1 };
    }
    for (int shard = 0; shard < watches_shards(lookback->settings->matching->watches) && status == 0; shard++)
        status = ask_shard(lookback, shard, answer);
    return status;
}

/* What is confirmed of each before this answer. */
static void settle(struct lookback *lookback, const struct answer *answer)
{
    for (size_t i = 0; i < lookback->count; i++) {
        struct tracked *tracked = &lookback->tracked[i];
        int64_t matched = answer->matched[i];
        bool is_new = tracked->confirmed < 0;
        if (is_new)
            tracked->confirmed = tracked->position.start;
        if ((is_new || lookback->must_go_back) && matched >= 0 && matched < tracked->confirmed)
            tracked->confirmed = matched;
        lookback->has_news |= is_new;
        lookback->is_on_its_way &= !is_new;
    }
    lookback->must_go_back = false;
}

/* ---- looking back --------------------------------------------------------------------------------- */

/* What was looked back for, and was read before the last question. */
static void confirm_some(struct lookback *lookback)
{
    for (size_t i = 0; i < lookback->count; i++) {
        struct tracked *tracked = &lookback->tracked[i];
        int64_t next = reread_next(lookback->reread, tracked->position.serial);
        if (next > tracked->position.next)
            next = tracked->position.next;
        if (next > tracked->confirmed)
            tracked->confirmed = next;
    }
}

/* From what is confirmed to where each is by now, which is after all watches were learnt; not all at once, so that who dies of it has
 * confirmed some. 0, or as reread_all(). */
static int look_back(struct lookback *lookback)
{
    struct position *positions = NULL;
    bool goes_on = lookback->is_on_its_way, is_whole;
    size_t count = 0;

    lookback->is_on_its_way = false;
    if (watches_count(lookback->settings->matching->watches) == 0)
        return 0;
    if (!positions_ask(lookback->positions, &positions, &count))
        return -ESHUTDOWN;
    reread_begin(lookback->reread);
    for (size_t i = 0; i < count; i++) {
        struct tracked *tracked = find(lookback->tracked, lookback->count, positions[i].serial);
        if (tracked != NULL && !goes_on)
            tracked->goal = positions[i].next;
        if (tracked != NULL && tracked->confirmed < tracked->goal)
            reread_add(lookback->reread, &positions[i], tracked->confirmed, tracked->goal);
    }
    free(positions);
    int status = reread_all(lookback->reread, SLICE_MS, &is_whole);
    lookback->is_on_its_way = status == 0 && !is_whole;
    confirm_some(lookback);
    return status;
}

static void confirm(struct lookback *lookback)
{
    for (size_t i = 0; i < lookback->count; i++) {
        struct tracked *tracked = &lookback->tracked[i];
        if (tracked->position.next > tracked->confirmed)
            tracked->confirmed = tracked->position.next;
    }
}

/* False: the daemon stops. */
static bool round_of(struct lookback *lookback)
{
    struct position *positions = NULL;
    size_t count = 0;

    assert_thread(&lookback->thread);
    if (!positions_ask(lookback->positions, &positions, &count))
        return false;
    follow(lookback, positions, count);
    free(positions);
    AUTO_FREE struct matched_place *places = xcalloc(lookback->count + 1, sizeof(*places));
    AUTO_FREE int64_t *matched = xcalloc(lookback->count + 1, sizeof(*matched));
    struct answer answer = { .places = places, .matched = matched };
    pulse_rest_here();
    int status = ask(lookback, &answer);
    pulse_beat_here();
    if (status != 0)
        return status != -ESHUTDOWN;
    settle(lookback, &answer);
    if (lookback->has_news)
        status = look_back(lookback);
    if (status != 0 || lookback->is_on_its_way)
        return status != -ESHUTDOWN;
    lookback->has_news = false;
    confirm(lookback);
    return true;
}

/* ---- the thread ----------------------------------------------------------------------------------- */

static bool wait_for_next(struct lookback *lookback)
{
    int64_t until_ms = clock_monotonic_ms() + EVERY_MS;

    LOCK_GUARD(&lookback->lock);
    pulse_rest_here();
    while (!lookback->is_stopping && condition_wait_until(&lookback->wake, &lookback->lock, until_ms))
        ;
    pulse_beat_here();
    return !lookback->is_stopping;
}

static void *lookback_main(void *argument)
{
    struct lookback *lookback = argument;

    while (round_of(lookback) && (lookback->is_on_its_way || wait_for_next(lookback)))
        ;
    return NULL;
}

int lookback_start(struct lookback *lookback, struct error *ret_error)
{
    return thread_start(&lookback->thread, "lookback", PULSE_LIMIT_MS, lookback_main, lookback, ret_error);
}

void lookback_stop(struct lookback *lookback)
{
    if (lookback == NULL)
        return;
    reread_stop(lookback->reread);
    LOCK_GUARD(&lookback->lock);
    lookback->is_stopping = true;
    condition_wake_all(&lookback->wake);
}

bool lookback_destroy(struct lookback *lookback)
{
    if (lookback == NULL)
        return true;
    if (!thread_join_until(&lookback->thread, clock_monotonic_ms() + END_MS))
        return false;
    reread_destroy(lookback->reread);
    free(lookback->known);
    free(lookback->tracked);
    condition_done(&lookback->wake);
    lock_done(&lookback->lock);
    free(lookback);
    return true;
}
