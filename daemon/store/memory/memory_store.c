/* SPDX-License-Identifier: Apache-2.0 */
#include "store/memory/memory_store.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "run/checkpoints.h"
#include "store/memory/memory_store_internal.h"

static_assert(offsetof(struct memory_store, port) == 0, "store_of() is given the port");

static struct memory_store *store_of(struct store *port)
{
    return (struct memory_store *)port;
}

static struct bytes bytes_copy(struct bytes bytes)
{
    return (struct bytes){ bytes.size > 0 ? xmemdup(bytes.data, bytes.size) : xcalloc(1, 1), bytes.size };
}

static void bytes_free(struct bytes *bytes)
{
    free((void *)(uintptr_t)bytes->data);
    *bytes = (struct bytes){ 0 };
}

/* ---- records ----------------------------------------------------------------------------------- */

struct memory_record *memory_store_find(const struct memory_store *store, const char *id)
{
    for (size_t i = store->count; i-- > 0;) { /* the latest are asked for most */
        if (strcmp(store->records[i]->id.text, id) == 0)
            return store->records[i];
    }
    return NULL;
}

static bool has_ended(const struct memory_record *record)
{
    return record->status == RUN_COMPLETED || record->status == RUN_FAILED || record->status == RUN_CANCELLED;
}

/* One key's runs of one function share it; NULL: the run is not ordered. Caller frees. */
static char *strand_of(const struct run *run)
{
    const struct stepd_event *event = &run->event->view;

    if (!run_is_ordered(run))
        return NULL;
    return xasprintf("%s\n%s\n%d\n%.*s", run->function->id, event->topic, (int)event->partition, (int)event->key_len,
                     (const char *)event->key);
}

static struct memory_record *record_add(struct memory_store *store, const struct run *run, enum run_status status)
{
    struct memory_record *record = xcalloc(1, sizeof(*record));

    assert(memory_store_find(store, run->id.text) == NULL);
    record->id = run->id;
    record->status = status;
    record->epoch = 1;
    record->ended_by = -1;
    record->owner = store->self;
    record->created_ms = run->created_ms;
    record->changed_ms = store->now_ms;
    record->strand = strand_of(run);
    record->offset = run->event->view.offset;
    if (store->count == store->capacity) {
        store->capacity = store->capacity == 0 ? 16 : store->capacity * 2;
        store->records = xrealloc(store->records, store->capacity * sizeof(*store->records));
    }
    store->records[store->count++] = record;
    return record;
}

void memory_record_add(struct memory_record *record, struct bytes checkpoint)
{
    record->checkpoints = xrealloc(record->checkpoints, (record->checkpoint_count + 1) * sizeof(*record->checkpoints));
    record->checkpoints[record->checkpoint_count++] = bytes_copy(checkpoint);
    record->state_bytes += checkpoint.size;
}

/* Leaves the first `count`. */
static void checkpoints_cut(struct memory_record *record, size_t count)
{
    while (record->checkpoint_count > count) {
        struct bytes *last = &record->checkpoints[--record->checkpoint_count];
        assert(record->state_bytes >= last->size);
        record->state_bytes -= last->size;
        bytes_free(last);
    }
}

static void record_free(struct memory_record *record)
{
    memory_waits_drop(record);
    memory_record_open_mail(record);
    checkpoints_cut(record, 0);
    free(record->checkpoints);
    bytes_free(&record->tail);
    free(record->strand);
    free(record);
}

static void become(struct memory_store *store, struct memory_record *record, enum run_status status)
{
    record->status = status;
    record->changed_ms = store->now_ms;
}

void memory_record_open_mail(struct memory_record *record)
{
    for (size_t i = 0; i < record->mail_count; i++) {
        memory_record_add(record, record->mail[i]);
        bytes_free(&record->mail[i]);
    }
    free(record->mail);
    record->mail = NULL;
    record->mail_count = 0;
}

void memory_record_end_wait(struct memory_store *store, struct memory_record *record, struct bytes checkpoint)
{
    assert(checkpoint.size > 0);
    if (record->status == RUN_OWNED) {
        record->mail = xrealloc(record->mail, (record->mail_count + 1) * sizeof(*record->mail));
        record->mail[record->mail_count++] = bytes_copy(checkpoint);
        return;
    }
    memory_record_add(record, checkpoint);
    if (record->status == RUN_WAITING)
        become(store, record, RUN_DELAYED);
}

/* The first of a key has ended: the next is due. */
static void release_next(struct memory_store *store, const struct memory_record *ended)
{
    struct memory_record *next = NULL;

    for (size_t i = 0; ended->strand != NULL && i < store->count; i++) {
        struct memory_record *record = store->records[i];
        if (record->status == RUN_BEHIND && strcmp(record->strand, ended->strand) == 0 && (next == NULL || record->offset < next->offset))
            next = record;
    }
    if (next != NULL)
        become(store, next, RUN_DELAYED);
}

static void conclude(struct memory_store *store, struct memory_record *record, enum run_status status)
{
    assert(status == RUN_COMPLETED || status == RUN_FAILED || status == RUN_CANCELLED);
    assert(!has_ended(record));
    become(store, record, status);
    record->is_cancel_asked = false;
    release_next(store, record);
}

/* ---- transitions ------------------------------------------------------------------------------- */

static enum store_answer answer_of(const struct memory_record *record, const struct run *run)
{
    if (record == NULL)
        return run->epoch == 0 ? STORE_OK : STORE_GONE;
    if (record->epoch != run->epoch || memcmp(&record->owner, &run->owner, sizeof(run->owner)) != 0)
        return STORE_MOVED;
    if (record->status == RUN_OWNED)
        return STORE_OK;
    return record->status == RUN_CANCELLED ? STORE_CANCELLED : STORE_MOVED;
}

/* Whether what the run holds after it is within the limit. */
static bool fits(const struct memory_store *store, const struct memory_record *record, const struct transition *change)
{
    size_t size = change->checkpoint.size;

    for (size_t i = 0; record != NULL && i < record->checkpoint_count && i < change->position; i++)
        size += record->checkpoints[i].size;
    return change->checkpoint.size == 0 || size <= store->state_bytes_max;
}

static void checkpoint_apply(struct memory_record *record, const struct transition *change)
{
    if (change->checkpoint.size == 0 && !change->clears_started)
        return;
    assert(change->position <= record->checkpoint_count);
    checkpoints_cut(record, change->position);
    if (change->checkpoint.size > 0)
        memory_record_add(record, change->checkpoint);
}

static void status_apply(struct memory_store *store, struct memory_record *record, const struct transition *change)
{
    switch (change->kind) {
    case TRANSITION_CHECKPOINT:
    case TRANSITION_PHASE:
        return;
    case TRANSITION_PARK:
        become(store, record, change->status);
        if (change->due_ms != 0)
            record->changed_ms = change->due_ms;
        else if (change->delay_ms > 0)
            record->changed_ms += change->delay_ms;
        return;
    case TRANSITION_FINISH:
        conclude(store, record, RUN_COMPLETED);
        return;
    case TRANSITION_BURY:
        conclude(store, record, RUN_FAILED);
        return;
    }
    abort(); /* a kind that there is not */
}

static enum store_answer apply(struct memory_store *store, const struct run *run, const struct transition *change)
{
    struct memory_record *record = memory_store_find(store, run->id.text);
    enum store_answer answer = answer_of(record, run);

    if (answer != STORE_OK)
        return answer;
    if (record != NULL && record->is_cancel_asked) {
        conclude(store, record, RUN_CANCELLED);
        memory_calls_hear_end(store, run->id.text, RUN_CANCELLED, (struct bytes){ 0 });
        return STORE_CANCELLED;
    }
    if (!fits(store, record, change))
        return STORE_LIMIT;
    if (change->wait != NULL && memory_waits_are_full(store, change->wait))
        return STORE_TOO_MANY;
    if (record == NULL)
        record = record_add(store, run, RUN_OWNED);
    checkpoint_apply(record, change);
    struct transition taken = *change;
    struct bytes outcome = { 0 };
    if (memory_waits_take(store, run, change->wait, &outcome)) {
        memory_record_end_wait(store, record, outcome);
        bytes_free(&outcome);
        taken.wait = NULL;
        taken.attempt = change->kind == TRANSITION_PARK ? 0 : change->attempt;
    }
    change = &taken;
    memory_waits_apply(record, run, change);
    record->phase = change->phase;
    record->attempt = change->attempt;
    if (change->tail.data != NULL) {
        bytes_free(&record->tail);
        record->tail = bytes_copy(change->tail);
    }
    status_apply(store, record, change);
    memory_calls_apply(store, run, change);
    if (has_ended(record))
        memory_calls_hear_end(store, run->id.text, record->status, change->told);
    else if (change->look != NULL)
        memory_waits_look(store, record, change->look);
    if (record->status == RUN_WAITING && record->mail_count > 0) {
        memory_record_open_mail(record);
        become(store, record, RUN_DELAYED);
    }
    return STORE_OK;
}

/* ---- the daemon's death ------------------------------------------------------------------------ */

/* Whether it records how that step ended. */
static bool is_outcome_of(const struct transition *change, const char *step_id)
{
    struct checkpoint checkpoint;
    msgpack_zone zone;

    if (change->checkpoint.size == 0)
        return false;
    if (!msgpack_zone_init(&zone, 512))
        abort();
    bool is_outcome = checkpoint_decode(change->checkpoint, &zone, &checkpoint, NULL) == 0 && !checkpoint_is_begun(&checkpoint) &&
                      strcmp(checkpoint.id, step_id) == 0;
    msgpack_zone_destroy(&zone);
    return is_outcome;
}

static bool is_hour_of_death(const struct memory_death *death, const struct run *run, const struct transition *change)
{
    if (!death->is_planned || strcmp(death->run.text, run->id.text) != 0)
        return false;
    return death->step_id[0] == '\0' || is_outcome_of(change, death->step_id);
}

void memory_store_succeed(struct memory_store *store)
{
    const struct incarnation dead = store->self;

    store->self.bytes[0]++;
    store->is_out_of_reach = false;
    for (size_t i = 0; i < store->count; i++) {
        struct memory_record *record = store->records[i];
        if (record->status != RUN_OWNED || memcmp(&record->owner, &dead, sizeof(dead)) != 0)
            continue;
        become(store, record, RUN_DELAYED);
        record->epoch++;
        record->takeovers++;
    }
}

/* ---- the port ---------------------------------------------------------------------------------- */

static int advance(struct store *port, const struct run *run, const struct transition *change, struct transition_reply *ret_reply)
{
    struct memory_store *store = store_of(port);

    if (store->is_out_of_reach)
        return -ESHUTDOWN;
    if (is_hour_of_death(&store->death, run, change)) {
        if (store->death.is_after)
            (void)apply(store, run, change);
        store->death.is_planned = false;
        store->is_out_of_reach = true;
        return -ESHUTDOWN;
    }
    enum store_answer answer = apply(store, run, change);
    const struct memory_record *record = memory_store_find(store, run->id.text);
    *ret_reply = (struct transition_reply){
        .answer = answer,
        .epoch = record != NULL ? record->epoch : 0,
        .owner = store->self,
        .now_ms = store->now_ms,
        .due_ms = answer == STORE_OK && change->kind == TRANSITION_PARK ? record->changed_ms : 0,
    };
    return 0;
}

static int queue_behind(struct store *port, const struct run *run, enum order_answer *ret_answer)
{
    struct memory_store *store = store_of(port);
    AUTO_FREE char *strand = strand_of(run);

    if (store->is_out_of_reach)
        return -ESHUTDOWN;
    *ret_answer = ORDER_FREE;
    for (size_t i = 0; strand != NULL && i < store->count; i++) {
        const struct memory_record *other = store->records[i];
        if (other->strand != NULL && strcmp(other->strand, strand) == 0 && !has_ended(other))
            *ret_answer = ORDER_QUEUED;
    }
    if (*ret_answer == ORDER_QUEUED && memory_store_find(store, run->id.text) == NULL)
        record_add(store, run, RUN_BEHIND);
    return 0;
}

static struct memory_seen *seen_find(const struct memory_store *store, const struct dedupe_id *id)
{
    for (struct memory_seen *seen = store->seen; seen != NULL; seen = seen->next) {
        if (strcmp(seen->id.text, id->text) == 0 && seen->until_ms > store->now_ms)
            return seen;
    }
    return NULL;
}

static int remember(struct store *port, const struct run *run, const struct dedupe_id *id, int64_t window_ms,
                    enum dedupe_answer *ret_answer)
{
    struct memory_store *store = store_of(port);
    struct memory_seen *seen = seen_find(store, id);

    if (store->is_out_of_reach)
        return -ESHUTDOWN;
    *ret_answer = seen != NULL && strcmp(seen->run.text, run->id.text) != 0 ? DEDUPE_DUPLICATE : DEDUPE_FIRST;
    if (seen != NULL)
        return 0;
    seen = xmalloc(sizeof(*seen));
    *seen = (struct memory_seen){ store->seen, *id, run->id, store->now_ms + window_ms };
    store->seen = seen;
    return 0;
}

/* One process, one clock: what is of all daemons is not limited here, but for what the store remembers of keys. */
static int admit(struct store *port, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer)
{
    enum dedupe_answer answer = DEDUPE_FIRST;
    int status = ask->has_dedupe ? remember(port, run, &ask->dedupe, run->function->dedupe_ms, &answer) : 0;

    *ret_answer = answer == DEDUPE_FIRST ? FLOW_BEGINS : FLOW_DUPLICATE;
    return status;
}

static int admit_called(struct store *port, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer)
{
    (void)port;
    (void)run;
    (void)ask;
    *ret_answer = FLOW_BEGINS;
    return 0;
}

/* There is one daemon, which has looked itself. */
static int find_function(struct store *port, const char *id, bool *ret_is_known, enum run_placement *ret_placement)
{
    (void)id;
    *ret_is_known = false;
    *ret_placement = PLACED_BY_ID;
    return store_of(port)->is_out_of_reach ? -ESHUTDOWN : 0;
}

static int condemn(struct store *port, const struct run *run)
{
    struct memory_store *store = store_of(port);
    struct memory_record *record = memory_store_find(store, run->id.text);

    if (store->is_out_of_reach)
        return -ESHUTDOWN;
    if (record != NULL && !has_ended(record))
        conclude(store, record, RUN_FAILED);
    return 0;
}

/* Who cancels a run that waits tells of it at once: nothing is left undone here. */
static int told(struct store *port, const struct run *run)
{
    (void)run;
    return store_of(port)->is_out_of_reach ? -ESHUTDOWN : 0;
}

static int64_t port_now_ms(struct store *port)
{
    return store_of(port)->now_ms;
}

static const struct store_ops MEMORY_STORE_OPS = {
    .advance = advance,
    .queue_behind = queue_behind,
    .remember = remember,
    .admit = admit,
    .match = memory_waits_match,
    .admit_called = admit_called,
    .find_function = find_function,
    .list_kept = memory_waits_list_kept,
    .condemn = condemn,
    .told = told,
    .now_ms = port_now_ms,
};

void memory_store_init(struct memory_store *store, int64_t now_ms, size_t state_bytes_max)
{
    assert(now_ms > 0);
    *store = (struct memory_store){
        .port = { .ops = &MEMORY_STORE_OPS },
        .now_ms = now_ms,
        .state_bytes_max = state_bytes_max,
    };
}

void memory_store_done(struct memory_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        record_free(store->records[i]);
    free(store->records);
    memory_kept_done(store);
    memory_calls_done(store);
    while (store->seen != NULL) {
        struct memory_seen *seen = store->seen;
        store->seen = seen->next;
        free(seen);
    }
}

/* ---- what is due, and what people ask for ------------------------------------------------------ */

void memory_store_claim(struct memory_store *store, struct memory_record *record, struct run *run)
{
    struct error error = { 0 };

    assert(!has_ended(record));
    become(store, record, RUN_OWNED);
    record->epoch++;
    record->owner = store->self;
    run->attempt = record->attempt;
    run->phase = record->phase;
    run->epoch = record->epoch;
    run->owner = record->owner;
    run->takeovers = record->takeovers;
    run->created_ms = record->created_ms;
    run->now_ms = store->now_ms;
    run->tail = record->tail;
    run->steps = record->checkpoint_count > 0 ? checkpoints_create() : NULL;
    for (size_t i = 0; i < record->checkpoint_count; i++) {
        int status = checkpoints_load(run->steps, i, record->checkpoints[i], &error);
        assert(status == 0);
    }
}

bool memory_store_cancel(struct memory_store *store, const char *id)
{
    struct memory_record *record = memory_store_find(store, id);

    if (record == NULL || has_ended(record))
        return false;
    if (record->status == RUN_OWNED)
        record->is_cancel_asked = true;
    else
        conclude(store, record, RUN_CANCELLED);
    if (has_ended(record))
        memory_calls_hear_end(store, id, RUN_CANCELLED, (struct bytes){ 0 });
    return true;
}

/* Failed steps run again, and on_failure's begin anew. */
static bool outlives_retry(struct bytes member)
{
    struct checkpoint checkpoint;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 512))
        abort();
    int status = checkpoint_decode(member, &zone, &checkpoint, NULL);
    bool is_kept = status == 0 && checkpoint.kind != CHECKPOINT_FAILED && checkpoint.phase == RUN_IN_FUNCTION;
    msgpack_zone_destroy(&zone);
    return is_kept;
}

bool memory_store_retry(struct memory_store *store, const char *id)
{
    struct memory_record *record = memory_store_find(store, id);
    size_t kept = 0;

    if (record == NULL || (record->status != RUN_FAILED && record->status != RUN_CANCELLED))
        return false;
    for (size_t i = 0; i < record->checkpoint_count; i++) {
        struct bytes member = record->checkpoints[i];
        if (outlives_retry(member)) {
            record->checkpoints[kept++] = member;
            continue;
        }
        record->state_bytes -= member.size;
        bytes_free(&member);
    }
    record->checkpoint_count = kept;
    record->epoch++;
    record->attempt = 0;
    record->phase = RUN_IN_FUNCTION;
    become(store, record, RUN_DELAYED);
    return true;
}
