/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/port_change.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "base/digits.h"
#include "config/history_kept.h"
#include "store/redis/port_calls.h"
#include "store/redis/record.h"

/* ---- a change, as change.lua reads it: one argument, since each costs Redis some 100 ns ----------- */

#define CHANGE_NOW 65
#define CHANGE_TIMES 29 /* the store's time, and when it is due, in digits: Redis prints a number more slowly than we do */
#define CHANGE_NEW 48   /* of a run that is taken over: created, offset, until when its owner's lease is, likewise */
#define CHANGE_FIXED (CHANGE_NOW + CHANGE_TIMES + CHANGE_NEW)
#define CHANGE_POSITION 11 /* and the position once more, in digits */

static_assert(CHANGE_FIXED + CHANGE_POSITION == CHANGE_SIZE_MOST, "port_change.h says how large");

struct change_times change_times_of(struct redis_store *store, const struct run *run, const struct transition *change)
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

/* Redis reads a negative number, too: as many places, the sign among them. */
static char *put_wide(char *to, int64_t number, size_t width)
{
    if (number >= 0)
        return digits_put_wide(to, (uint64_t)number, width);
    *to = '-';
    return digits_put_wide(to + 1, -(uint64_t)number, width - 1);
}

/* ---- checkpoints that their owner adds by himself: scripts/added.lua ---------------------------------- */

#define IN_A_ROW 1 /* checkpoints of a run without a list, before one is made: most runs that wake up make one, and sleep again */

/* The next one, and nothing else with it. */
static bool is_plain_checkpoint(const struct run *run, const struct transition *change)
{
    return change->kind == TRANSITION_CHECKPOINT && change->checkpoint.size > 0 && !change->clears_started && change->tail.data == NULL &&
           change->position == run->notes.next && !run_is_ordered(run) && run->bundle == NULL && change->wait == NULL &&
           !port_is_calling(run, change);
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
bool change_may_push(const struct redis_store *store, const struct run *run, const struct transition *change)
{
    const struct run_notes *notes = &run->notes;

    assert(run->epoch > 0 || notes->added == 0);
    return notes->added > 0 && is_plain_checkpoint(run, change) && change->attempt == 0 && change->phase == run->phase &&
           notes->state_bytes + change->checkpoint.size <= store_settings(store)->state_bytes;
}

struct run_notes change_notes_after(const struct run *run, const struct transition *change, uint32_t added)
{
    bool is_next = is_plain_checkpoint(run, change);

    assert(change->position < UINT32_MAX);
    return (struct run_notes){
        .next = change->checkpoint.size > 0 ? (uint32_t)change->position + 1 : run->notes.next,
        .added = added,
        .in_a_row = is_next && added == 0 ? run->notes.in_a_row + 1 : 0,
        .state_bytes = run->notes.state_bytes + change->checkpoint.size,
    };
}

/* ---- packed, and read back ------------------------------------------------------------------------ */

/* Epoch and position stand where the record's header has epoch and number of checkpoints: record.h. */
struct bytes change_pack(const struct redis_store *store, const struct run *run, const struct transition *change,
                         const struct change_times *times, char ret_bytes[CHANGE_SIZE_MOST])
{
    static const char KINDS[] = {
        [TRANSITION_CHECKPOINT] = 'C', [TRANSITION_PARK] = 'P', [TRANSITION_PHASE] = 'H',
        [TRANSITION_FINISH] = 'F',     [TRANSITION_BURY] = 'B',
    };
    const struct store_settings *settings = store_settings(store);

    assert((size_t)change->kind < sizeof(KINDS));
    assert(change->phase <= RUN_IN_ON_FAILURE);
    assert(change->attempt >= 0);
    assert(change->kind != TRANSITION_PARK || change->status != 0);
    memset(ret_bytes, 0, CHANGE_SIZE_MOST);
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
    (void)put_wide(put_wide(ret_bytes + CHANGE_NOW, times->now_ms, 13), times->due_ms, 16);
    if (run->epoch == 0) {
        char *at = put_wide(ret_bytes + CHANGE_NOW + CHANGE_TIMES, run->created_ms, 16);
        (void)put_wide(put_wide(at, run->event->view.offset, 19), times->now_ms + settings->lease_ms, 13);
    }
    const char *end = digits_put(ret_bytes + CHANGE_FIXED, (uint32_t)change->position);
    return (struct bytes){ ret_bytes, (size_t)(end - ret_bytes) };
}

struct bytes change_pack_head(const struct run *run, const struct transition *change, const struct change_times *times, size_t body_size,
                              char ret_bytes[CHANGE_HEAD_SIZE])
{
    static const char STATUSES[] = { [TRANSITION_FINISH] = RUN_COMPLETED, [TRANSITION_BURY] = RUN_FAILED };
    bool is_parked = change->kind == TRANSITION_PARK;
    bool has_ended = change->kind == TRANSITION_FINISH || change->kind == TRANSITION_BURY;

    assert(run->epoch == 0);
    assert(body_size > 0);
    memset(ret_bytes, 0, CHANGE_HEAD_SIZE);
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
    return (struct bytes){ ret_bytes, CHANGE_HEAD_SIZE };
}

struct transition_reply change_read_answer(const struct run *run, const struct script_call *call, const struct change_times *times,
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

uint32_t change_list_length(const struct run *run, const struct transition *change, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_INTEGER)
        return takes_with_list(run, change) ? 1 : 0;
    return reply->elements > 5 ? (uint32_t)reply->element[5]->integer : 0;
}

int64_t change_wake_ms(const struct transition *change, const struct transition_reply *answer, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER)
        return reply->element[4]->integer;
    return change->kind == TRANSITION_PARK && answer->answer == STORE_OK ? answer->due_ms : 0;
}
