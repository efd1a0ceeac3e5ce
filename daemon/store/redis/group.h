/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of many runs in the same breath goes out as one call of a script: the last changes of attempts (advance_later) and events
 * that may end waits (match_later), for which nobody waits, and runs that are to wait in line (admit). The group is there on the wire
 * alone: each request has its own answer, and whatever the script leaves alone, or Redis refuses, or a lost link leaves open, is asked
 * again by itself, as any request is. So a crash before or after a group leaves what as many calls would, one after another.
 */
#ifndef STEPD_STORE_REDIS_GROUP_H
#define STEPD_STORE_REDIS_GROUP_H

#include "store/redis/request.h"

#define GROUP_MOST 64
#define GROUP_BYTES ((size_t)256 << 10) /* a run's event is among them */

/* Those that gather, of one kind and for one shard; a lane's. */
struct gathering {
    struct request_list members;
    size_t count, bytes;
};

void gathering_init(struct gathering *gathering);
/* A request of its kind, script_call.group. False: not with those that gather; the caller sends those first, and tries again. */
bool gathering_add(struct gathering *gathering, struct request *request);
/* All that gather as one request, which is the caller's to send; a lone one as itself. NULL: none do. */
struct request *gathering_take(struct gathering *gathering, const char *shard_prefix);

bool request_is_group(const struct request *request);
/* It is no more: its members, in order. */
void group_dissolve(struct request *group, struct request_list *ret_members);
/* How many they are. */
size_t group_count(const struct request *group);

#endif
