/* SPDX-License-Identifier: Apache-2.0 */
#include "run/matching.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "event/event_fields.h"
#include "run/wait_event.h"

/* What an event came to. */
struct tally {
    size_t ended;
    size_t kept; /* for runs that expect it */
};

/* An event on its way through the waits of its name. */
struct pass {
    struct matching *matching;
    struct event_fields later;
    int64_t now_ms;
    struct expression *expression; /* of the condition tried last; NULL: none yet */
    struct bytes text;             /* … as it is written */
    msgpack_sbuffer text_room;
};

/* ---- conditions ----------------------------------------------------------------------------------- */

static void note_error(struct matching *matching, const struct error *error)
{
    atomic_fetch_add_explicit(&matching->expression_errors, 1, memory_order_relaxed);
    if (!atomic_exchange(&matching->has_told_error, true))
        log_warn("the condition of a run that waits fails for an event: %s; the event does not end the wait (logged once)", error->text);
}

/* Waits of one name mostly have one condition: it is compiled once. */
static bool compile(struct pass *pass, struct bytes when)
{
    struct error error;

    if (pass->expression != NULL && pass->text.size == when.size && memcmp(pass->text.data, when.data, when.size) == 0)
        return true;
    expression_destroy(pass->expression);
    pass->expression = NULL;
    msgpack_sbuffer_clear(&pass->text_room);
    msgpack_sbuffer_write(&pass->text_room, when.data, when.size);
    pass->text = (struct bytes){ pass->text_room.data, pass->text_room.size };
    if (expression_compile(pass->text, &pass->expression, &error) == 0)
        return true;
    note_error(pass->matching, &error);
    return false;
}

static bool holds(void *context, struct event *own, bool is_of_row, struct bytes when)
{
    struct pass *pass = context;
    struct event_fields earlier;
    struct error error;

    if (!compile(pass, when) || event_find_name(own, &error) != 0)
        return false;
    (is_of_row ? event_fields_init_of_row : event_fields_init)(&earlier, own);
    const struct expression_scope scope = { .event = &earlier.base, .async = &pass->later.base, .now_ms = pass->now_ms };
    int answer = expression_holds(pass->expression, &scope, &error);
    if (answer < 0)
        note_error(pass->matching, &error);
    return answer == 1;
}

/* ---- values --------------------------------------------------------------------------------------- */

/* False: no wait can be found by it. */
static bool value_of(struct pass *pass, const struct watched_side *watch, msgpack_sbuffer *value)
{
    const struct expression_scope scope = { .async = &pass->later.base, .now_ms = pass->now_ms };
    struct error error;

    msgpack_sbuffer_clear(value);
    if (watch->side == NULL)
        return true;
    int status = expression_equality_write(watch->side, &scope, value, &error);
    if (status == -EINVAL)
        note_error(pass->matching, &error);
    return status == 0;
}

static void note_counts(struct matching *matching, const struct event *event, const struct wait_counts *counts, size_t *ended)
{
    *ended += counts->ended;
    if (counts->ended > 0)
        atomic_fetch_add_explicit(&matching->ended, counts->ended, memory_order_relaxed);
    if (counts->dropped > 0)
        log_warn("%zu events that were kept for a run that expects them (%s) were dropped: a run keeps at most 100, or 4 MiB",
                 counts->dropped, event->view.name);
    if (counts->late == 0)
        return;
    atomic_fetch_add_explicit(&matching->late, counts->late, memory_order_relaxed);
    if (!atomic_exchange(&matching->has_told_late, true))
        log_warn("%s [%d] @ %lld came in time for a run that waited for it, but was read too late: the run goes on without it; "
                 "logged once (stepd_waits_late_total)",
                 event->view.topic, (int)event->view.partition, (long long)event->view.offset);
}

static int match_by(struct pass *pass, const struct watched_side *watch, struct wait_match *match, struct tally *tally)
{
    struct matching *matching = pass->matching;

    for (int shard = 0; shard < watches_shards(matching->watches); shard++) {
        struct wait_counts counts = { 0 };
        if (!atomic_load_explicit(&watch->shards[shard], memory_order_acquire))
            continue;
        match->shard = shard;
        int status = matching->store->ops->match(matching->store, match, &counts);
        if (status != 0)
            return status;
        struct event *event = pass->later.event;
        note_counts(matching, event, &counts, &tally->ended);
        tally->kept += counts.kept;
    }
    return 0;
}

static int match_all(struct pass *pass, const struct watched_name *name, struct wait_match *match, struct tally *tally)
{
    msgpack_sbuffer value;
    int status = 0;

    msgpack_sbuffer_init(&value);
    for (const struct watched_side *watch = watched_first(name); watch != NULL && status == 0; watch = watch_next(watch)) {
        if (!value_of(pass, watch, &value))
            continue;
        match->later = (struct bytes){ watch->later, strlen(watch->later) };
        match->value = (struct bytes){ value.data, value.size };
        status = match_by(pass, watch, match, tally);
    }
    msgpack_sbuffer_destroy(&value);
    return status;
}

/* A run that it is kept for may have begun to wait for it after it was acknowledged, by a side that was looked at before: it is given it then. */
static int match_name(struct pass *pass, const struct watched_name *name, struct event *event, size_t *ended)
{
    struct tally tally = { 0 };
    msgpack_sbuffer outcome;

    msgpack_sbuffer_init(&outcome);
    wait_event_pack(&outcome, event_view(event));
    struct wait_match match = {
        .event = name->name,
        .topic = event->view.topic,
        .partition = event->view.partition,
        .offset = event->view.offset,
        .timestamp_ms = event->timestamp_ms,
        .outcome = { outcome.data, outcome.size },
        .holds = holds,
        .context = pass,
    };
    int status = match_all(pass, name, &match, &tally);
    if (status == 0 && tally.kept > 0)
        status = match_all(pass, name, &match, &tally);
    *ended = tally.ended;
    msgpack_sbuffer_destroy(&outcome);
    return status;
}

int matching_match(struct matching *matching, struct event *event, size_t *ret_ended)
{
    const struct watched_name *name = watches_enter(matching->watches, event->view.name);
    struct pass pass = { .matching = matching, .now_ms = matching->store->ops->now_ms(matching->store) };

    *ret_ended = 0;
    if (name == NULL)
        return 0;
    event_fields_init(&pass.later, event);
    msgpack_sbuffer_init(&pass.text_room);
    int status = match_name(&pass, name, event, ret_ended);
    watches_leave(name);
    expression_destroy(pass.expression);
    msgpack_sbuffer_destroy(&pass.text_room);
    return status;
}

/* ---- one whose answer nobody waits for -------------------------------------------------------------- */

struct asked {
    struct pending_match pending; /* first */
    struct matching *matching;
    struct event *event;
    char *later;
    msgpack_sbuffer value, outcome;
    void (*done)(void *context, int status, bool is_whole, size_t ended);
    void *context;
};

static void asked_free(struct asked *asked)
{
    msgpack_sbuffer_destroy(&asked->value);
    msgpack_sbuffer_destroy(&asked->outcome);
    free(asked->later);
    free(asked);
}

static void answered(struct pending_match *pending)
{
    struct asked *asked = (struct asked *)pending;
    size_t ended = 0;

    if (pending->status == 0)
        note_counts(asked->matching, asked->event, &pending->counts, &ended);
    asked->done(asked->context, pending->status, pending->is_whole && pending->counts.kept == 0, ended);
    asked_free(asked);
}

/* NULL: it is to be looked for in several ways, or shards, or none. */
static const struct watched_side *find_only(const struct matching *matching, const struct watched_name *name, int *ret_shard)
{
    const struct watched_side *watch = watched_first(name);
    int shards = 0;

    if (watch == NULL || watch->side == NULL || watch_next(watch) != NULL)
        return NULL;
    for (int shard = 0; shard < watches_shards(matching->watches); shard++) {
        if (!atomic_load_explicit(&watch->shards[shard], memory_order_acquire))
            continue;
        *ret_shard = shard;
        shards++;
    }
    return shards == 1 ? watch : NULL;
}

/* NULL: it can't be asked so. */
static struct asked *make_asked(struct matching *matching, const struct watched_name *name, struct event *event)
{
    struct pass pass = { .matching = matching, .now_ms = matching->store->ops->now_ms(matching->store) };
    int shard = 0;
    const struct watched_side *watch = find_only(matching, name, &shard);

    if (watch == NULL)
        return NULL;
    struct asked *asked = xcalloc(1, sizeof(*asked));
    asked->matching = matching;
    asked->event = event;
    asked->later = xstrdup(watch->later);
    msgpack_sbuffer_init(&asked->value);
    msgpack_sbuffer_init(&asked->outcome);
    event_fields_init(&pass.later, event);
    if (!value_of(&pass, watch, &asked->value)) {
        asked_free(asked);
        return NULL;
    }
    wait_event_pack(&asked->outcome, event_view(event));
    asked->pending.done = answered;
    asked->pending.match = (struct wait_match){
        .shard = shard,
        .event = event->view.name,
        .later = { asked->later, strlen(asked->later) },
        .value = { asked->value.data, asked->value.size },
        .topic = event->view.topic,
        .partition = event->view.partition,
        .offset = event->view.offset,
        .timestamp_ms = event->timestamp_ms,
        .outcome = { asked->outcome.data, asked->outcome.size },
    };
    return asked;
}

bool matching_match_later(struct matching *matching, struct event *event,
                          void (*done)(void *context, int status, bool is_whole, size_t ended), void *context)
{
    struct store *store = matching->store;
    const struct watched_name *name = store->ops->match_later != NULL ? watches_enter(matching->watches, event->view.name) : NULL;

    if (name == NULL)
        return false;
    struct asked *asked = make_asked(matching, name, event);
    watches_leave(name);
    if (asked == NULL)
        return false;
    asked->done = done;
    asked->context = context;
    store->ops->match_later(store, &asked->pending);
    return true;
}
