/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rounds_internal.h"

/* Debounced runs that are due are let into their lines. When the first is due the heartbeat says, and who admits one here. */

static int64_t ripen_when(struct rounds *rounds, int64_t now_ms)
{
    if (rounds->ripe_ms == NEVER || rounds->common->is_paused || rounds->common->is_leaving || !rounds->is_known)
        return NEVER;
    int64_t wait_ms = rounds->ripe_ms - store_shard_now_ms(rounds_store(rounds), rounds->shard);
    return wait_ms > 0 ? now_ms + wait_ms : now_ms;
}

static void ripen_ask(struct rounds *rounds, struct script_call *call)
{
    (void)call;
    rounds->ripe_ms = NEVER; /* rounds_expect_ripe() may know better meanwhile */
}

static void ripen_hear(struct rounds *rounds, const redisReply *reply)
{
    const struct rounds_common *common = rounds->common;
    const redisReply *joined = reply->element[3];
    const redisReply *refused = reply->element[4];

    for (size_t i = 0; i < joined->elements; i++) {
        const struct function *function = common->find_function(common->context, joined->element[i]->str);
        if (function != NULL)
            rounds_see_line(rounds, function, 0);
    }
    for (size_t i = 0; i + 1 < refused->elements; i += 2) {
        const struct function *function = common->find_function(common->context, refused->element[i]->str);
        if (function != NULL)
            common->runs->ops->refused(common->runs, function, (enum flow_answer)refused->element[i + 1]->integer);
    }
    rounds_expect_ripe(rounds, reply->element[2]->integer);
}

const struct errand ERRAND_RIPEN = { .script = "ripen", .when = ripen_when, .ask = ripen_ask, .hear = ripen_hear };

void rounds_expect_ripe(struct rounds *rounds, int64_t due_ms)
{
    if (due_ms >= 0 && due_ms < rounds->ripe_ms)
        rounds->ripe_ms = due_ms;
}
