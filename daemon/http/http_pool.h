/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds all requests over HTTP that runs wait for: one thread, whatever their number, over connections that
 * are kept. A call belongs to who sends it, and comes back exactly once, through its `done`.
 */
#ifndef STEPD_HTTP_HTTP_POOL_H
#define STEPD_HTTP_HTTP_POOL_H

#include "base/error.h"
#include "base/memory.h"
#include "http/http_call.h"

struct http_pool;

/* At most so many calls of each share at once; others wait for those. */
struct http_pool *http_pool_create(const int limits[HTTP_SHARES]);
/* What was sent before goes out then. 0, or negative errno with the reason. */
int http_pool_start(struct http_pool *http_pool, struct error *ret_error) MUST_CHECK;
/* All its calls are done, or broken off: those are done by then. NULL is fine. */
void http_pool_destroy(struct http_pool *http_pool);

/* Any thread. */
void http_pool_send(struct http_pool *http_pool, struct http_call *call);
/* Any thread: it is to be done soon, broken off where it is not done by then. Once it is done its sender
 * must not ask this any more. */
void http_pool_break_off(struct http_pool *http_pool, struct http_call *call);

#endif
