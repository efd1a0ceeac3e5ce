/* SPDX-License-Identifier: Apache-2.0 */
/* What a step that waits for an event wants of it, as people are told. */
#ifndef STEPD_VIEW_WISH_H
#define STEPD_VIEW_WISH_H

#include <stdbool.h>

#include "run/run.h"

struct wish {
    char *event;
    char *when; /* NULL: each event of that name */
};

/* Of a checkpoint of kind WAITING. False: it waits for something else, and there is nothing to be undone. */
bool wish_read(const struct checkpoint *waiting, struct wish *ret_wish);
void wish_done(struct wish *wish);

#endif
