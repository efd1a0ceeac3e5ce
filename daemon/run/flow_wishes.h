/* SPDX-License-Identifier: Apache-2.0 */
/* Later events that mean something to each run of a function from the moment that it is recorded: they cancel it, or are kept for it. Compiled
 * with the function's settings, constant then. */
#ifndef STEPD_RUN_FLOW_WISHES_H
#define STEPD_RUN_FLOW_WISHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "codec/expression.h"

#define FLOW_WISHES_MOST 16

enum flow_wish_kind {
    FLOW_WISH_CANCEL = 'x', /* it cancels the run */
    FLOW_WISH_EXPECT = 'e', /* it is kept until the run waits for it */
};

struct flow_wish {
    enum flow_wish_kind kind;
    const char *event;
    const char *when; /* as it is written; NULL: each event */
    int64_t timeout_ms;
    struct expression *expression; /* NULL: none */
    struct expression_equality equality;
    char *later; /* how its later side is written; "": it has no equality */
};

struct flow_wishes {
    struct flow_wish items[FLOW_WISHES_MOST];
    size_t count;
};

/* Adds the wishes of a declaration, which is sound: names, times and number were looked at. `refuse` hears of a condition that
 * can't be read. */
void flow_wishes_add_cancels(struct flow_wishes *wishes, const struct stepd_cancels *cancels,
                             void (*refuse)(void *context, const char *setting, const char *text), void *context);
void flow_wishes_add_expects(struct flow_wishes *wishes, const struct stepd_expecteds *expects,
                             void (*refuse)(void *context, const char *setting, const char *text), void *context);
/* Whether events of that name are kept for its runs. */
bool flow_wishes_expect(const struct flow_wishes *wishes, const char *event);
/* Whether a condition to cancel has no equality by which runs are found. */
bool flow_wishes_try_cancels(const struct flow_wishes *wishes);
void flow_wishes_done(struct flow_wishes *wishes);

#endif
