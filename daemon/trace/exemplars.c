/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/exemplars.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void exemplars_init(struct exemplars *exemplars, size_t function_count)
{
    lock_init(&exemplars->lock);
    exemplars->count = function_count;
    exemplars->rows = xcalloc(function_count + 1, sizeof(*exemplars->rows));
}

void exemplars_done(struct exemplars *exemplars)
{
    for (size_t i = 0; i < exemplars->count; i++)
        free(exemplars->rows[i]);
    free(exemplars->rows);
    lock_done(&exemplars->lock);
}

void exemplars_keep(struct exemplars *exemplars, size_t function, const struct metric_exemplar *exemplar)
{
    LOCK_GUARD(&exemplars->lock);
    assert(function < exemplars->count);
    struct metric_exemplar **row = &exemplars->rows[function];
    if (*row == NULL)
        *row = xcalloc(METRIC_EXEMPLARS, sizeof(**row));
    (*row)[metric_exemplar_of(exemplar->value)] = *exemplar;
}

bool exemplars_read(struct exemplars *exemplars, size_t function, struct metric_exemplar ret_row[static METRIC_EXEMPLARS])
{
    LOCK_GUARD(&exemplars->lock);
    if (function >= exemplars->count || exemplars->rows[function] == NULL)
        return false;
    memcpy(ret_row, exemplars->rows[function], METRIC_EXEMPLARS * sizeof(*ret_row));
    return true;
}
