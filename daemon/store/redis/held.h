/* SPDX-License-Identifier: Apache-2.0 */
/* A run as claim.lua hands it over, made into what dispatch takes. */
#ifndef STEPD_STORE_REDIS_HELD_H
#define STEPD_STORE_REDIS_HELD_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "run/claimed.h"

/* `claimed` is one run of the reply, [id, header, record, [checkpoint, …], turn, when that is]. It has no function yet, but
 * `function_id`. `now_ms`: the store's. 0, or -EBADMSG with the reason. Its `release` frees it. */
int held_create(const redisReply *claimed, int64_t now_ms, struct claimed **ret_claimed, struct error *ret_error) MUST_CHECK;

#endif
