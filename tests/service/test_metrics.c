/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void *count_many(void *argument)
{
    for (int i = 0; i < 100000; i++)
        counter_add(argument, 1);
    return NULL;
}

static double seven(void *context)
{
    (void)context;
    return 7;
}

static char *page_of(const struct metrics *metrics)
{
    char *text = NULL;
    size_t size;
    FILE *page = open_memstream(&text, &size);

    metrics_print(metrics, page);
    (void)fclose(page);
    return text;
}

Test(metrics, counts_what_all_threads_add)
{
    struct metrics *metrics = metrics_create();
    struct counter *counter = metrics_counter(metrics, "events_total", NULL, "Events.");
    pthread_t threads[20];

    for (size_t i = 0; i < 20; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count_many, counter), 0);
    for (size_t i = 0; i < 20; i++)
        (void)pthread_join(threads[i], NULL);
    cr_assert_eq(counter_value(counter), 2000000);
    metrics_destroy(metrics);
}

Test(metrics, prints_prometheus_text)
{
    struct metrics *metrics = metrics_create();
    counter_add(metrics_counter(metrics, "runs_total", "outcome=\"completed\"", "Runs that ended."), 3);
    counter_add(metrics_counter(metrics, "runs_total", "outcome=\"failed\"", "Runs that ended."), 1);
    metrics_gauge_of(metrics, "workers_busy", NULL, "Workers.", seven, NULL);
    struct histogram *histogram = metrics_histogram(metrics, "attempt_seconds", NULL, "Time of attempts.");
    histogram_add_ns(histogram, 50000);
    histogram_add_ns(histogram, 2000000000);
    histogram_add_ns(histogram, (int64_t)3600 * 1000000000);

    AUTO_FREE char *text = page_of(metrics);
    static const char expected_start[] = "# HELP stepd_runs_total Runs that ended.\n"
                                         "# TYPE stepd_runs_total counter\n"
                                         "stepd_runs_total{outcome=\"completed\"} 3\n"
                                         "stepd_runs_total{outcome=\"failed\"} 1\n"
                                         "# HELP stepd_workers_busy Workers.\n"
                                         "# TYPE stepd_workers_busy gauge\n"
                                         "stepd_workers_busy 7\n"
                                         "# HELP stepd_attempt_seconds Time of attempts.\n"
                                         "# TYPE stepd_attempt_seconds histogram\n"
                                         "stepd_attempt_seconds_bucket{le=\"0.0001\"} 1\n";
    cr_assert_eq(strncmp(text, expected_start, strlen(expected_start)), 0, "%s", text);
    cr_assert_not_null(strstr(text, "stepd_attempt_seconds_bucket{le=\"1\"} 1\n"));
    cr_assert_not_null(strstr(text, "stepd_attempt_seconds_bucket{le=\"2.5\"} 2\n"));
    cr_assert_not_null(strstr(text, "stepd_attempt_seconds_bucket{le=\"+Inf\"} 3\n"));
    cr_assert_not_null(strstr(text, "stepd_attempt_seconds_sum 3602.00005\n"));
    cr_assert_not_null(strstr(text, "stepd_attempt_seconds_count 3\n"));
    metrics_destroy(metrics);
}
