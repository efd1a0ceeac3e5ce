/* SPDX-License-Identifier: Apache-2.0 */
/* Families of /metrics, each read from one field of some struct of counts. */
#ifndef STEPD_PARTS_FAMILIES_H
#define STEPD_PARTS_FAMILIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/metrics.h"

/* A family whose samples are one field each, a uint64_t, of some struct of counts. */
struct family {
    enum metric_kind kind;
    const char *name;
    const char *help;
    size_t offset;
};

#define COUNTER(name, help, counts, field) \
    { \
        METRIC_COUNTER, name, help, offsetof(struct counts, field) \
    }
#define GAUGE(name, help, counts, field) \
    { \
        METRIC_GAUGE, name, help, offsetof(struct counts, field) \
    }

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "sizes are read as counts are");

extern const struct metric_scale families_durations; /* 64 µs to 18 min */

double family_value(const void *counts, const struct family *family);
/* One sample of each, without labels. */
void families_put(struct metrics_page *page, const struct family *families, size_t count, const void *counts);
void families_put_gauge(struct metrics_page *page, const char *name, const char *help, double value);

#endif
