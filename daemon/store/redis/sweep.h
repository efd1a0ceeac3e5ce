/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slow walk over a shard's runs, some hundred keys ten times a second, for those that stand in no list by
 * which a run goes on: a key was deleted, evicted, or damaged. Each is put back where it belongs; those that
 * wait behind another of their key, one by one, since what they wait in is told by their records.
 * One worker of all does it at a time. Timer thread.
 */
#ifndef STEPD_STORE_REDIS_SWEEP_H
#define STEPD_STORE_REDIS_SWEEP_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/redis/script.h"

struct stray;

struct sweep {
    int64_t next_ms; /* of the next page; monotonic */
    char cursor[24];
    uint64_t lineage;     /* of the server that gave it */
    struct stray *strays; /* of the latest page: they wait behind another, or should */
};

void sweep_init(struct sweep *sweep);
void sweep_done(struct sweep *sweep);
/* The next page: sweep.lua's first argument. */
void sweep_ask(struct sweep *sweep, uint64_t lineage, struct script_call *call);
void sweep_hear(struct sweep *sweep, const redisReply *reply);
/* rejoin.lua, for the first stray. */
bool sweep_has_stray(const struct sweep *sweep);
void sweep_ask_of_stray(const struct sweep *sweep, struct script_call *call);
void sweep_drop_stray(struct sweep *sweep);

#endif
