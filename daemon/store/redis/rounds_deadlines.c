/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Runs whose time to begin, or to end, is over are cancelled. When the first one's is the heartbeat says. Time during which
 * their function is paused does not count, so that is noted as long as it is. */

#define LOOK_EVERY_MS 1000  /* at functions that have such runs; */
#define PAUSED_EVERY_MS 500 /* while one is paused */
#define TIMED_MOST 1000     /* functions that are known to have such runs */

enum state { STATE_THERE, STATE_PAUSED, STATE_ABSENT };

static enum state state_of(const struct rounds *rounds, const char *name)
{
    const struct rounds_common *common = rounds->common;
    const struct function *function = common->find_function(common->context, name);

    if (function == NULL)
        return STATE_ABSENT;
    return common->runs->ops->is_paused(common->runs, function) ? STATE_PAUSED : STATE_THERE;
}

static bool is_any_paused(const struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->timed_count; i++) {
        if (state_of(rounds, rounds->timed[i]) == STATE_PAUSED)
            return true;
    }
    return false;
}

void rounds_see_deadline(struct rounds *rounds, int64_t first_ms)
{
    rounds->deadline_ms = first_ms >= 0 ? first_ms : NEVER;
    if (first_ms >= 0 && rounds->next_expire_ms == NEVER)
        rounds->next_expire_ms = clock_monotonic_ms();
}

static int64_t expire_when(struct rounds *rounds, int64_t now_ms)
{
    if (rounds->deadline_ms == NEVER || rounds->common->is_paused || rounds->common->is_leaving || !rounds->is_known)
        return NEVER;
    int64_t wait_ms = rounds->deadline_ms - store_shard_now_ms(rounds_store(rounds), rounds->shard);
    int64_t due_ms = wait_ms > 0 ? now_ms + wait_ms : now_ms;
    return due_ms < rounds->next_expire_ms ? due_ms : rounds->next_expire_ms;
}

static void expire_ask(struct rounds *rounds, struct script_call *call)
{
    msgpack_sbuffer *states = &rounds->states;
    msgpack_packer packer;

    msgpack_sbuffer_clear(states);
    msgpack_packer_init(&packer, states, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, rounds->timed_count);
    for (size_t i = 0; i < rounds->timed_count; i++) {
        msgpack_pack_str_with_body(&packer, rounds->timed[i], strlen(rounds->timed[i]));
        msgpack_pack_int(&packer, (int)state_of(rounds, rounds->timed[i]));
    }
    script_add(call, (struct bytes){ store_history_letter(rounds_store(rounds)), 1 });
    script_add(call, (struct bytes){ states->data, states->size });
}

static void look_up(struct rounds *rounds, const char *name)
{
    for (size_t i = 0; i < rounds->timed_count; i++) {
        if (strcmp(rounds->timed[i], name) == 0)
            return;
    }
    if (rounds->timed_count == TIMED_MOST)
        free(rounds->timed[--rounds->timed_count]);
    rounds->timed = xrealloc(rounds->timed, (rounds->timed_count + 1) * sizeof(char *));
    rounds->timed[rounds->timed_count++] = xstrdup(name);
}

static void expire_hear(struct rounds *rounds, const redisReply *reply)
{
    const redisReply *unknown = reply->element[3];

    for (size_t i = 0; i < unknown->elements; i++)
        look_up(rounds, unknown->element[i]->str);
    rounds->deadline_ms = reply->element[2]->integer >= 0 ? reply->element[2]->integer : NEVER;
    rounds->next_expire_ms = clock_monotonic_ms() + (is_any_paused(rounds) ? PAUSED_EVERY_MS : LOOK_EVERY_MS);
    if (rounds->deadline_ms == NEVER)
        rounds->next_expire_ms = NEVER;
    if (reply->element[4]->integer > 0)
        rounds_expect(rounds, reply->element[4]->integer);
    rounds->has_untold = rounds->has_untold || reply->element[0]->integer > 0;
}

const struct errand ERRAND_EXPIRE = { .script = "expire", .when = expire_when, .ask = expire_ask, .hear = expire_hear };

void rounds_deadlines_done(struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->timed_count; i++)
        free(rounds->timed[i]);
    free(rounds->timed);
    msgpack_sbuffer_destroy(&rounds->states);
}
