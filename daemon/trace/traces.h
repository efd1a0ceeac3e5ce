/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is traced: the port that run/trace.h asks for, over an outbox and a sender. What it is told by workers
 * becomes spans of which none waits for the collector.
 */
#ifndef STEPD_TRACE_TRACES_H
#define STEPD_TRACE_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "run/trace.h"

struct traces;

/* Texts are borrowed, as long as it lives. */
struct traces_settings {
    const char *url;   /* the collector's */
    double sample;     /* of runs of which no producer has decided: 0 to 1 */
    const char *group; /* of Kafka's */
    const char *version;
    size_t function_count; /* how many there may be */
};

struct traces_counts {
    uint64_t sent, dropped;
};

struct traces *traces_create(const struct traces_settings *settings);
int traces_start(struct traces *traces, struct error *ret_error) MUST_CHECK;
/* No worker runs any more. What the collector does not take in a moment is lost. NULL is fine. */
void traces_destroy(struct traces *traces);
struct tracer *traces_port(struct traces *traces);
/* Any thread. */
void traces_counts(struct traces *traces, struct traces_counts *ret_counts);
/* Any thread: exemplars of how long the function's attempts took, in µs. False: there are none. */
bool traces_exemplars(struct traces *traces, const struct function *function, struct metric_exemplar ret_row[static METRIC_EXEMPLARS]);

#endif
