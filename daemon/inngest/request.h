/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON and msgpack that goes to apps and into events: what is known of a run, in the SDKs' words. */
#ifndef STEPD_INNGEST_REQUEST_H
#define STEPD_INNGEST_REQUEST_H

#include <msgpack.h>
#include <stdbool.h>

#include <stepd/stepd.h>

/* Appends a call's body. `is_targeted`: one planned step alone is wanted, not what comes first. */
void request_write(struct stepd_ctx *ctx, bool is_targeted, msgpack_sbuffer *body);
/* Appends the data (msgpack) of an event of a run's end: what it failed of, or its result. */
void request_write_end(struct stepd_ctx *ctx, const char *function, const struct stepd_error *error, const msgpack_sbuffer *result,
                       msgpack_sbuffer *data);

#endif
