/* SPDX-License-Identifier: Apache-2.0 */
#include "page/past.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct past {
    pthread_mutex_t lock;
    struct past_point points[PAST_POINTS];        /* lock */
    size_t count;                                 /* lock; ever added */
    size_t function_count;
    struct function_counts *functions;            /* lock; PAST_FUNCTION_POINTS rows */
    int64_t functions_at_ms[PAST_FUNCTION_POINTS];/* lock */
    size_t function_rows;                         /* lock; ever added */
};

struct past *past_create(size_t function_count)
{
    struct past *past = xcalloc(1, sizeof(*past));

    (void)pthread_mutex_init(&past->lock, NULL);
    past->function_count = function_count;
    past->functions = xcalloc(function_count * PAST_FUNCTION_POINTS + 1, sizeof(*past->functions));
    return past;
}

void past_destroy(struct past *past)
{
    (void)pthread_mutex_destroy(&past->lock);
    free(past->functions);
    free(past);
}

void past_add(struct past *past, const struct past_point *point)
{
    (void)pthread_mutex_lock(&past->lock);
    past->points[past->count++ % PAST_POINTS] = *point;
    (void)pthread_mutex_unlock(&past->lock);
}

size_t past_points(struct past *past, struct past_point *out)
{
    (void)pthread_mutex_lock(&past->lock);
    size_t count = past->count < PAST_POINTS ? past->count : PAST_POINTS;
    for (size_t i = 0; i < count; i++)
        out[i] = past->points[(past->count - count + i) % PAST_POINTS];
    (void)pthread_mutex_unlock(&past->lock);
    return count;
}

void past_add_functions(struct past *past, int64_t at_ms, const struct function_counts *counts)
{
    (void)pthread_mutex_lock(&past->lock);
    size_t row = past->function_rows++ % PAST_FUNCTION_POINTS;
    memcpy(past->functions + row * past->function_count, counts, past->function_count * sizeof(*counts));
    past->functions_at_ms[row] = at_ms;
    (void)pthread_mutex_unlock(&past->lock);
}

bool past_function(struct past *past, size_t index, int64_t *ret_at_ms, struct function_counts *ret_counts)
{
    (void)pthread_mutex_lock(&past->lock);
    bool is_there = past->function_rows > 0;
    size_t row = past->function_rows < PAST_FUNCTION_POINTS ? 0 : past->function_rows % PAST_FUNCTION_POINTS;
    if (is_there) {
        *ret_at_ms = past->functions_at_ms[row];
        *ret_counts = past->functions[row * past->function_count + index];
    }
    (void)pthread_mutex_unlock(&past->lock);
    return is_there;
}
