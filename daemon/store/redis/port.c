/* SPDX-License-Identifier: Apache-2.0 */
/* The run's port on the store (run/ports.h), call by call. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/digits.h"
#include "store/redis/port_calls.h"
#include "store/redis/port_change.h"
#include "store/redis/port_entry.h"
#include "store/redis/port_flow.h"
#include "store/redis/record.h"
#include "store/redis/store_internal.h"
#include "store/redis/waits.h"

#define UNHURRIED_LEAST_MS 50 /* what is due sooner is parked at once */

static void add_place(struct script_call *call, const char *topic, int32_t partition, char **ret_place)
{
    size_t length = strlen(topic);

    *ret_place = xmalloc(length + DIGITS_MOST + 3);
    memcpy(*ret_place, topic, length);
    (*ret_place)[length] = ':';
    *digits_put_signed(*ret_place + length + 1, partition) = '\0';
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

#define ADDED_SIZE (RUN_ID_LENGTH + DIGITS_MOST + 8)

/* The name of the list that its owner adds to. */
static void write_added(const struct run *run, char ret_key[ADDED_SIZE])
{
    char *at = (char *)memcpy(ret_key, "added:", 6) + 6;

    at = (char *)memcpy(at, run->id.text, RUN_ID_LENGTH) + RUN_ID_LENGTH;
    *at++ = ':';
    *digits_put(at, run->epoch) = '\0';
}

/* False: a script is to be asked. */
static bool push(struct redis_store *store, const struct run *run, const struct transition *change, struct transition_reply *ret_reply,
                 int *ret_status)
{
    int shard = store_shard_of(store, run->id.text);
    char key[ADDED_SIZE];
    int64_t length = 0;

    assert(run->epoch > 0);
    assert(change->checkpoint.size > 0);
    write_added(run, key);
    *ret_status = store_push(store, shard, key, change->checkpoint, &run->owner, &length);
    if (*ret_status == 0 && length == (int64_t)run->notes.added + 1) {
        *ret_reply = (struct transition_reply){ .answer = STORE_OK,
                                                .owner = run->owner,
                                                .epoch = run->epoch,
                                                .now_ms = store_shard_now_ms(store, shard),
                                                .notes = change_notes_after(run, change, (uint32_t)length) };
        return true;
    }
    return *ret_status == -ESHUTDOWN;
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

    assert(run->epoch == 0);
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

static int remember(struct store *port, const struct run *run, const struct dedupe_id *id, int64_t window_ms,
                    enum dedupe_answer *ret_answer)
{
    struct redis_store *store = port_store(port);
    const struct stepd_event *event = &run->event->view;
    AUTO_FREE char *origin = port_origin_of(run);
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

/* As advance.lua reads it. */
static void add_flow(struct script_call *call, const struct run *run, const struct flow_ask *ask, msgpack_sbuffer *flow)
{
    port_pack_flow(flow, run, ask);
    script_add(call, (struct bytes){ flow->data, flow->size });
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

/* With others that are to wait in line, where that is all that is asked. */
static void add_entry(struct script_call *call, struct redis_store *store, const struct run *run, const struct flow_ask *ask,
                      size_t body_size, struct port_entry *entry)
{
    static const struct transition nothing = { .kind = TRANSITION_PARK };
    const struct change_times times = change_times_of(store, run, &nothing);

    if (!port_is_plain_entry(run, ask))
        return;
    port_pack_entry(entry, run, ask, &times, body_size);
    call->group = GROUP_ADMITS;
    script_add_grouped(call, (struct bytes){ entry->bytes, PORT_ENTRY_SIZE });
    script_add_grouped(call, (struct bytes){ entry->name.data, entry->name.size });
    script_add_grouped(call, (struct bytes){ entry->flow.data, entry->flow.size });
}

static enum flow_answer hear_admitted(struct redis_store *store, const struct run *run, int shard, const redisReply *reply)
{
    bool is_grouped = reply->type == REDIS_REPLY_INTEGER; /* by admit_many.lua: it is in line */
    int64_t due_ms = is_grouped ? store_shard_now_ms(store, shard) : reply->element[2]->integer;

    if (due_ms != 0)
        store_made_due_in_line(store, shard, run->function, due_ms);
    return is_grouped ? FLOW_IN_LINE : (enum flow_answer)reply->element[0]->integer;
}

static int admit(struct store *port, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer)
{
    struct redis_store *store = port_store(port);
    struct run_id older_id = { "" };
    AUTO_FREE char *place = NULL;
    AUTO_REPLY reply = NULL;
    struct port_entry entry;
    struct script_call call;
    msgpack_sbuffer body, packed, events;
    msgpack_packer packer;

    port_entry_init(&entry);
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
    add_entry(&call, store, run, ask, body.size, &entry);
    int status = store_call(store, &call, &reply);
    msgpack_sbuffer_destroy(&body);
    msgpack_sbuffer_destroy(&packed);
    msgpack_sbuffer_destroy(&events);
    port_entry_done(&entry);
    if (status == 0)
        *ret_answer = hear_admitted(store, run, call.shard, reply);
    return status;
}

/* All of the record that `change` makes, in two arguments: its owner's name stands between them. */
struct new_record {
    char head[CHANGE_HEAD_SIZE];
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
    struct bytes head = change_pack_head(run, change, times, record->rest.size, record->head);
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

/* A change as a script is asked for it, with what its arguments point to. */
struct asked {
    struct script_call call;
    struct change_times times;
    struct new_record record;
    char packed[CHANGE_SIZE_MOST];
    char *place;
    msgpack_sbuffer wait; /* what it waits for, or the letter to whom it calls */
    msgpack_sbuffer look; /* what it waits for that is open */
    bool is_calling;
};

static void asked_init(struct asked *asked, struct redis_store *store, const struct run *run, const struct transition *change)
{
    struct script_call *call = &asked->call;

    assert(run->epoch > 0 || run->first_epoch > 0);
    asked->times = change_times_of(store, run, change);
    asked->place = NULL;
    msgpack_sbuffer_init(&asked->record.rest);
    msgpack_sbuffer_init(&asked->record.events);
    msgpack_sbuffer_init(&asked->wait);
    msgpack_sbuffer_init(&asked->look);
    script_begin(call, script_of(run, change), store_shard_of(store, run->id.text));
    script_add_text(call, run->id.text);
    script_add(call, change_pack(store, run, change, &asked->times, asked->packed));
    if (run->epoch == 0)
        script_add_self(store, call);
    else
        script_add_owner(call, &run->owner);
    script_add(call, change->checkpoint);
    if (run->epoch == 0)
        add_record(call, run, change, &asked->times, &asked->record, &asked->place);
    else
        add_change(call, run, change, &asked->record.rest, &asked->place);
    add_wait(call, run, change->wait, asked->place, &asked->wait);
    asked->is_calling = port_is_calling(run, change);
    if (asked->is_calling)
        port_add_call(call, change, &asked->wait, &asked->look);
}

static void asked_done(struct asked *asked)
{
    msgpack_sbuffer_destroy(&asked->record.rest);
    msgpack_sbuffer_destroy(&asked->record.events);
    msgpack_sbuffer_destroy(&asked->wait);
    msgpack_sbuffer_destroy(&asked->look);
    free(asked->place);
}

static struct transition_reply hear(struct redis_store *store, const struct run *run, const struct transition *change,
                                    const struct asked *asked, const redisReply *reply)
{
    int shard = asked->call.shard;

    if (asked->is_calling)
        store_posted(store, shard);
    port_hear_look(change, reply);
    struct transition_reply answer = change_read_answer(run, &asked->call, &asked->times, reply);
    answer.notes = change_notes_after(run, change, change_list_length(run, change, reply));
    int64_t wake_ms = change_wake_ms(change, &answer, reply);
    if (wake_ms != 0)
        store_made_due(store, shard, wake_ms);
    if (wake_ms != 0 && (function_is_lined(run->function) || change->held_by != NULL))
        store_made_due_in_line(store, shard, run->function, wake_ms);
    return answer;
}

/* It is nothing that is kept. */
static bool leaves_nothing(const struct redis_store *store, const struct run *run, const struct transition *change)
{
    return run->epoch == 0 && change->kind == TRANSITION_FINISH && store_settings(store)->history != HISTORY_ALL;
}

static int advance(struct store *port, const struct run *run, const struct transition *change, struct transition_reply *ret_reply)
{
    struct redis_store *store = port_store(port);
    AUTO_REPLY reply = NULL;
    struct asked asked;
    int status = 0;

    if (leaves_nothing(store, run, change)) {
        *ret_reply = (struct transition_reply){ .answer = STORE_OK, .now_ms = change_times_of(store, run, change).now_ms };
        return 0;
    }
    if (change_may_push(store, run, change) && push(store, run, change, ret_reply, &status))
        return status;
    asked_init(&asked, store, run, change);
    status = store_call(store, &asked.call, &reply);
    if (status == 0)
        *ret_reply = hear(store, run, change, &asked, reply);
    asked_done(&asked);
    return status;
}

/* ---- a change that nobody waits for --------------------------------------------------------------- */

struct later {
    struct request request; /* first */
    struct redis_store *store;
    struct pending_change *pending;
    struct asked asked;
};

static_assert(offsetof(struct later, request) == 0, "later_done() is given the request");

/* What take_many.lua and advance_many.lua do: no order, no line and no other run has to do with it. */
static enum script_group group_of(const struct run *run, const struct transition *change, const struct asked *asked)
{
    bool is_park = change->kind == TRANSITION_PARK;

    if (run_is_ordered(run) || run->bundle != NULL || change->waits_in_line || change->held_by != NULL || change->wait != NULL ||
        change->clears_started || change->checkpoint.size > 0 || asked->is_calling)
        return GROUP_NONE;
    if (run->epoch == 0)
        return is_park && run->function->dedupe_ms == 0 ? GROUP_TAKES : GROUP_NONE;
    return (is_park && run->notes.added == 0) || change->kind == TRANSITION_FINISH ? GROUP_ADVANCES : GROUP_NONE;
}

/* It may go out a moment later: no place under its function's concurrency hangs on it, and no time that is near. */
static bool is_unhurried(const struct run *run, const struct transition *change, const struct asked *asked)
{
    return asked->call.group != GROUP_NONE && function_newest(run->function)->concurrency == 0 &&
           (change->kind == TRANSITION_FINISH || asked->times.due_ms - asked->times.now_ms >= UNHURRIED_LEAST_MS);
}

static void later_done(struct request *request)
{
    struct later *later = (struct later *)request;
    struct pending_change *pending = later->pending;

    pending->status = request->status;
    if (request->status == 0) {
        pending->reply = hear(later->store, pending->run, pending->change, &later->asked, request->reply);
        freeReplyObject(request->reply);
    }
    asked_done(&later->asked);
    free(later);
    pending->done(pending);
}

static bool advance_later(struct store *port, struct pending_change *pending)
{
    struct redis_store *store = port_store(port);

    if (leaves_nothing(store, pending->run, pending->change) || pending->change->kind == TRANSITION_CHECKPOINT)
        return false;
    struct later *later = xmalloc(sizeof(*later));
    later->store = store;
    later->pending = pending;
    asked_init(&later->asked, store, pending->run, pending->change);
    later->asked.call.group = group_of(pending->run, pending->change, &later->asked);
    later->asked.call.is_unhurried = is_unhurried(pending->run, pending->change, &later->asked);
    store_call_later(store, &later->asked.call, &later->request, later_done);
    return true;
}

/* That a run of it has to begin, or to end; 0: none has. */
static int64_t longest_time_ms(const struct function *function)
{
    const struct stepd_function *given = &function->flow->given;

    return given->start_timeout_ms > given->finish_timeout_ms ? given->start_timeout_ms : given->finish_timeout_ms;
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

    assert(news->attempt >= 0);
    assert(breaker->failures > 0);
    msgpack_sbuffer_init(&name);
    port_add_part(&name, (struct bytes){ run->function->id, strlen(run->function->id) });
    port_add_part(&name, news->key);
    script_begin(&call, "breaker", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add(&call, (struct bytes){ name.data, name.size });
    script_add_text(&call, news->has_failed ? "f" : "s");
    script_add_text(&call, attempt);
    script_add_number(&call, breaker->failures);
    script_add_number(&call, breaker->window_ms);
    script_add_number(&call, breaker->pause_ms);
    script_add_number(&call, longest_time_ms(run->function));
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

    assert(run->epoch > 0);
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
    script_add_number(&call, run->tell_by_ms);
    return store_call(store, &call, &reply);
}

static int64_t port_now_ms(struct store *port)
{
    return store_now_ms(port_store(port));
}

const struct store_ops STORE_PORT_OPS = {
    .advance = advance,
    .advance_later = advance_later,
    .queue_behind = queue_behind,
    .remember = remember,
    .admit = admit,
    .tell_breaker = tell_breaker,
    .admit_called = port_admit_called,
    .find_function = port_find_function,
    .match = waits_match,
    .match_later = waits_match_later,
    .list_kept = waits_list_kept,
    .condemn = condemn,
    .told = told,
    .now_ms = port_now_ms,
};
