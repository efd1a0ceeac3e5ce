/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds_internal.h"

#include <string.h>

#include "store/redis/held.h"

/* Runs that were cancelled while nobody executed them: a worker brings out that they were. The heartbeat says whether there
 * are any. */

#define GIVE_AT_ONCE 10 /* as many as a claim */
#define STARVED_MS 3    /* there are some, but no worker is free */

static int64_t untold_when(struct rounds *rounds, int64_t now_ms)
{
    if (!rounds->has_untold || rounds->common->is_paused || rounds->common->is_leaving || !rounds->is_known)
        return NEVER;
    return rounds_free_workers(rounds) > 0 ? now_ms : now_ms + STARVED_MS;
}

static void untold_ask(struct rounds *rounds, struct script_call *call)
{
    size_t room = rounds_free_workers(rounds);

    rounds_promise(rounds, room < GIVE_AT_ONCE ? room : GIVE_AT_ONCE);
    script_add_number(call, (int64_t)rounds->promised);
}

static void give(struct rounds *rounds, const redisReply *run, int64_t now_ms)
{
    struct rounds_common *common = rounds->common;
    struct claimed *claimed = NULL;
    struct error error = { 0 };

    if (held_create(run, now_ms, &claimed, &error) != 0) {
        rounds_condemn(rounds, run->element[0]->str, error.text);
        return;
    }
    claimed->run.function = common->find_function(common->context, claimed->function_id);
    common->runs->ops->take_run(common->runs, claimed);
}

static void untold_hear(struct rounds *rounds, const redisReply *reply)
{
    const redisReply *runs = reply->element[2];

    for (size_t i = 0; i < runs->elements; i++)
        give(rounds, runs->element[i], reply->element[1]->integer);
    rounds->has_untold = reply->element[3]->integer > 0;
}

const struct errand ERRAND_UNTOLD = { .script = "untold", .when = untold_when, .ask = untold_ask, .hear = untold_hear };
