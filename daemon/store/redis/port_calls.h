/* SPDX-License-Identifier: Apache-2.0 */
/* The part of run/ports.h by which runs call each other: scripts/post.lua says how that goes between shards. */
#ifndef STEPD_STORE_REDIS_PORT_CALLS_H
#define STEPD_STORE_REDIS_PORT_CALLS_H

#include <msgpack.h>

#include "store/redis/store_internal.h"

static inline struct redis_store *port_store(struct store *port)
{
    return (struct redis_store *)port; /* its first member */
}

/* Whether the change is one of a run that calls others, or was called, for which there are scripts of their own. */
bool port_is_calling(const struct run *run, const struct transition *change);
/* Their last arguments; `letter` and `look` live until the call has ended. */
void port_add_call(struct script_call *call, const struct transition *change, msgpack_sbuffer *letter, msgpack_sbuffer *look);
/* What has come for the run, where the change asks for that. */
void port_hear_look(const struct transition *change, const redisReply *reply);

int port_admit_called(struct store *port, const struct run *run, const struct flow_ask *ask, enum flow_answer *ret_answer);
int port_find_function(struct store *port, const char *id, bool *ret_is_known, enum run_placement *ret_placement);

#endif
