/* SPDX-License-Identifier: Apache-2.0 */
/* Of each function the latest traced attempt of each length: what leads from a histogram to a trace. Locks itself. */
#ifndef STEPD_TRACE_EXEMPLARS_H
#define STEPD_TRACE_EXEMPLARS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/lock.h"
#include "base/metrics.h"

struct exemplars {
    struct lock lock;
    size_t count;
    struct metric_exemplar **rows; /* lock; by function->index, METRIC_EXEMPLARS each; NULL: none */
};

void exemplars_init(struct exemplars *exemplars, size_t function_count);
void exemplars_done(struct exemplars *exemplars);
void exemplars_keep(struct exemplars *exemplars, size_t function, const struct metric_exemplar *exemplar);
/* False: the function has none. */
bool exemplars_read(struct exemplars *exemplars, size_t function, struct metric_exemplar ret_row[static METRIC_EXEMPLARS]);

#endif
