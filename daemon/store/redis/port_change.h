/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of a run as its scripts read it, and as they answer: change.lua says what stands where. Pure: what it takes is
 * the run, the change, and the store's settings.
 */
#ifndef STEPD_STORE_REDIS_PORT_CHANGE_H
#define STEPD_STORE_REDIS_PORT_CHANGE_H

#include "store/redis/store_internal.h"

#define CHANGE_SIZE_MOST 153 /* bytes of one that is packed, at the most */
#define CHANGE_HEAD_SIZE 48  /* the first bytes of a header, up to its owner */

/* The store's time as it is known here: what it asks of Redis is a microsecond's work. */
struct change_times {
    int64_t now_ms;
    int64_t due_ms; /* PARK */
};
struct change_times change_times_of(struct redis_store *store, const struct run *run, const struct transition *change);

/* Both return what they have written to `ret_bytes`: the change, and the header of the record that it makes of a run which the
 * store does not know yet. */
struct bytes change_pack(const struct redis_store *store, const struct run *run, const struct transition *change,
                         const struct change_times *times, char ret_bytes[CHANGE_SIZE_MOST]);
struct bytes change_pack_head(const struct run *run, const struct transition *change, const struct change_times *times, size_t body_size,
                              char ret_bytes[CHANGE_HEAD_SIZE]);

/* Whether it is a checkpoint that its owner adds without a script: scripts/added.lua. */
bool change_may_push(const struct redis_store *store, const struct run *run, const struct transition *change);
/* What is to be known of the run once it is made; `added`: how many checkpoints are in the list that there is then. */
struct run_notes change_notes_after(const struct run *run, const struct transition *change, uint32_t added);

/* A script's answer to it: … */
struct transition_reply change_read_answer(const struct run *run, const struct script_call *call, const struct change_times *times,
                                           const redisReply *reply);
/* … how many checkpoints are in the list that was made by it; 0: none was … */
uint32_t change_list_length(const struct run *run, const struct transition *change, const redisReply *reply);
/* … and when a run became due by it; 0: none did. */
int64_t change_wake_ms(const struct transition *change, const struct transition_reply *answer, const redisReply *reply);

#endif
