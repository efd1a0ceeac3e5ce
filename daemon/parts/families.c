/* SPDX-License-Identifier: Apache-2.0 */
#include "parts/families.h"

#include <assert.h>

const struct metric_scale families_durations = { .unit = 1e-6, .first = 6, .last = 30 };

double family_value(const void *counts, const struct family *family)
{
    assert(family->offset % sizeof(uint64_t) == 0);
    return (double)*(const uint64_t *)((const char *)counts + family->offset);
}

void families_put(struct metrics_page *page, const struct family *families, size_t count, const void *counts)
{
    for (size_t i = 0; i < count; i++) {
        metrics_family(page, families[i].kind, families[i].name, families[i].help);
        metrics_put(page, NULL, family_value(counts, &families[i]));
    }
}

void families_put_gauge(struct metrics_page *page, const char *name, const char *help, double value)
{
    metrics_family(page, METRIC_GAUGE, name, help);
    metrics_put(page, NULL, value);
}
