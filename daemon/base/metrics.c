/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define CACHE_LINE 64
#define SHARDS 16 /* a power of two; threads share them round robin */

struct counter {
    struct {
        _Alignas(CACHE_LINE) atomic_uint_fast64_t value;
    } shards[SHARDS];
};

/* Upper bounds; one more bucket takes the rest. */
static const int64_t bucket_bounds_us[] = {
    100,    250,    500,     1000,    2500,    5000,     10000,    25000,    50000,     100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 600000000,
};
#define BUCKETS (sizeof(bucket_bounds_us) / sizeof(bucket_bounds_us[0]) + 1)

struct histogram {
    struct {
        _Alignas(CACHE_LINE) atomic_uint_fast64_t buckets[BUCKETS];
        atomic_uint_fast64_t sum_ns;
    } shards[SHARDS];
};

enum metric_kind { METRIC_COUNTER, METRIC_COUNTER_READ, METRIC_GAUGE_READ, METRIC_HISTOGRAM };

struct metric {
    enum metric_kind kind;
    char *name;
    char *labels;
    char *help;
    struct counter *counter;
    struct histogram *histogram;
    metrics_read_fn read;
    void *context;
    struct metric *next;
};

struct metrics {
    struct metric *first;
    struct metric *last;
};

static unsigned shard_of_thread(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned shard = UINT32_MAX;

    if (shard == UINT32_MAX)
        shard = atomic_fetch_add(&threads, 1) % SHARDS;
    return shard;
}

struct metrics *metrics_create(void)
{
    return xcalloc(1, sizeof(struct metrics));
}

void metrics_destroy(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (struct metric *metric = metrics->first; metric != NULL;) {
        struct metric *next = metric->next;
        free(metric->name);
        free(metric->labels);
        free(metric->help);
        free(metric->counter);
        free(metric->histogram);
        free(metric);
        metric = next;
    }
    free(metrics);
}

static struct metric *metrics_add(struct metrics *metrics, enum metric_kind kind, const char *name, const char *labels,
                                  const char *help)
{
    struct metric *metric = xcalloc(1, sizeof(*metric));

    metric->kind = kind;
    metric->name = xstrdup(name);
    metric->labels = xstrdup(labels != NULL ? labels : "");
    metric->help = xstrdup(help);
    if (metrics->last != NULL)
        metrics->last->next = metric;
    else
        metrics->first = metric;
    metrics->last = metric;
    return metric;
}

static void *shards_create(size_t size)
{
    void *shards = aligned_alloc(CACHE_LINE, size);

    if (shards == NULL)
        abort();
    memset(shards, 0, size);
    return shards;
}

struct counter *metrics_counter(struct metrics *metrics, const char *name, const char *labels, const char *help)
{
    struct metric *metric = metrics_add(metrics, METRIC_COUNTER, name, labels, help);

    metric->counter = shards_create(sizeof(*metric->counter));
    return metric->counter;
}

void metrics_counter_of(struct metrics *metrics, const char *name, const char *labels, const char *help,
                        metrics_read_fn read, void *context)
{
    struct metric *metric = metrics_add(metrics, METRIC_COUNTER_READ, name, labels, help);

    metric->read = read;
    metric->context = context;
}

void metrics_gauge_of(struct metrics *metrics, const char *name, const char *labels, const char *help,
                      metrics_read_fn read, void *context)
{
    struct metric *metric = metrics_add(metrics, METRIC_GAUGE_READ, name, labels, help);

    metric->read = read;
    metric->context = context;
}

struct histogram *metrics_histogram(struct metrics *metrics, const char *name, const char *labels, const char *help)
{
    struct metric *metric = metrics_add(metrics, METRIC_HISTOGRAM, name, labels, help);

    metric->histogram = shards_create(sizeof(*metric->histogram));
    return metric->histogram;
}

void counter_add(struct counter *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&counter->shards[shard_of_thread()].value, amount, memory_order_relaxed);
}

uint64_t counter_value(const struct counter *counter)
{
    uint64_t value = 0;

    for (size_t i = 0; i < SHARDS; i++)
        value += atomic_load_explicit(&counter->shards[i].value, memory_order_relaxed);
    return value;
}

void histogram_add_ns(struct histogram *histogram, int64_t duration_ns)
{
    size_t bucket = 0;
    int64_t bounded_ns = duration_ns > 0 ? duration_ns : 0;
    unsigned shard = shard_of_thread();

    while (bucket < BUCKETS - 1 && bounded_ns > bucket_bounds_us[bucket] * 1000)
        bucket++;
    atomic_fetch_add_explicit(&histogram->shards[shard].buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->shards[shard].sum_ns, (uint64_t)bounded_ns, memory_order_relaxed);
}

static void histogram_print(const struct metric *metric, FILE *page)
{
    const struct histogram *histogram = metric->histogram;
    const char *comma = metric->labels[0] != '\0' ? "," : "";
    const char *open = metric->labels[0] != '\0' ? "{" : "";
    const char *close = metric->labels[0] != '\0' ? "}" : "";
    uint64_t below = 0;
    uint64_t sum_ns = 0;

    for (size_t bucket = 0; bucket < BUCKETS; bucket++) {
        for (size_t i = 0; i < SHARDS; i++)
            below += atomic_load_explicit(&histogram->shards[i].buckets[bucket], memory_order_relaxed);
        (void)fprintf(page, "stepd_%s_bucket{%s%sle=\"", metric->name, metric->labels, comma);
        if (bucket < BUCKETS - 1)
            (void)fprintf(page, "%.10g", (double)bucket_bounds_us[bucket] / 1e6);
        else
            (void)fprintf(page, "+Inf");
        (void)fprintf(page, "\"} %" PRIu64 "\n", below);
    }
    for (size_t i = 0; i < SHARDS; i++)
        sum_ns += atomic_load_explicit(&histogram->shards[i].sum_ns, memory_order_relaxed);
    (void)fprintf(page, "stepd_%s_sum%s%s%s %.9g\n", metric->name, open, metric->labels, close, (double)sum_ns / 1e9);
    (void)fprintf(page, "stepd_%s_count%s%s%s %" PRIu64 "\n", metric->name, open, metric->labels, close, below);
}

static void metric_print(const struct metric *metric, FILE *page)
{
    if (metric->kind == METRIC_HISTOGRAM) {
        histogram_print(metric, page);
        return;
    }
    (void)fprintf(page, "stepd_%s", metric->name);
    if (metric->labels[0] != '\0')
        (void)fprintf(page, "{%s}", metric->labels);
    if (metric->kind == METRIC_COUNTER)
        (void)fprintf(page, " %" PRIu64 "\n", counter_value(metric->counter));
    else
        (void)fprintf(page, " %.15g\n", metric->read(metric->context));
}

void metrics_print(const struct metrics *metrics, FILE *page)
{
    static const char *const types[] = { "counter", "counter", "gauge", "histogram" };
    const char *name = "";

    for (const struct metric *metric = metrics->first; metric != NULL; metric = metric->next) {
        if (strcmp(name, metric->name) != 0) {
            name = metric->name;
            (void)fprintf(page, "# HELP stepd_%s %s\n# TYPE stepd_%s %s\n", name, metric->help, name, types[metric->kind]);
        }
        metric_print(metric, page);
    }
}
