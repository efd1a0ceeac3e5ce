/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/held.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "store/redis/record.h"

/* A claimed run with all that it points into. */
struct held {
    struct claimed claimed; /* first */
    struct event event;
    struct event *more; /* further ones of a run of several */
    struct bundle bundle;
    struct failure last;
    struct record record;
    msgpack_zone zone;
    char *data; /* the record's bytes */
};

static_assert(offsetof(struct held, claimed) == 0, "release() is given the claimed run");

static void release(struct claimed *claimed)
{
    struct held *held = (struct held *)claimed;

    checkpoints_destroy(held->claimed.run.steps);
    if (held->event.view.topic != NULL)
        event_done(&held->event);
    for (size_t i = 0; held->more != NULL && i < held->record.more_count; i++)
        event_done(&held->more[i]);
    free(held->more);
    free(held->bundle.events);
    msgpack_zone_destroy(&held->zone);
    free(held->data);
    free(held);
}

static int load_steps(struct held *held, const redisReply *members, struct error *ret_error)
{
    struct run *run = &held->claimed.run;

    if (members->elements != 0)
        run->steps = checkpoints_create();
    for (size_t i = 0; i < members->elements; i++) {
        const redisReply *member = members->element[i];
        int status = checkpoints_load(run->steps, i, (struct bytes){ member->str, (size_t)member->len }, ret_error);
        if (status != 0)
            return status;
    }
    return 0;
}

static void fill_run(struct held *held, const char *id, int64_t now_ms)
{
    const struct record *record = &held->record;
    struct run *run = &held->claimed.run;

    run->event = &held->event;
    run->bundle = held->bundle.count > 0 ? &held->bundle : NULL;
    memcpy(run->id.text, id, RUN_ID_LENGTH + 1);
    run->attempt = record->attempt;
    run->phase = record->phase;
    run->epoch = record->epoch;
    run->owner = record->owner;
    run->takeovers = record->takeovers;
    run->unclean = record->unclean;
    run->is_to_end = (record->flags & RECORD_CANCEL) != 0;
    run->is_cancelled = record->status == RUN_ENDING;
    run->tell_by_ms = run->is_cancelled ? record->changed_ms : 0;
    run->notes = (struct run_notes){ .next = record->checkpoints, .state_bytes = record->state_bytes };
    run->created_ms = record->created_ms;
    run->now_ms = now_ms;
    run->is_invoked = (record->flags & RECORD_INVOKED) != 0;
    run->is_unasked = (record->flags & RECORD_UNASKED) != 0;
    run->is_limited = (record->flags & RECORD_FLOW) != 0;
    run->tail = record->tail;
    if (attempt_log_last_failure(record->tail, &held->last))
        run->last = &held->last;
    held->claimed.function_id = record->function;
    held->claimed.release = release;
}

/* Whether its bytes can be read is for the run to find out: a function of a topic takes any. */
static void begin_event(struct held *held)
{
    const struct record *record = &held->record;

    record_init_event(record, &held->event);
    (void)!event_find_name(&held->event, NULL);
}

static void begin_more(struct held *held)
{
    size_t count = held->record.more_count;

    assert(count > 0 && held->more == NULL);
    held->more = xcalloc(count, sizeof(*held->more));
    held->bundle = (struct bundle){ .events = xcalloc(count + 1, sizeof(*held->bundle.events)), .count = count + 1 };
    held->bundle.events[0] = &held->event;
    for (size_t i = 0; i < count; i++) {
        record_init_more(&held->record, i, &held->more[i]);
        (void)!event_find_name(&held->more[i], NULL);
        held->bundle.events[i + 1] = &held->more[i];
    }
}

int held_create(const redisReply *claimed, int64_t now_ms, struct claimed **ret_claimed, struct error *ret_error)
{
    if (claimed->elements < 4)
        return error_set(ret_error, EBADMSG, "it is lost, or not of this version");
    const redisReply *header = claimed->element[1];
    const redisReply *bytes = claimed->element[2];
    struct held *held = xcalloc(1, sizeof(*held));

    held->data = xmemdup(bytes->str, (size_t)bytes->len + 1);
    memcpy(held->data, header->str, RECORD_HEADER_SIZE);
    if (!msgpack_zone_init(&held->zone, 1024))
        abort();
    int status = record_decode((struct bytes){ held->data, (size_t)bytes->len }, &held->zone, &held->record, ret_error);
    if (status == 0) {
        begin_event(held);
        if (held->record.more_count > 0)
            begin_more(held);
        status = load_steps(held, claimed->element[3], ret_error);
    }
    if (status != 0) {
        release(&held->claimed);
        return -EBADMSG;
    }
    fill_run(held, claimed->element[0]->str, now_ms);
    if (claimed->elements > 4)
        held->claimed.run.turn = (enum run_turn)claimed->element[4]->integer;
    *ret_claimed = &held->claimed;
    return 0;
}
