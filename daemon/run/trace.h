/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a run stands in the trace that its event is part of (W3C Trace Context), and the port to whoever keeps traces.
 * All of it follows from the run's id and its event, so that whichever daemon makes whichever attempt says the same:
 * the trace is the producer's, or has the run's id; the run's span has an id made of the run's.
 */
#ifndef STEPD_RUN_TRACE_H
#define STEPD_RUN_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "run/context.h"

#define TRACE_ID_SIZE 16
#define TRACE_PARENT_SIZE 56 /* "00-<32 hex>-<16 hex>-01" and the NUL */

struct attempt_report; /* run/attempt.h */

struct trace_place {
    uint8_t id[TRACE_ID_SIZE];
    uint64_t parent; /* the producer's span; 0: it gave none that can be read, and then the next is false */
    bool is_sampled; /* the producer's decision */
    uint64_t run;    /* the run's own span */
};

/* Whether the run is traced: as its producer decided, else where the end of its id, as a number of 64 bits, is below `threshold`. It is
 * asked of each attempt, and costs no more than that. */
bool trace_is_wanted(const struct run *run, uint64_t threshold);

struct trace_place trace_place_of(const struct run *run);
/* What those are told whom the attempt calls or wakes: its own span is their parent. False: nothing, or what the producer
 * said. */
bool trace_parent_text(const struct stepd_ctx *ctx, char ret_text[static TRACE_PARENT_SIZE]);

struct tracer {
    const struct tracer_ops *ops;
};

/* A worker thread, or a crew's. None of them waits for anybody. */
struct tracer_ops {
    /* An attempt begins: sets run->span where the run is traced. */
    void (*begin)(struct tracer *tracer, struct run *run);
    /* Of a run with a span. The code of a step has ended; `failure` NULL: well. */
    void (*step)(struct tracer *tracer, const struct run *run, const struct step_call *step, int64_t begun_ns,
                 const struct failure *failure);
    /* Likewise, an attempt. */
    void (*end)(struct tracer *tracer, const struct run *run, const struct attempt_report *report);
};

/* What ctx->step came to, at the end of its code; begun_ns is monotonic. Of one that ran elsewhere all that is known is
 * when its attempt left for it. */
void trace_step_of(struct stepd_ctx *ctx, int64_t begun_ns, const struct failure *failure);
static inline void trace_step(struct stepd_ctx *ctx, int64_t begun_ns, const struct failure *failure)
{
    if (ctx->run->span != 0)
        trace_step_of(ctx, begun_ns, failure);
}

#endif
