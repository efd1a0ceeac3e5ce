/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registration asks of flow control, in the words of the SDKs, as the settings that stepd.h has for it. What
 * Inngest's server refuses is refused here, too; what stepd has no setting for is refused, never accepted and ignored.
 */
#ifndef STEPD_SDK_ASKED_H
#define STEPD_SDK_ASKED_H

#include <msgpack.h>
#include <stddef.h>

#include <stepd/stepd.h>

#include "base/memory.h"
#include "sdk/reading.h"

struct asked_flow {
    struct stepd_function given; /* its settings of flow control; points into what is kept */
    const char *batch_when;      /* events of which it is not true are batches of one; NULL: none are */
    void **kept;
    size_t kept_count;
};

/* The keys of a function that are read here; ended by NULL. */
extern const char *const ASKED_KEYS[];
/* 0, or -EINVAL with the sentence. asked_done() it in either case. */
int asked_read(const struct reading *reading, const msgpack_object *function, struct asked_flow *ret_asked) MUST_CHECK;
/* What was allocated lives as long as it. */
void *asked_keep(struct asked_flow *asked, void *kept);
void asked_done(struct asked_flow *asked);

#endif
