/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/port_calls.h"

#include <stdlib.h>
#include <string.h>

#include "run/checkpoints.h"
#include "run/invoke.h"
#include "store/calls.h"
#include "store/redis/port_flow.h"
#include "store/redis/record.h"

#define KNOWN_MS 86400000 /* a function that no daemon has had for so long is unknown */

/* ---- changes of runs that call, or were called ---------------------------------------------------- */

/* Waits for events leave nothing behind but what `look` says is open. */
static bool has_called(const struct run *run)
{
    const struct checkpoint *checkpoint;
    struct invoke_view view;

    for (size_t i = 0; run->steps != NULL && (checkpoint = checkpoints_at(run->steps, i)) != NULL; i++) {
        if (checkpoint->kind == CHECKPOINT_WAITING && invoke_read(checkpoint->value, &view))
            return true;
    }
    return false;
}

bool port_is_calling(const struct run *run, const struct transition *change)
{
    bool is_end = change->kind == TRANSITION_FINISH || change->kind == TRANSITION_BURY;
    bool is_wait = change->kind == TRANSITION_PARK && change->status == RUN_WAITING;

    if (change->wait != NULL)
        return false; /* has scripts of its own, which change nothing of this */
    return run->is_invoked || change->callee != NULL || change->call_off != NULL || change->look != NULL || is_wait ||
           (is_end && has_called(run));
}

static void pack_member(msgpack_packer *packer, const char *name, struct bytes value)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
    msgpack_pack_str_with_body(packer, value.data != NULL ? value.data : "", value.size);
}

/* Whose caller is of none but the shard that the letter is from. */
static void write_letter(const struct callee *callee, struct bytes caller, msgpack_sbuffer *letter)
{
    const struct run *run = callee->run;
    msgpack_sbuffer body;
    msgpack_packer packer;

    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&packer, &body, msgpack_sbuffer_write);
    record_pack_body(&packer, run);
    msgpack_sbuffer_write(letter, run->id.text, RUN_ID_LENGTH);
    msgpack_packer_init(&packer, letter, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 6);
    pack_member(&packer, "fn", (struct bytes){ run->function->id, strlen(run->function->id) });
    msgpack_pack_str_with_body(&packer, "epoch", 5);
    msgpack_pack_uint32(&packer, run->first_epoch);
    pack_member(&packer, "caller", caller);
    pack_member(&packer, "head", callee->head);
    pack_member(&packer, "middle", callee->middle);
    pack_member(&packer, "body", (struct bytes){ body.data, body.size });
    msgpack_sbuffer_destroy(&body);
}

/* What the answer is to be made of, as mail.lua has it. */
static void write_around(struct bytes head, struct bytes middle, msgpack_sbuffer *around)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, around, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_str_with_body(&packer, head.data, head.size);
    msgpack_pack_str_with_body(&packer, middle.data, middle.size);
}

static void pack_calls(const struct wait_look *look, msgpack_packer *packer)
{
    msgpack_sbuffer around;

    msgpack_sbuffer_init(&around);
    msgpack_pack_array(packer, look->call_count);
    for (size_t i = 0; i < look->call_count; i++) {
        const struct call_made *made = &look->calls[i];
        msgpack_sbuffer_clear(&around);
        if (made->head.size > 0)
            write_around(made->head, made->middle, &around);
        msgpack_pack_array(packer, 2);
        msgpack_pack_str_with_body(packer, made->run_id.data, made->run_id.size);
        msgpack_pack_str_with_body(packer, around.size > 0 ? around.data : "", around.size);
    }
    msgpack_sbuffer_destroy(&around);
}

/* As calling.lua reads it. */
static void pack_look(const struct wait_look *look, msgpack_sbuffer *packed)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, packed, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    msgpack_pack_str_with_body(&packer, "known", 5);
    msgpack_pack_uint64(&packer, look->known);
    msgpack_pack_str_with_body(&packer, "called", 6);
    msgpack_pack_uint64(&packer, look->called);
    msgpack_pack_str_with_body(&packer, "calls", 5);
    pack_calls(look, &packer);
    msgpack_pack_str_with_body(&packer, "waits", 5);
    msgpack_pack_array(&packer, look->count);
    for (size_t i = 0; i < look->count; i++) {
        msgpack_pack_array(&packer, 3);
        msgpack_pack_uint64(&packer, look->waits[i].position);
        msgpack_pack_int64(&packer, look->waits[i].until_ms);
        msgpack_pack_str_with_body(&packer, look->waits[i].head.data, look->waits[i].head.size);
    }
}

/* The run that changes is its script's first argument. */
void port_add_call(struct script_call *call, const struct transition *change, msgpack_sbuffer *letter, msgpack_sbuffer *look)
{
    size_t size = 0;

    if (change->callee != NULL) {
        write_letter(change->callee, call->arguments[0], letter);
        size = letter->size;
        write_around(change->callee->head, change->callee->middle, letter);
    }
    script_add_text(call, change->callee != NULL ? change->callee->run->id.text : "");
    script_add(call, (struct bytes){ letter->data, size });
    script_add(call, (struct bytes){ size > 0 ? letter->data + size : "", letter->size - size });
    script_add_text(call, change->call_off != NULL ? change->call_off->text : "");
    script_add(call, change->told);
    if (change->look != NULL)
        pack_look(change->look, look);
    script_add(call, (struct bytes){ look->size > 0 ? look->data : "", look->size });
}

void port_hear_look(const struct transition *change, const redisReply *reply)
{
    if (change->kind != TRANSITION_PHASE || change->look == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements < 7)
        return;
    const redisReply *come = reply->element[6];
    for (size_t i = 0; i < come->elements; i++)
        change->look->add(change->look->context, change->look->known + i,
                          (struct bytes){ come->element[i]->str, (size_t)come->element[i]->len });
    if (reply->elements > 7 && reply->element[7]->integer != 0)
        change->look->lack(change->look->context);
}

/* ---- before a run that was called begins ---------------------------------------------------------- */

int port_admit_called(struct store *port, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer)
{
    static const struct run_id no_older_id = { "" };
    struct redis_store *store = port_store(port);
    AUTO_REPLY reply = NULL;
    struct script_call call;
    msgpack_sbuffer packed;
    msgpack_packer packer;

    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    port_pack_ask(&packer, store, run, ask, &no_older_id);
    script_begin(&call, "admit_called", store_shard_of(store, run->id.text));
    script_add_text(&call, run->id.text);
    script_add_owner(&call, &run->owner);
    script_add_text(&call, run->function->id);
    script_add_number(&call, run->epoch);
    script_add(&call, (struct bytes){ packed.data, packed.size });
    int status = store_call(store, &call, &reply);
    msgpack_sbuffer_destroy(&packed);
    if (status != 0)
        return status;
    *ret_answer = (enum flow_answer)reply->element[0]->integer;
    if (reply->element[2]->integer != 0)
        store_made_due_in_line(store, call.shard, run->function, reply->element[2]->integer);
    if (*ret_answer != FLOW_BEGINS && *ret_answer != FLOW_IN_LINE)
        store_posted(store, call.shard);
    return 0;
}

/* ---- functions of all daemons --------------------------------------------------------------------- */

int port_find_function(struct store *port, const char *id, bool *ret_is_known, enum run_placement *ret_placement)
{
    struct redis_store *store = port_store(port);
    AUTO_FREE char *key = xasprintf("%sfunctions", store_prefix(store, 0));
    const struct bytes words[] = { { "HGET", 4 }, { key, strlen(key) }, { id, strlen(id) } };
    AUTO_REPLY reply = NULL;
    char *end = NULL;
    int status = store_command(store, 0, 3, words, &reply);

    if (status != 0)
        return status;
    *ret_is_known = reply->type == REDIS_REPLY_STRING && store_now_ms(store) - strtoll(reply->str, &end, 10) < KNOWN_MS;
    if (*ret_is_known)
        *ret_placement = *end == ' ' && end[1] >= '0' && end[1] <= '2' ? (enum run_placement)(end[1] - '0') : PLACED_BY_ID;
    return 0;
}

/* ---- calls from outside --------------------------------------------------------------------------- */

int calls_start(struct redis_store *store, const struct callee *callee)
{
    AUTO_FREE char *name = xasprintf("S%s", callee->run->id.text);
    AUTO_REPLY reply = NULL;
    struct script_call call;
    msgpack_sbuffer letter;

    msgpack_sbuffer_init(&letter);
    write_letter(callee, (struct bytes){ "", 0 }, &letter);
    script_begin(&call, "deliver", store_shard_of(store, callee->run->id.text));
    script_add_number(&call, 0);
    script_add_text(&call, name);
    script_add(&call, (struct bytes){ letter.data, letter.size });
    int status = store_call(store, &call, &reply);
    msgpack_sbuffer_destroy(&letter);
    return status;
}

static struct bytes member_of(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == strlen(name) &&
            memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0 && pair->val.type == MSGPACK_OBJECT_STR)
            return (struct bytes){ pair->val.via.str.ptr, pair->val.via.str.size };
    }
    return (struct bytes){ 0 };
}

int calls_answer(struct redis_store *store, const char *run_id, struct checkpoints *ret_steps, bool *ret_is_answered)
{
    int shard = store_shard_of(store, run_id);
    AUTO_REPLY reply = NULL;
    msgpack_unpacked called;
    int status = store_commandf(store, shard, &reply, "GET %scalled:%s", store_prefix(store, shard), run_id);

    *ret_is_answered = false;
    if (status != 0 || reply->type != REDIS_REPLY_STRING)
        return status;
    msgpack_unpacked_init(&called);
    if (msgpack_unpack_next(&called, reply->str, (size_t)reply->len, NULL) == MSGPACK_UNPACK_SUCCESS) {
        struct bytes answer = member_of(&called.data, "answer");
        *ret_is_answered = answer.size > 0 && checkpoints_load(ret_steps, 0, answer, NULL) == 0;
    }
    msgpack_unpacked_destroy(&called);
    return 0;
}
