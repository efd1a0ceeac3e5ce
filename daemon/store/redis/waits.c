/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/waits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "store/redis/keys.h"
#include "store/redis/record.h"
#include "store/redis/store_internal.h"

/* ---- a wait --------------------------------------------------------------------------------------- */

static void pack_bytes(msgpack_packer *packer, const char *name, struct bytes value)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
    msgpack_pack_str_with_body(packer, value.data, value.size);
}

static void pack_number(msgpack_packer *packer, const char *name, int64_t number)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
    msgpack_pack_int64(packer, number);
}

/* `packed`: one; size 0: an empty one. */
static void pack_map(msgpack_packer *packer, msgpack_sbuffer *buffer, const char *name, struct bytes packed)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
    if (packed.size > 0)
        msgpack_sbuffer_write(buffer, packed.data, packed.size);
    else
        msgpack_pack_map(packer, 0);
}

void waits_pack_ask(msgpack_sbuffer *buffer, const struct run *run, const struct wait_ask *ask, const char *place)
{
    bool is_new = run->epoch == 0;
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 13U + is_new + (ask->takes != NULL));
    pack_number(&packer, "kept", (int64_t)ask->kept);
    if (ask->takes != NULL)
        pack_bytes(&packer, "takes", (struct bytes){ ask->takes, strlen(ask->takes) });
    pack_bytes(&packer, "event", (struct bytes){ ask->event, strlen(ask->event) });
    pack_bytes(&packer, "later", ask->later);
    pack_bytes(&packer, "value", ask->value);
    pack_bytes(&packer, "when", ask->when);
    pack_bytes(&packer, "head", ask->head);
    pack_number(&packer, "ends", ask->until_ms);
    pack_number(&packer, "most", (int64_t)ask->most);
    pack_number(&packer, "stamp", run->event->timestamp_ms);
    pack_number(&packer, "slept", ask->slept_ms);
    pack_map(&packer, buffer, "given", ask->given);
    pack_map(&packer, buffer, "boundary", ask->boundary);
    msgpack_pack_str_with_body(&packer, "row", 3);
    if (ask->is_of_row)
        msgpack_pack_true(&packer);
    else
        msgpack_pack_false(&packer);
    if (is_new)
        pack_bytes(&packer, "place", (struct bytes){ place, strlen(place) });
}

static void pack_bool(msgpack_packer *packer, const char *name, bool boolean)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
    if (boolean)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){ text, strlen(text) };
}

void waits_pack_wish(msgpack_packer *packer, const struct run *run, const struct flow_wish *wish, struct bytes value)
{
    const char kind[] = { (char)wish->kind };

    msgpack_pack_map(packer, wish->timeout_ms > 0 ? 11 : 10);
    pack_bytes(packer, "kind", (struct bytes){ kind, 1 });
    pack_bytes(packer, "event", text_bytes(wish->event));
    pack_bytes(packer, "later", text_bytes(wish->later));
    pack_bytes(packer, "value", value);
    pack_bytes(packer, "when", text_bytes(wish->when == NULL || wish->equality.is_whole ? "" : wish->when));
    pack_bool(packer, "row", run->function->topic != NULL);
    pack_bytes(packer, "topic", text_bytes(run->event->view.topic));
    pack_number(packer, "partition", run->event->view.partition);
    pack_number(packer, "offset", run->event->view.offset);
    pack_number(packer, "stamp", run->event->timestamp_ms);
    if (wish->timeout_ms > 0)
        pack_number(packer, "last", run->event->timestamp_ms + wish->timeout_ms);
}

/* ---- an event that was read ------------------------------------------------------------------------ */

/* Where a walk over the waits of one key is. */
struct walk {
    struct redis_store *store;
    const struct wait_match *match;
    struct wait_counts *counts;
    char after[RUN_ID_LENGTH + 24]; /* the last one of the page before; "": the first page */
};

static void begin_call(struct redis_store *store, const struct wait_match *match, const char *after, const char *only,
                       struct script_call *call)
{
    script_begin(call, "match", match->shard);
    call->owner = (struct incarnation){ { 0 } };
    script_add_text(call, match->event);
    script_add(call, match->later);
    script_add(call, match->value);
    script_add_text(call, match->topic);
    script_add_number(call, match->partition);
    script_add_number(call, match->offset);
    script_add_number(call, match->timestamp_ms);
    script_add(call, match->outcome);
    script_add_text(call, after);
    script_add_text(call, only);
    script_add_text(call, store_history_letter(store));
}

static void count(struct redis_store *store, int shard, const redisReply *reply, struct wait_counts *counts)
{
    counts->ended += (size_t)reply->element[0]->integer;
    counts->late += (size_t)reply->element[2]->integer;
    counts->dropped += (size_t)reply->element[6]->integer;
    counts->kept += (size_t)reply->element[7]->integer;
    if (reply->element[5]->integer != 0)
        store_made_due(store, shard, reply->element[5]->integer);
}

static int ask(struct walk *walk, const char *only, redisReply **ret_reply)
{
    struct script_call call;

    begin_call(walk->store, walk->match, walk->after, only, &call);
    int status = store_call(walk->store, &call, ret_reply);
    if (status == 0)
        count(walk->store, walk->match->shard, *ret_reply, walk->counts);
    return status;
}

/* Whether the condition of a run is true of the event; `tried` is what match.lua says of it. */
static bool holds(const struct wait_match *match, const redisReply *tried)
{
    const redisReply *record_reply = tried->element[3];
    struct event own = { 0 };
    struct record record;
    struct error error;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 1024))
        abort();
    bool is_true = record_decode((struct bytes){ record_reply->str, record_reply->len }, &zone, &record, &error) == 0;
    if (is_true) {
        record_init_event(&record, &own);
        is_true = match->holds(match->context, &own, tried->element[2]->integer != 0,
                               (struct bytes){ tried->element[1]->str, tried->element[1]->len });
        event_done(&own);
    }
    msgpack_zone_destroy(&zone);
    return is_true;
}

static int try_each(struct walk *walk, const redisReply *tried)
{
    for (size_t i = 0; i < tried->elements; i++) {
        AUTO_REPLY reply = NULL;
        if (!holds(walk->match, tried->element[i]))
            continue;
        int status = ask(walk, tried->element[i]->element[0]->str, &reply);
        if (status != 0)
            return status;
    }
    return 0;
}

/* "PREFIX{shard}:wait:<event> NUL <later side> NUL <value>", as key_of_wait() of waits.lua has it. The caller frees. */
static struct bytes index_of(const struct redis_store *store, const struct wait_match *match)
{
    AUTO_FREE char *head = keys_format(store_prefix(store, match->shard), "wait:%s", match->event);
    size_t size = strlen(head);
    char *key = xmalloc(size + 2 + match->later.size + match->value.size);
    char *at = key;

    memcpy(at, head, size + 1);
    at += size + 1;
    if (match->later.size > 0)
        memcpy(at, match->later.data, match->later.size);
    at += match->later.size;
    *at++ = '\0';
    if (match->value.size > 0)
        memcpy(at, match->value.data, match->value.size);
    return (struct bytes){ key, size + 2 + match->later.size + match->value.size };
}

/* Most events end no wait: that one command tells, at a tenth of what the script costs. A wait that is recorded from then on is
 * found by looking back, as where the script had run then. */
static int has_waits(struct redis_store *store, const struct wait_match *match, bool *ret_has)
{
    struct bytes key = index_of(store, match);
    const struct bytes words[] = { { "EXISTS", 6 }, key };
    AUTO_REPLY reply = NULL;
    int status = store_command(store, match->shard, COUNT_OF(words), words, &reply);

    free((char *)(uintptr_t)key.data);
    *ret_has = status == 0 && reply->integer != 0;
    return status;
}

int waits_match(struct store *port, const struct wait_match *match, struct wait_counts *ret_counts)
{
    struct walk walk = { .store = (struct redis_store *)port, .match = match, .counts = ret_counts };
    bool has_some;
    int looked = has_waits(walk.store, match, &has_some);

    if (looked != 0 || !has_some)
        return looked;
    do {
        AUTO_REPLY page = NULL;
        int status = ask(&walk, "", &page);
        if (status == 0)
            status = try_each(&walk, page->element[3]);
        if (status != 0)
            return status;
        (void)snprintf(walk.after, sizeof(walk.after), "%s", page->element[4]->str);
    } while (walk.after[0] != '\0');
    return 0;
}

/* ---- one whose answer nobody waits for ------------------------------------------------------------- */

struct later {
    struct request request; /* first */
    struct redis_store *store;
    struct pending_match *pending;
    struct script_call call;
};

/* A group tells how many it has ended (match_many.lua), match.lua all. */
static void hear_later(const struct later *later, const redisReply *reply)
{
    struct pending_match *pending = later->pending;
    int shard = pending->match.shard;

    if (reply->type == REDIS_REPLY_INTEGER) {
        pending->counts.ended = (size_t)reply->integer;
        pending->is_whole = true;
        if (reply->integer > 0)
            store_made_due(later->store, shard, store_shard_now_ms(later->store, shard));
        return;
    }
    count(later->store, shard, reply, &pending->counts);
    pending->is_whole = reply->element[3]->elements == 0 && reply->element[4]->len == 0;
}

static void later_done(struct request *request)
{
    struct later *later = (struct later *)request;
    struct pending_match *pending = later->pending;

    pending->status = request->status;
    pending->counts = (struct wait_counts){ 0 };
    pending->is_whole = false;
    if (request->status == 0) {
        hear_later(later, request->reply);
        freeReplyObject(request->reply);
    }
    free(later);
    pending->done(pending);
}

void waits_match_later(struct store *port, struct pending_match *pending)
{
    struct later *later = xmalloc(sizeof(*later));

    later->store = (struct redis_store *)port;
    later->pending = pending;
    begin_call(later->store, &pending->match, "", "", &later->call);
    later->call.group = GROUP_MATCHES;
    store_call_later(later->store, &later->call, &later->request, later_done);
}

int waits_list_kept(struct store *port, const struct run *run, const char *event,
                    void (*each)(void *context, const char *name, struct bytes outcome), void *context)
{
    struct redis_store *store = (struct redis_store *)port;
    AUTO_REPLY reply = NULL;
    struct script_call call;

    script_begin(&call, "kept", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add_text(&call, event);
    int status = store_call(store, &call, &reply);
    if (status != 0)
        return status;
    const redisReply *told = reply->element[2];
    for (size_t i = 0; i + 1 < told->elements; i += 2)
        each(context, told->element[i]->str, (struct bytes){ told->element[i + 1]->str, told->element[i + 1]->len });
    return 0;
}

/* ---- what readers have to know --------------------------------------------------------------------- */

#define PLACES_AT_ONCE 14 /* of a script's arguments, two a place */

static int confirm_some(struct redis_store *store, int shard, const struct confirmation *known, struct matched_place *places, size_t count,
                        redisReply **ret_reply)
{
    char names[PLACES_AT_ONCE][280];
    struct script_call call;

    script_begin(&call, "confirm", shard);
    script_add_number(&call, known->generation);
    script_add_text(&call, known->process);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "%s:%d", places[i].topic, (int)places[i].partition);
        script_add_text(&call, names[i]);
        script_add_number(&call, places[i].confirmed);
    }
    int status = store_call(store, &call, ret_reply);
    if (status != 0)
        return status;
    const redisReply *told = (*ret_reply)->element[5];
    for (size_t i = 0; i < count && i < told->elements; i++)
        places[i].matched = told->element[i]->integer;
    return 0;
}

static void tell(const redisReply *news, int shard, void (*listen)(void *context, int shard, const char *event, const char *later),
                 void *context)
{
    for (size_t i = 0; i < news->elements; i++) {
        const redisReply *watch = news->element[i];
        size_t size = strlen(watch->str);
        if (size < watch->len)
            listen(context, shard, watch->str, watch->str + size + 1);
    }
}

/* What it knew was of another process: it knows nothing yet. */
static bool is_another(const struct confirmation *known, const redisReply *reply)
{
    return strcmp(known->process, reply->element[0]->str) != 0;
}

int store_confirm(struct redis_store *store, int shard, struct confirmation *known, struct matched_place *places, size_t count,
                  const struct watch_listener *listener)
{
    struct confirmation asked = *known;
    size_t at = 0;

    do {
        AUTO_REPLY reply = NULL;
        size_t some = count - at < PLACES_AT_ONCE ? count - at : PLACES_AT_ONCE;
        int status = confirm_some(store, shard, &asked, places + at, some, &reply);
        if (status != 0)
            return status;
        if (is_another(&asked, reply)) {
            asked = (struct confirmation){ .generation = 0 };
            (void)snprintf(asked.process, sizeof(asked.process), "%s", reply->element[0]->str);
            at = 0;
            continue;
        }
        *known = asked;
        known->generation = reply->element[2]->integer;
        known->lowered = reply->element[3]->integer;
        tell(reply->element[6], shard, listener->forget, listener->context);
        tell(reply->element[4], shard, listener->add, listener->context);
        at += some;
    } while (at < count);
    return 0;
}
