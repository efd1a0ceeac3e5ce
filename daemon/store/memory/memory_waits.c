/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memory/memory_store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bytes copy(struct bytes bytes)
{
    return (struct bytes){ xmemdup(bytes.size > 0 ? bytes.data : "", bytes.size > 0 ? bytes.size : 1), bytes.size };
}

static struct memory_wait *wait_create(const struct run *run, const struct transition *change)
{
    const struct wait_ask *ask = change->wait;
    struct memory_wait *wait = xcalloc(1, sizeof(*wait));

    wait->is_beside = change->kind == TRANSITION_CHECKPOINT;
    wait->position = change->position;
    wait->until_ms = ask->until_ms;
    wait->own = run->event;
    wait->event = xstrdup(ask->event);
    wait->later = ask->later.size > 0 ? xasprintf("%.*s", (int)ask->later.size, (const char *)ask->later.data) : xstrdup("");
    wait->value = copy(ask->value);
    wait->when = copy(ask->when);
    wait->head = copy(ask->head);
    wait->is_of_row = ask->is_of_row;
    return wait;
}

static void wait_destroy(struct memory_wait *wait)
{
    free(wait->event);
    free(wait->later);
    free((void *)(uintptr_t)wait->value.data);
    free((void *)(uintptr_t)wait->when.data);
    free((void *)(uintptr_t)wait->head.data);
    free(wait);
}

static void wait_remove(struct memory_record *record, struct memory_wait *wait)
{
    struct memory_wait **link = &record->waits;

    while (*link != wait)
        link = &(*link)->next;
    *link = wait->next;
    wait_destroy(wait);
}

void memory_waits_drop(struct memory_record *record)
{
    while (record->waits != NULL)
        wait_remove(record, record->waits);
}

void memory_waits_apply(struct memory_record *record, const struct run *run, const struct transition *change)
{
    if (change->kind == TRANSITION_FINISH || change->kind == TRANSITION_BURY)
        memory_waits_drop(record);
    for (struct memory_wait *wait = record->waits, *next; wait != NULL; wait = next) {
        next = wait->next;
        if (!wait->is_beside)
            wait_remove(record, wait);
    }
    if (change->wait == NULL)
        return;
    struct memory_wait *wait = wait_create(run, change);
    wait->next = record->waits;
    record->waits = wait;
}

bool memory_waits_are_full(const struct memory_store *store, const struct wait_ask *ask)
{
    size_t count = 0;

    if (ask == NULL || ask->later.size > 0)
        return false;
    for (size_t i = 0; i < store->count; i++) {
        for (const struct memory_wait *wait = store->records[i]->waits; wait != NULL; wait = wait->next)
            count += wait->later[0] == '\0' && strcmp(wait->event, ask->event) == 0;
    }
    return count >= ask->most;
}

void memory_store_watch(const struct memory_store *store, struct watches *watches)
{
    for (size_t i = 0; i < store->count; i++) {
        for (const struct memory_wait *wait = store->records[i]->waits; wait != NULL; wait = wait->next)
            watches_add(watches, 0, wait->event, wait->later);
    }
}

static bool is_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool is_found(const struct memory_record *record, const struct memory_wait *wait, const struct wait_match *match)
{
    return (wait->is_beside || record->status == RUN_WAITING) && strcmp(wait->event, match->event) == 0 &&
           is_equal((struct bytes){ wait->later, strlen(wait->later) }, match->later) && is_equal(wait->value, match->value);
}

static void pack_outcome(const struct memory_store *store, struct bytes head, struct bytes outcome, msgpack_sbuffer *checkpoint)
{
    msgpack_packer packer;

    msgpack_sbuffer_init(checkpoint);
    msgpack_packer_init(&packer, checkpoint, msgpack_sbuffer_write);
    msgpack_sbuffer_write(checkpoint, head.data, head.size);
    msgpack_pack_int64(&packer, store->now_ms);
    msgpack_sbuffer_write(checkpoint, outcome.data, outcome.size);
}

static void end_wait(struct memory_store *store, struct memory_record *record, struct memory_wait *wait, struct bytes outcome)
{
    msgpack_sbuffer checkpoint;

    pack_outcome(store, wait->head, outcome, &checkpoint);
    memory_record_end_wait(store, record, (struct bytes){ checkpoint.data, checkpoint.size });
    msgpack_sbuffer_destroy(&checkpoint);
    if (!wait->is_beside)
        record->attempt = 0;
    wait_remove(record, wait);
}

/* Nothing has come for it in its time. */
static void end_late(struct memory_store *store, struct memory_record *record, size_t position)
{
    for (struct memory_wait *wait = record->waits; wait != NULL; wait = wait->next) {
        if (wait->position != position || wait->until_ms > store->now_ms)
            continue;
        end_wait(store, record, wait, (struct bytes){ "\xc0", 1 });
        return;
    }
}

void memory_waits_look(struct memory_store *store, struct memory_record *record, const struct wait_look *look)
{
    for (size_t i = 0; i < look->count; i++)
        end_late(store, record, look->waits[i].position);
    memory_record_open_mail(record);
    for (size_t i = look->known; i < record->checkpoint_count; i++)
        look->add(look->context, i, record->checkpoints[i]);
}

/* ---- events that came early ------------------------------------------------------------------------ */

static struct memory_kept *kept_find(const struct memory_store *store, const struct run_id *run, const char *name)
{
    struct memory_kept *kept = store->kept;

    while (kept != NULL && (strcmp(kept->run.text, run->text) != 0 || strcmp(kept->name, name) != 0))
        kept = kept->next;
    return kept;
}

void memory_store_keep(struct memory_store *store, const struct run_id *run, const char *event, int64_t offset, struct bytes outcome)
{
    const struct memory_record *record = memory_store_find(store, run->text);
    struct memory_kept **last = &store->kept;

    if (record != NULL && record->ended_by == offset)
        return;
    struct memory_kept *kept = xcalloc(1, sizeof(*kept));
    kept->run = *run;
    kept->event = xstrdup(event);
    (void)snprintf(kept->name, sizeof(kept->name), "%lld", (long long)offset);
    kept->outcome = copy(outcome);
    while (*last != NULL)
        last = &(*last)->next;
    *last = kept;
}

void memory_kept_done(struct memory_store *store)
{
    while (store->kept != NULL) {
        struct memory_kept *kept = store->kept;
        store->kept = kept->next;
        free(kept->event);
        free((void *)(uintptr_t)kept->outcome.data);
        free(kept);
    }
}

bool memory_waits_take(struct memory_store *store, const struct run *run, const struct wait_ask *ask, struct bytes *ret_checkpoint)
{
    struct memory_kept *kept = ask != NULL && ask->takes != NULL ? kept_find(store, &run->id, ask->takes) : NULL;
    msgpack_sbuffer checkpoint;

    if (kept == NULL || kept->is_taken)
        return false;
    kept->is_taken = true;
    pack_outcome(store, ask->head, kept->outcome, &checkpoint);
    *ret_checkpoint = copy((struct bytes){ checkpoint.data, checkpoint.size });
    msgpack_sbuffer_destroy(&checkpoint);
    return true;
}

int memory_waits_list_kept(struct store *port, const struct run *run, const char *event,
                           void (*each)(void *context, const char *name, struct bytes outcome), void *context)
{
    const struct memory_store *store = (const struct memory_store *)port;

    if (store->is_out_of_reach)
        return -ESHUTDOWN;
    for (const struct memory_kept *kept = store->kept; kept != NULL; kept = kept->next) {
        if (!kept->is_taken && strcmp(kept->run.text, run->id.text) == 0 && strcmp(kept->event, event) == 0)
            each(context, kept->name, kept->outcome);
    }
    return 0;
}

/* ---- events that come ------------------------------------------------------------------------------- */

/* Of one run; false: it has none that the event ends. */
static bool match_run(struct memory_store *store, struct memory_record *record, const struct wait_match *match)
{
    for (struct memory_wait *wait = record->waits; wait != NULL; wait = wait->next) {
        if (!is_found(record, wait, match) || wait->until_ms <= store->now_ms)
            continue;
        if (wait->when.size > 0 && !match->holds(match->context, wait->own, wait->is_of_row, wait->when))
            continue;
        end_wait(store, record, wait, match->outcome);
        record->ended_by = match->offset;
        return true;
    }
    return false;
}

int memory_waits_match(struct store *port, const struct wait_match *match, struct wait_counts *ret_counts)
{
    struct memory_store *store = (struct memory_store *)port;

    if (store->is_out_of_reach)
        return -ESHUTDOWN;
    for (size_t i = 0; i < store->count; i++) {
        while (match_run(store, store->records[i], match))
            ret_counts->ended++;
    }
    return 0;
}
