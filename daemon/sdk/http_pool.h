/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds all calls to apps that are under way: one thread, whatever their number, over connections that
 * are kept. A call belongs to who sends it, and comes back exactly once, through its `done`.
 */
#ifndef STEPD_SDK_HTTP_POOL_H
#define STEPD_SDK_HTTP_POOL_H

#include "base/error.h"
#include "base/memory.h"
#include "sdk/call.h"

struct http_pool;

/* At most `limit` calls at once; others wait for those. */
struct http_pool *http_pool_create(int limit);
/* What was sent before goes out then. 0, or negative errno with the reason. */
int http_pool_start(struct http_pool *http_pool, struct error *ret_error) MUST_CHECK;
/* All its calls are done, or broken off: those are done by then. NULL is fine. */
void http_pool_destroy(struct http_pool *http_pool);

/* Any thread. */
void http_pool_send(struct http_pool *http_pool, struct call *call);
/* Any thread: it is to be done soon, broken off where it is not done by then. Once it is done its sender
 * must not ask this any more. */
void http_pool_break_off(struct http_pool *http_pool, struct call *call);

#endif
