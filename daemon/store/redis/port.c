/* SPDX-License-Identifier: Apache-2.0 */

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event_again.h"
#include "run/checkpoints.h"
#include "store/redis/keys.h"
#include "store/redis/port_calls.h"
#include "store/redis/record.h"
#include "store/redis/store_internal.h"
#include "store/redis/waits.h"

/* ---- core's port ------------------------------------------------------------------------------- */

static void add_place(struct script_call *call, const char *topic, int32_t partition, char **ret_place)
{
    *ret_place = xasprintf("%s:%d", topic, (int)partition);
    script_add_text(call, *ret_place);
}

/* function, place, offset, key: what an ordered run waits in. */
static void add_order(struct script_call *call, const struct run *run, char **ret_place)
{
    const struct stepd_event *event = &run->event->view;

    script_add_text(call, run->function->id);
    add_place(call, event->topic, event->partition, ret_place);
    script_add_number(call, event->offset);
    script_add(call, (struct bytes){ event->key, event->key != NULL ? event->key_len : 0 });
}

static void add_body(struct script_call *call, const struct run *run, msgpack_sbuffer *body)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, body, msgpack_sbuffer_write);
    record_pack_body(&packer, run);
    script_add(call, (struct bytes){ body->data, body->size });
}

/* ---- a change, as change.lua reads it: one argument, since each costs Redis some 100 ns ----------- */

#define CHANGE_NOW 65
#define CHANGE_TIMES 29 /* the store's time, and when it is due, in digits: Redis prints a number more slowly than we do */
#define CHANGE_NEW 48   /* of a run that is taken over: created, offset, until when its owner's lease is, likewise */
#define CHANGE_FIXED (CHANGE_NOW + CHANGE_TIMES + CHANGE_NEW)
#define CHANGE_SIZE (CHANGE_FIXED + 11) /* and the position once more, in digits */

/* The store's time as it is known here: what it asks of Redis is a microsecond's work. */
struct change_times {
    int64_t now_ms;
    int64_t due_ms; /* PARK */
};

static struct change_times times_of(struct redis_store *store, const struct run *run, const struct transition *change)
{
    int64_t now_ms = store_shard_now_ms(store, store_shard_of(store, run->id.text));
    int64_t delay_ms = change->delay_ms > 0 ? change->delay_ms : 0;

    return (struct change_times){ .now_ms = now_ms, .due_ms = change->due_ms != 0 ? change->due_ms : now_ms + delay_ms };
}

static void put_16(char *at, uint64_t number)
{
    uint16_t value = htole16((uint16_t)number);
    memcpy(at, &value, sizeof(value));
}

static void put_32(char *at, uint64_t number)
{
    uint32_t value = htole32(number < UINT32_MAX ? (uint32_t)number : UINT32_MAX);
    memcpy(at, &value, sizeof(value));
}

static void put_64(char *at, int64_t number)
{
    uint64_t value = htole64((uint64_t)number);
    memcpy(at, &value, sizeof(value));
}

/* ---- checkpoints that their owner adds by himself: scripts/added.lua ---------------------------------- */

#define IN_A_ROW 1 /* checkpoints of a run without a list, before one is made: most runs that wake up make one, and sleep again */

/* The next one, and nothing else with it. */
static bool is_plain_checkpoint(const struct run *run, const struct transition *change)
{
    return change->kind == TRANSITION_CHECKPOINT && change->checkpoint.size > 0 && !change->clears_started && change->tail.data == NULL &&
           change->position == run->notes.next && !run_is_ordered(run) && run->bundle == NULL && !port_is_calling(run, change);
}

/* With its list, by the change that takes it over. */
static bool takes_with_list(const struct run *run, const struct transition *change)
{
    return run->epoch == 0 && is_plain_checkpoint(run, change);
}

static bool begins_list(const struct run *run, const struct transition *change)
{
    return run->epoch > 0 && run->notes.added == 0 && run->notes.in_a_row >= IN_A_ROW && is_plain_checkpoint(run, change);
}

/* A push says neither attempt nor phase: attempt is 0 by it, and the phase is what it was. */
static bool may_push(const struct redis_store *store, const struct run *run, const struct transition *change)
{
    const struct run_notes *notes = &run->notes;

    return notes->added > 0 && is_plain_checkpoint(run, change) && change->attempt == 0 && change->phase == run->phase &&
           notes->state_bytes + change->checkpoint.size <= store_settings(store)->state_bytes;
}

/* What is to be known of the run from now on; `added`: how many checkpoints are in the list that there is now. */
static struct run_notes notes_after(const struct run *run, const struct transition *change, uint32_t added)
{
    bool is_next = is_plain_checkpoint(run, change);

    return (struct run_notes){
        .next = change->checkpoint.size > 0 ? (uint32_t)change->position + 1 : run->notes.next,
        .added = added,
        .in_a_row = is_next && added == 0 ? run->notes.in_a_row + 1 : 0,
        .state_bytes = run->notes.state_bytes + change->checkpoint.size,
    };
}

/* False: a script is to be asked. */
static bool push(struct redis_store *store, const struct run *run, const struct transition *change, struct transition_reply *ret_reply,
                 int *ret_status)
{
    int shard = store_shard_of(store, run->id.text);
    char key[RUN_ID_LENGTH + 20];
    int64_t length = 0;

    (void)snprintf(key, sizeof(key), "added:%s:%" PRIu32, run->id.text, run->epoch);
    *ret_status = store_push(store, shard, key, change->checkpoint, &run->owner, &length);
    if (*ret_status == 0 && length == (int64_t)run->notes.added + 1) {
        *ret_reply = (struct transition_reply){ .answer = STORE_OK,
                                                .owner = run->owner,
                                                .epoch = run->epoch,
                                                .now_ms = store_shard_now_ms(store, shard),
                                                .notes = notes_after(run, change, (uint32_t)length) };
        return true;
    }
    return *ret_status == -ESHUTDOWN;
}

/* Epoch and position stand where the record's header has epoch and number of checkpoints: record.h. */
static struct bytes pack_change(const struct redis_store *store, const struct run *run, const struct transition *change,
                                const struct change_times *times, char ret_bytes[CHANGE_SIZE])
{
    static const char KINDS[] = {
        [TRANSITION_CHECKPOINT] = 'C', [TRANSITION_PARK] = 'P', [TRANSITION_PHASE] = 'H',
        [TRANSITION_FINISH] = 'F',     [TRANSITION_BURY] = 'B',
    };
    const struct store_settings *settings = store_settings(store);

    memset(ret_bytes, 0, CHANGE_SIZE);
    ret_bytes[0] = KINDS[change->kind];
    ret_bytes[1] = (char)change->phase;
    ret_bytes[2] = (char)((run_is_ordered(run) ? 1 : 0) | (change->clears_started ? 2 : 0) | (change->tail.data != NULL ? 4 : 0) |
                          (change->waits_in_line ? 8 : 0) | (begins_list(run, change) ? 16 : 0) | (run->bundle != NULL ? 32 : 0));
    ret_bytes[3] = change->kind == TRANSITION_PARK ? (char)change->status : RUN_OWNED;
    put_16(ret_bytes + 4, (uint64_t)change->attempt);
    put_32(ret_bytes + 8, run->epoch > 0 ? run->epoch : run->first_epoch);
    put_32(ret_bytes + 12, change->position);
    put_32(ret_bytes + 16, settings->state_bytes);
    put_64(ret_bytes + 24, times->now_ms);
    put_64(ret_bytes + 32, times->due_ms);
    put_64(ret_bytes + 40, run->created_ms);
    put_64(ret_bytes + 48, run->event->view.offset);
    put_64(ret_bytes + 56, settings->lease_ms);
    ret_bytes[64] = *store_history_letter(store);
    (void)snprintf(ret_bytes + CHANGE_NOW, CHANGE_TIMES + 1, "%013" PRId64 "%016" PRId64, times->now_ms, times->due_ms);
    if (run->epoch == 0)
        (void)snprintf(ret_bytes + CHANGE_NOW + CHANGE_TIMES, CHANGE_NEW + 1, "%016" PRId64 "%019lld%013" PRId64, run->created_ms,
                       (long long)run->event->view.offset, times->now_ms + settings->lease_ms);
    int digits = snprintf(ret_bytes + CHANGE_FIXED, CHANGE_SIZE - CHANGE_FIXED, "%" PRIu32, (uint32_t)change->position);
    return (struct bytes){ ret_bytes, CHANGE_FIXED + (size_t)digits };
}

/* The first bytes of a header, up to its owner, of the record that `change` makes. */
#define HEAD_SIZE 48

static struct bytes pack_head(const struct run *run, const struct transition *change, const struct change_times *times, size_t body_size,
                              char ret_bytes[HEAD_SIZE])
{
    static const char STATUSES[] = { [TRANSITION_FINISH] = RUN_COMPLETED, [TRANSITION_BURY] = RUN_FAILED };
    bool is_parked = change->kind == TRANSITION_PARK;
    bool has_ended = change->kind == TRANSITION_FINISH || change->kind == TRANSITION_BURY;

    memset(ret_bytes, 0, HEAD_SIZE);
    ret_bytes[0] = run->bundle != NULL ? RECORD_VERSION_SEVERAL : takes_with_list(run, change) ? RECORD_VERSION_ADDED : RECORD_VERSION;
    ret_bytes[1] = is_parked ? (char)change->status : has_ended ? STATUSES[change->kind] : (char)RUN_OWNED;
    ret_bytes[2] = (char)change->phase;
    ret_bytes[3] = run_is_ordered(run) ? RECORD_ORDERED : 0;
    put_16(ret_bytes + 4, (uint64_t)change->attempt);
    put_32(ret_bytes + 8, run->first_epoch);
    put_32(ret_bytes + 12, change->checkpoint.size > 0);
    put_64(ret_bytes + 16, run->created_ms);
    put_64(ret_bytes + 24, is_parked ? times->due_ms : times->now_ms);
    put_32(ret_bytes + 32, body_size);
    put_32(ret_bytes + 36, change->tail.size);
    put_32(ret_bytes + 40, change->checkpoint.size);
    return (struct bytes){ ret_bytes, HEAD_SIZE };
}

static struct transition_reply read_answer(const struct run *run, const struct script_call *call, const struct change_times *times,
                                           const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER) /* the short way */
        return (struct transition_reply){ .answer = (enum store_answer)reply->integer,
                                          .owner = call->owner,
                                          .now_ms = times->now_ms,
                                          .epoch = run->epoch > 0 ? run->epoch : run->first_epoch,
                                          .due_ms = times->due_ms };
    assert(reply->type == REDIS_REPLY_ARRAY && reply->elements >= 5);
    return (struct transition_reply){
        .answer = (enum store_answer)reply->element[0]->integer,
        .owner = call->owner,
        .now_ms = reply->element[1]->integer,
        .epoch = (uint32_t)reply->element[2]->integer,
        .due_ms = reply->element[3]->integer,
    };
}

/* How many checkpoints are in the list that was made by it; 0: none was. */
static uint32_t has_list(const struct run *run, const struct transition *change, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER)
        return takes_with_list(run, change) ? 1 : 0;
    return reply->elements > 5 ? (uint32_t)reply->element[5]->integer : 0;
}

/* When a run became due by it; 0: none did. */
static int64_t read_wake(const struct transition *change, const struct transition_reply *answer, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER)
        return reply->element[4]->integer;
    return change->kind == TRANSITION_PARK && answer->answer == STORE_OK ? answer->due_ms : 0;
}

/* A daemon whose records are of version 1 finds the run of a function with a dedupe window among those that were taken
 * over by its event's id: both stand there. `id` holds it, and must outlive the call. */
static void add_older_id(struct script_call *call, const struct run *run, struct run_id *id)
{
    if (run->function->dedupe_ms == 0)
        return;
    *id = run_id_of_event_id(run->function, run->event);
    script_add_text(call, id->text);
}

/* What the scripts want to know of the run's message and function: nothing, once it is in the store, not ordered, and
 * waits in no line. */
static void add_message(struct script_call *call, const struct run *run, const struct transition *change, char **ret_place)
{
    const struct stepd_event *event = &run->event->view;

    if (run->epoch != 0 && !run_is_ordered(run) && !change->waits_in_line)
        return;
    script_add_text(call, run->function->id);
    add_place(call, event->topic, event->partition, ret_place);
    script_add(call, (struct bytes){ event->key, event->key != NULL ? event->key_len : 0 });
}

static int queue_behind(struct store *port, const struct run *run, enum order_answer *ret_answer)
{
    struct redis_store *store = port_store(port);
    AUTO_FREE char *place = NULL;
    AUTO_REPLY reply = NULL;
    struct script_call call;
    msgpack_sbuffer body;
    struct run_id older_id;

    if (!run_is_ordered(run)) {
        *ret_answer = ORDER_FREE;
        return 0;
    }
    msgpack_sbuffer_init(&body);
    script_begin(&call, "queue_behind", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add_self(store, &call);
    add_order(&call, run, &place);
    script_add_number(&call, run->first_epoch);
    script_add_number(&call, run->created_ms);
    add_body(&call, run, &body);
    add_older_id(&call, run, &older_id);
    int status = store_call(store, &call, &reply);
    msgpack_sbuffer_destroy(&body);
    if (status == 0)
        *ret_answer = reply->element[0]->integer == 1 ? ORDER_QUEUED : ORDER_FREE;
    return status;
}

/* What the run is of, in one text: the ids of functions and runs are hashes. */
static char *origin_of(const struct run *run)
{
    const struct event *event = run->event;

    if (event->view.partition < 0)
        return xstrdup(run->id.text); /* of no message */
    char *origin = xasprintf("%s:%d:%lld:%lld", event->view.topic, (int)event->view.partition, (long long)event->view.offset,
                             (long long)event->timestamp_ms);

    if (event->part == 0)
        return origin;
    char *longer = xasprintf("%s:%u", origin, (unsigned)event->part);
    free(origin);
    return longer;
}

static int remember(struct store *port, const struct run *run, const struct dedupe_id *id, int64_t window_ms,
                    enum dedupe_answer *ret_answer)
{
    struct redis_store *store = port_store(port);
    const struct stepd_event *event = &run->event->view;
    AUTO_FREE char *origin = origin_of(run);
    AUTO_FREE char *place = NULL;
    AUTO_REPLY reply = NULL;
    struct script_call call;

    script_begin(&call, "remember", store_shard_of(store, id->text));
    script_add_text(&call, id->text);
    script_add_text(&call, origin);
    script_add_number(&call, window_ms > 0 ? window_ms : 1);
    script_add_text(&call, run->id.text);
    add_place(&call, event->topic, event->partition, &place);
    script_add_number(&call, event->offset);
    int status = store_call(store, &call, &reply);
    if (status == 0)
        *ret_answer = reply->element[0]->integer == 1 ? DEDUPE_DUPLICATE : DEDUPE_FIRST;
    return status;
}

/* ---- flow control: admit.lua says what each is ----------------------------------------------------- */

static void pack_name(msgpack_packer *packer, const char *name)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
}

static void pack_text(msgpack_packer *packer, const char *name, struct bytes text)
{
    pack_name(packer, name);
    msgpack_pack_str_with_body(packer, text.data, text.size);
}

static void pack_number(msgpack_packer *packer, const char *name, int64_t number)
{
    pack_name(packer, name);
    msgpack_pack_int64(packer, number);
}

/* Parts with a NUL between them. */
static void add_part(msgpack_sbuffer *text, struct bytes part)
{
    if (text->size > 0)
        msgpack_sbuffer_write(text, "", 1);
    msgpack_sbuffer_write(text, part.data, part.size);
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){ text, strlen(text) };
}

/* function, NUL, key: what it counts by. */
static void pack_key(msgpack_packer *packer, const char *name, const struct run *run, struct bytes key)
{
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    add_part(&text, bytes_of(run->function->id));
    add_part(&text, key);
    pack_text(packer, name, (struct bytes){ text.data, text.size });
    msgpack_sbuffer_destroy(&text);
}

static void pack_place(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask, size_t at)
{
    const struct stepd_limit *limit = &run->function->flow->given.concurrency_limits.items[at];
    AUTO_FREE char *name = limit->scope != NULL ? xasprintf("@%s", limit->scope) : xstrdup(run->function->id);
    AUTO_FREE char *number = limit->scope != NULL ? xstrdup("") : xasprintf("%zu", at);
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    add_part(&text, bytes_of(name));
    add_part(&text, bytes_of(number));
    add_part(&text, flow_ask_key(ask, &ask->limits[at]));
    msgpack_pack_str_with_body(packer, text.data, text.size);
    msgpack_sbuffer_destroy(&text);
}

/* The values that its turn hangs on. */
static void pack_line(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask)
{
    size_t count = run->function->flow->given.concurrency_limits.count;
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    add_part(&text, flow_ask_key(ask, &ask->throttle));
    for (size_t i = 0; i < count; i++)
        add_part(&text, flow_ask_key(ask, &ask->limits[i]));
    if (function_has_breaker(run->function))
        add_part(&text, flow_ask_key(ask, &ask->breaker));
    pack_text(packer, "line", (struct bytes){ text.data, text.size });
    msgpack_sbuffer_destroy(&text);
}

/* Later events that mean something to the run; each in its place is `f.makes` of waits.lua. */
static void pack_wishes(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask)
{
    const struct flow_wishes *wishes = &run->function->flow->wishes;

    if (wishes->count == 0)
        return;
    pack_name(packer, "makes");
    msgpack_pack_array(packer, wishes->count);
    for (size_t i = 0; i < wishes->count; i++)
        waits_pack_wish(packer, run, &wishes->items[i], flow_ask_key(ask, &ask->wishes[i]));
}

static void pack_flow(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask)
{
    const struct flow_settings *flow = run->function->flow;
    size_t count = flow->given.concurrency_limits.count;

    msgpack_pack_map(packer, 3U + flow_has_breaker(flow) + (flow->given.start_timeout_ms > 0) + (flow->given.finish_timeout_ms > 0) +
                                 (flow->wishes.count > 0));
    pack_wishes(packer, run, ask);
    if (flow->given.start_timeout_ms > 0)
        pack_number(packer, "start", flow->given.start_timeout_ms);
    if (flow->given.finish_timeout_ms > 0)
        pack_number(packer, "finish", flow->given.finish_timeout_ms);
    if (flow_has_breaker(flow))
        pack_key(packer, "breaker", run, flow_ask_key(ask, &ask->breaker));
    pack_line(packer, run, ask);
    pack_key(packer, "turn", run, flow_ask_key(ask, &ask->throttle));
    pack_name(packer, "places");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        pack_place(packer, run, ask, i);
}

void store_pack_flow(msgpack_sbuffer *flow, const struct run *run, const struct flow_ask *ask)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, flow, msgpack_sbuffer_write);
    pack_flow(&packer, run, ask);
}

/* As advance.lua reads it. */
static void add_flow(struct script_call *call, const struct run *run, const struct flow_ask *ask, msgpack_sbuffer *flow)
{
    store_pack_flow(flow, run, ask);
    script_add(call, (struct bytes){ flow->data, flow->size });
}

/* A map whose members are counted as they come. */
struct members {
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    uint32_t count;
};

static msgpack_packer *next_member(struct members *members)
{
    members->count++;
    return &members->packer;
}

static void add_rules(struct members *members, const struct redis_store *store, const struct run *run, const struct flow_ask *ask)
{
    const struct stepd_function *given = &run->function->flow->given;
    const struct stepd_rate_limit *rate = &given->rate_limit;
    int64_t interval_us = ask->has_rate_limit ? rate->period_ms * 1000 / rate->limit : 0;

    if (ask->has_rate_limit) {
        pack_key(next_member(members), "rate", run, flow_ask_key(ask, &ask->rate_limit));
        pack_number(next_member(members), "interval", interval_us > 0 ? interval_us : 1);
        pack_number(next_member(members), "tolerance", rate->period_ms * 1000 - interval_us);
    }
    if (!ask->has_singleton)
        return;
    pack_key(next_member(members), "lock", run, flow_ask_key(ask, &ask->singleton));
    if (given->singleton.mode == STEPD_SINGLETON_CANCEL) {
        pack_name(next_member(members), "cancels");
        msgpack_pack_true(&members->packer);
        pack_text(next_member(members), "history", (struct bytes){ store_history_letter(store), 1 });
    }
}

static void add_debounce(struct members *members, const struct run *run, const struct flow_ask *ask)
{
    const struct stepd_debounce *debounce = &run->function->flow->given.debounce;

    pack_name(next_member(members), "debounce");
    msgpack_pack_map(&members->packer, 3);
    pack_key(&members->packer, "by", run, flow_ask_key(ask, &ask->debounce));
    pack_number(&members->packer, "period", debounce->period_ms);
    pack_number(&members->packer, "timeout", debounce->timeout_ms);
}

static void add_members(struct members *members, const struct redis_store *store, const struct run *run, const struct flow_ask *ask)
{
    if (ask->has_dedupe) {
        AUTO_FREE char *origin = origin_of(run);
        pack_text(next_member(members), "seen", bytes_of(ask->dedupe.text));
        pack_text(next_member(members), "origin", bytes_of(origin));
        pack_number(next_member(members), "window", run->function->dedupe_ms);
    }
    add_rules(members, store, run, ask);
    if (ask->has_debounce)
        add_debounce(members, run, ask);
    if (function_is_lined(run->function) || ask->is_held) {
        pack_name(next_member(members), "flow");
        pack_flow(&members->packer, run, ask);
        pack_number(next_member(members), "ahead", ask->priority_ms * 1000);
        pack_number(next_member(members), "part", run->event->part);
    }
    if (event_is_again(run->event)) {
        pack_name(next_member(members), "again");
        msgpack_pack_true(&members->packer);
    }
}

void port_pack_ask(msgpack_packer *packer, const struct redis_store *store, const struct run *run, const struct flow_ask *ask,
                   const struct run_id *older_id)
{
    struct members members = { .count = 0 };

    msgpack_sbuffer_init(&members.bytes);
    msgpack_packer_init(&members.packer, &members.bytes, msgpack_sbuffer_write);
    add_members(&members, store, run, ask);
    if (older_id->text[0] != '\0')
        pack_text(next_member(&members), "older_id", bytes_of(older_id->text));
    msgpack_pack_map(packer, members.count);
    msgpack_pack_str_body(packer, members.bytes.data, members.bytes.size);
    msgpack_sbuffer_destroy(&members.bytes);
}

/* Each one's place, offset, and the id of the run that it would be alone: by that it is known to be taken over. */
static void add_bundle(struct script_call *call, const struct run *run, msgpack_sbuffer *packed)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, packed, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, run->bundle->count);
    for (size_t i = 0; i < run->bundle->count; i++) {
        const struct event *event = run->bundle->events[i];
        AUTO_FREE char *place = xasprintf("%s:%d", event->view.topic, (int)event->view.partition);
        struct run_id id = run_id_of(run->function, event);
        msgpack_pack_array(&packer, 3);
        msgpack_pack_str_with_body(&packer, place, strlen(place));
        msgpack_pack_int64(&packer, event->view.offset);
        msgpack_pack_str_with_body(&packer, id.text, RUN_ID_LENGTH);
    }
    script_add(call, (struct bytes){ packed->data, packed->size });
}

static int admit(struct store *port, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer)
{
    struct redis_store *store = port_store(port);
    struct run_id older_id = { "" };
    AUTO_FREE char *place = NULL;
    AUTO_REPLY reply = NULL;
    struct script_call call;
    msgpack_sbuffer body, packed, events;
    msgpack_packer packer;

    msgpack_sbuffer_init(&body);
    msgpack_sbuffer_init(&events);
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    if (run->function->dedupe_ms > 0)
        older_id = run_id_of_event_id(run->function, run->event);
    script_begin(&call, "admit", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add_self(store, &call);
    add_order(&call, run, &place);
    script_add_number(&call, run->first_epoch);
    script_add_number(&call, run->created_ms);
    if (function_is_lined(run->function) || ask->is_held)
        add_body(&call, run, &body);
    else
        script_add_text(&call, "");
    script_add_text(&call, run_is_ordered(run) ? "1" : "0");
    port_pack_ask(&packer, store, run, ask, &older_id);
    script_add(&call, (struct bytes){ packed.data, packed.size });
    if (run->bundle != NULL)
        add_bundle(&call, run, &events);
    int status = store_call(store, &call, &reply);
    msgpack_sbuffer_destroy(&body);
    msgpack_sbuffer_destroy(&packed);
    msgpack_sbuffer_destroy(&events);
    if (status != 0)
        return status;
    *ret_answer = (enum flow_answer)reply->element[0]->integer;
    if (reply->element[2]->integer != 0)
        store_made_due_in_line(store, call.shard, run->function, reply->element[2]->integer);
    return 0;
}

/* All of the record that `change` makes, in two arguments: its owner's name stands between them. */
struct new_record {
    char head[HEAD_SIZE];
    msgpack_sbuffer events; /* of several */
    msgpack_sbuffer rest;   /* body and tail; or, of one that is held, its flow */
    struct run_id older_id;
};

static void add_record(struct script_call *call, const struct run *run, const struct transition *change, const struct change_times *times,
                       struct new_record *record, char **ret_place)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, &record->rest, msgpack_sbuffer_write);
    record_pack_body(&packer, run);
    struct bytes head = pack_head(run, change, times, record->rest.size, record->head);
    if (change->tail.size > 0)
        msgpack_sbuffer_write(&record->rest, change->tail.data, change->tail.size);
    script_add(call, (struct bytes){ record->rest.data, record->rest.size });
    add_message(call, run, change, ret_place);
    script_add(call, head);
    if (run->bundle == NULL) {
        add_older_id(call, run, &record->older_id);
        return;
    }
    script_add_text(call, run->id.text); /* no older daemon knows it by another */
    add_bundle(call, run, &record->events);
}

static void add_change(struct script_call *call, const struct run *run, const struct transition *change, msgpack_sbuffer *flow,
                       char **ret_place)
{
    if (run_is_ordered(run) || change->waits_in_line || change->tail.data != NULL)
        script_add(call, change->tail);
    add_message(call, run, change, ret_place);
    if (change->held_by != NULL)
        add_flow(call, run, change->held_by, flow);
}

/* What an event has to be that the run waits for, after all else. */
static void add_wait(struct script_call *call, const struct run *run, const struct wait_ask *wait, const char *place,
                     msgpack_sbuffer *packed)
{
    if (wait == NULL)
        return;
    waits_pack_ask(packed, run, wait, place);
    script_add(call, (struct bytes){ packed->data, packed->size });
}

static const char *script_of(const struct run *run, const struct transition *change)
{
    if (change->wait != NULL)
        return run->epoch == 0 ? "take_wait" : "wait";
    if (port_is_calling(run, change))
        return run->epoch == 0 ? "take_calling" : "advance_calling";
    return run->epoch == 0 ? "take" : "advance";
}

static int advance(struct store *port, const struct run *run, const struct transition *change, struct transition_reply *ret_reply)
{
    struct redis_store *store = port_store(port);
    struct change_times times = times_of(store, run, change);
    struct new_record record;
    char packed[CHANGE_SIZE];
    AUTO_FREE char *place = NULL;
    AUTO_REPLY reply = NULL;
    struct script_call call;
    msgpack_sbuffer wait; /* what it waits for, or the letter to whom it calls */

    assert(run->epoch > 0 || run->first_epoch > 0);
    if (run->epoch == 0 && change->kind == TRANSITION_FINISH && store_settings(store)->history != HISTORY_ALL) {
        *ret_reply = (struct transition_reply){ .answer = STORE_OK, .now_ms = times.now_ms };
        return 0;
    }
    int status = 0;
    if (may_push(store, run, change) && push(store, run, change, ret_reply, &status))
        return status;
    msgpack_sbuffer_init(&record.rest);
    msgpack_sbuffer_init(&record.events);
    msgpack_sbuffer_init(&wait);
    script_begin(&call, script_of(run, change), store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add(&call, pack_change(store, run, change, &times, packed));
    if (run->epoch == 0)
        script_add_self(store, &call);
    else
        script_add_owner(&call, &run->owner);
    script_add(&call, change->checkpoint);
    if (run->epoch == 0)
        add_record(&call, run, change, &times, &record, &place);
    else
        add_change(&call, run, change, &record.rest, &place);
    add_wait(&call, run, change->wait, place, &wait);
    bool is_calling = port_is_calling(run, change);
    if (is_calling)
        port_add_call(&call, change, &wait);

    status = store_call(store, &call, &reply);
    msgpack_sbuffer_destroy(&record.rest);
    msgpack_sbuffer_destroy(&record.events);
    msgpack_sbuffer_destroy(&wait);
    if (status != 0)
        return status;
    if (is_calling)
        store_posted(store, call.shard);
    *ret_reply = read_answer(run, &call, &times, reply);
    ret_reply->notes = notes_after(run, change, has_list(run, change, reply));
    int64_t wake_ms = read_wake(change, ret_reply, reply);
    if (wake_ms != 0)
        store_made_due_in_line(store, call.shard, function_is_lined(run->function) || change->held_by != NULL ? run->function : NULL,
                               wake_ms);
    return 0;
}

static int tell_breaker(struct store *port, const struct run *run, const struct breaker_news *news)
{
    const struct stepd_breaker *breaker = &run->function->flow->given.breaker;
    struct redis_store *store = port_store(port);
    AUTO_FREE char *attempt =
        xasprintf("%s:%u:%d", run->id.text, (unsigned)(run->epoch > 0 ? run->epoch : run->first_epoch), news->attempt);
    AUTO_REPLY reply = NULL;
    struct script_call call;
    msgpack_sbuffer name;

    msgpack_sbuffer_init(&name);
    add_part(&name, bytes_of(run->function->id));
    add_part(&name, news->key);
    script_begin(&call, "breaker", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add(&call, (struct bytes){ name.data, name.size });
    script_add_text(&call, news->has_failed ? "f" : "s");
    script_add_text(&call, attempt);
    script_add_number(&call, breaker->failures);
    script_add_number(&call, breaker->window_ms);
    script_add_number(&call, breaker->pause_ms);
    int status = store_call(store, &call, &reply);
    msgpack_sbuffer_destroy(&name);
    if (status == 0 && reply->element[2]->integer != 0)
        store_made_due_in_line(store, call.shard, run->function, reply->element[2]->integer);
    return status;
}

static int condemn(struct store *port, const struct run *run)
{
    struct redis_store *store = port_store(port);
    AUTO_REPLY reply = NULL;
    struct script_call call;

    script_begin(&call, "condemn", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add_owner(&call, &run->owner);
    return store_call(store, &call, &reply);
}

static int told(struct store *port, const struct run *run)
{
    struct redis_store *store = port_store(port);
    AUTO_REPLY reply = NULL;
    struct script_call call;

    script_begin(&call, "told", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    return store_call(store, &call, &reply);
}

static int64_t port_now_ms(struct store *port)
{
    return store_now_ms(port_store(port));
}

const struct store_ops STORE_PORT_OPS = {
    .advance = advance,
    .queue_behind = queue_behind,
    .remember = remember,
    .admit = admit,
    .tell_breaker = tell_breaker,
    .admit_called = port_admit_called,
    .find_function = port_find_function,
    .match = waits_match,
    .list_kept = waits_list_kept,
    .condemn = condemn,
    .told = told,
    .now_ms = port_now_ms,
};

/* ---- partitions -------------------------------------------------------------------------------- */

static void add_known(struct known_runs *known, enum known_as as, const redisReply *id, const redisReply *offset)
{
    if (id->type == REDIS_REPLY_STRING && id->len == RUN_ID_LENGTH && offset->type == REDIS_REPLY_STRING)
        known_runs_add(known, as, id->str, strtoll(offset->str, NULL, 10));
}

static void add_taken(void *known, const redisReply *id, const redisReply *offset)
{
    add_known(known, KNOWN_TAKEN, id, offset);
}

static void add_admitted(void *known, const redisReply *id, const redisReply *offset)
{
    add_known(known, KNOWN_ADMITTED, id, offset);
}

static void add_busy_key(void *keys, const redisReply *field, const redisReply *run)
{
    (void)run;
    const char *end = memchr(field->str, '\0', (size_t)field->len);

    if (end != NULL) {
        size_t size = (size_t)field->len - (size_t)(end + 1 - field->str);
        key_set_add(keys, field->str, (struct bytes){ end + 1, size });
    }
}

/* Walks a sorted set's members with their scores, or a hash's fields with their values, in pages; `add` hears of each
 * at least once. */
static int scan(struct redis_store *store, int shard, const char *command, const char *key,
                void (*add)(void *to, const redisReply *name, const redisReply *value), void *to)
{
    char cursor[24] = "0";

    do {
        AUTO_REPLY reply = NULL;
        int status = store_commandf(store, shard, &reply, "%s %s %s COUNT 1000", command, key, cursor);
        if (status != 0)
            return status;
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
            return -EIO;
        (void)snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        const redisReply *page = reply->element[1];
        for (size_t i = 0; i + 1 < page->elements; i += 2)
            add(to, page->element[i], page->element[i + 1]);
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

static int load_shard(struct redis_store *store, int shard, const char *place, struct key_set *keys, struct known_runs *known)
{
    AUTO_FREE char *taken = keys_format(store_prefix(store, shard), "taken:%s", place);
    AUTO_FREE char *admitted = keys_format(store_prefix(store, shard), "admitted:%s", place);
    AUTO_FREE char *busy = keys_format(store_prefix(store, shard), "busy:%s", place);
    int status = scan(store, shard, "ZSCAN", taken, add_taken, known);

    if (status == 0)
        status = scan(store, shard, "ZSCAN", admitted, add_admitted, known);
    return status != 0 ? status : scan(store, shard, "HSCAN", busy, add_busy_key, keys);
}

int store_load_partition(struct redis_store *store, const char *topic, int32_t partition, struct key_set *keys,
                         struct known_runs *ret_known)
{
    AUTO_FREE char *place = xasprintf("%s:%d", topic, (int)partition);
    struct known_runs known = { 0 };
    int status = 0;

    for (int shard = 0; status == 0 && shard < store_settings(store)->shards; shard++)
        status = load_shard(store, shard, place, keys, &known);
    if (status != 0) {
        known_runs_done(&known);
        return status;
    }
    known_runs_sort(&known);
    *ret_known = known;
    return 0;
}
