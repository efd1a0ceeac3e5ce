/* SPDX-License-Identifier: Apache-2.0 */
/* One whole JSON text through yajl's callbacks, without a malloc for what is not large. */
#ifndef STEPD_CODEC_YAJL_RUN_H
#define STEPD_CODEC_YAJL_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <yajl/yajl_parse.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "codec/packed.h"

/* Counts levels; a callback that opens one asks json_open() and answers as it did. */
struct json_depth {
    int depth;
    bool is_too_deep;
    bool is_out_of_range; /* a number that no double holds */
};

bool json_open(struct json_depth *depth);

/* Called before the first callback, for those that ask where yajl stands. */
typedef void (*yajl_begin_fn)(void *context, yajl_handle handle);

/* `depth` is where `context` keeps it, for the reason. 0, or -EBADMSG. */
int yajl_run(struct bytes text, const yajl_callbacks *callbacks, void *context, const struct json_depth *depth, yajl_begin_fn begin,
             struct error *ret_error) MUST_CHECK;

#endif
