/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of metrics in Prometheus's text format, or in OpenMetrics', which it grew into: families, one after another,
 * each with its samples.
 * What is counted, and where, is each part's own; the page is written when somebody asks for it.
 */
#ifndef STEPD_BASE_METRICS_H
#define STEPD_BASE_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/histogram.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics_page {
    FILE *out;
    bool is_open;     /* OpenMetrics: with exemplars, and an end that metrics_end() writes */
    const char *name; /* of the family that is written */
};

struct metric_label {
    const char *name;
    const char *value; /* any text */
};

/* What a histogram's values are, and which buckets are told: those that end at 2^first to 2^last. */
struct metric_scale {
    double unit; /* one of its values in that of the metric: 1e-6 for microseconds in seconds */
    unsigned first;
    unsigned last;
};

/* A traced one of those that a histogram counted. */
struct metric_exemplar {
    char trace_id[33]; /* empty: there is none */
    char span_id[17];
    double value; /* the histogram's */
    int64_t at_ms;
};
/* One for each doubling: of what is above 2^(i-1), up to 2^i. */
#define METRIC_EXEMPLARS (HISTOGRAM_BUCKETS / 2 + 1)

static inline size_t metric_exemplar_of(double value)
{
    return (histogram_bucket(value) + 1) / 2;
}

/* A family begins. `name` without the prefix "stepd_"; borrowed until the next. */
void metrics_family(struct metrics_page *page, enum metric_kind kind, const char *name, const char *help);
/* Its next sample. `labels` end with one that has no name; NULL: none. */
void metrics_put(struct metrics_page *page, const struct metric_label *labels, double value);
void metrics_put_histogram(struct metrics_page *page, const struct metric_label *labels, const struct histogram_counts *counts,
                           const struct metric_scale *scale);
/* The same with METRIC_EXEMPLARS exemplars, which only OpenMetrics shows; NULL: none. */
void metrics_put_traced_histogram(struct metrics_page *page, const struct metric_label *labels, const struct histogram_counts *counts,
                                  const struct metric_scale *scale, const struct metric_exemplar *exemplars);
/* After the last family. */
void metrics_end(struct metrics_page *page);

#endif
