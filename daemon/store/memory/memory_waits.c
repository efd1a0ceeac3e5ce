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

struct memory_wait *memory_wait_create(const struct run *run, const struct wait_ask *ask)
{
    if (ask == NULL)
        return NULL;
    struct memory_wait *wait = xcalloc(1, sizeof(*wait));
    wait->own = run->event;
    wait->event = xstrdup(ask->event);
    wait->later = ask->later.size > 0 ? xasprintf("%.*s", (int)ask->later.size, (const char *)ask->later.data) : xstrdup("");
    wait->value = copy(ask->value);
    wait->when = copy(ask->when);
    wait->head = copy(ask->head);
    wait->is_of_row = ask->is_of_row;
    return wait;
}

void memory_wait_destroy(struct memory_wait *wait)
{
    if (wait == NULL)
        return;
    free(wait->event);
    free(wait->later);
    free((void *)(uintptr_t)wait->value.data);
    free((void *)(uintptr_t)wait->when.data);
    free((void *)(uintptr_t)wait->head.data);
    free(wait);
}

bool memory_waits_are_full(const struct memory_store *store, const struct wait_ask *ask)
{
    size_t count = 0;

    if (ask == NULL || ask->later.size > 0)
        return false;
    for (size_t i = 0; i < store->count; i++) {
        const struct memory_wait *wait = store->records[i]->wait;
        count += wait != NULL && wait->later[0] == '\0' && strcmp(wait->event, ask->event) == 0;
    }
    return count >= ask->most;
}

void memory_store_watch(const struct memory_store *store, struct watches *watches)
{
    for (size_t i = 0; i < store->count; i++) {
        const struct memory_wait *wait = store->records[i]->wait;
        if (wait != NULL)
            watches_add(watches, 0, wait->event, wait->later);
    }
}

static bool is_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool is_found(const struct memory_record *record, const struct wait_match *match)
{
    const struct memory_wait *wait = record->wait;

    return wait != NULL && record->status == RUN_WAITING && strcmp(wait->event, match->event) == 0 &&
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

static void end_wait(struct memory_store *store, struct memory_record *record, struct bytes outcome)
{
    msgpack_sbuffer checkpoint;

    pack_outcome(store, record->wait->head, outcome, &checkpoint);
    memory_record_end_wait(store, record, (struct bytes){ checkpoint.data, checkpoint.size });
    msgpack_sbuffer_destroy(&checkpoint);
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

int memory_waits_match(struct store *port, const struct wait_match *match, struct wait_counts *ret_counts)
{
    struct memory_store *store = (struct memory_store *)port;

    if (store->is_out_of_reach)
        return -ESHUTDOWN;
    for (size_t i = 0; i < store->count; i++) {
        struct memory_record *record = store->records[i];
        if (!is_found(record, match) || record->changed_ms <= store->now_ms)
            continue;
        const struct memory_wait *wait = record->wait;
        if (wait->when.size > 0 && !match->holds(match->context, wait->own, wait->is_of_row, wait->when))
            continue;
        end_wait(store, record, match->outcome);
        record->ended_by = match->offset;
        ret_counts->ended++;
    }
    return 0;
}
