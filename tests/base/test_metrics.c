/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static char *text;
static size_t size;
static struct metrics_page page;

static void setup(void)
{
    page.out = open_memstream(&text, &size);
}

static void teardown(void)
{
    (void)fclose(page.out);
    free(text);
}

static const char *written(void)
{
    (void)fflush(page.out);
    return text;
}

TestSuite(metrics, .init = setup, .fini = teardown);

Test(metrics, a_family_says_what_it_is_before_its_samples)
{
    const struct metric_label completed[] = { { "function", "mail" }, { "outcome", "completed" }, { 0 } };

    metrics_family(&page, METRIC_COUNTER, "runs_total", "Runs that ended.");
    metrics_put(&page, completed, 3);
    metrics_put(&page, NULL, 12345678901234);
    metrics_family(&page, METRIC_GAUGE, "threads", "Threads.");
    metrics_put(&page, NULL, 0.25);
    cr_assert_str_eq(written(), "# HELP stepd_runs_total Runs that ended.\n"
                                "# TYPE stepd_runs_total counter\n"
                                "stepd_runs_total{function=\"mail\",outcome=\"completed\"} 3\n"
                                "stepd_runs_total 12345678901234\n"
                                "# HELP stepd_threads Threads.\n"
                                "# TYPE stepd_threads gauge\n"
                                "stepd_threads 0.25\n");
}

Test(metrics, a_label_may_be_any_text)
{
    const struct metric_label strange[] = { { "function", "a\"b\\c\nd" }, { 0 } };

    metrics_family(&page, METRIC_COUNTER, "runs_total", "Runs.");
    metrics_put(&page, strange, 1);
    cr_assert_not_null(strstr(written(), "stepd_runs_total{function=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

Test(metrics, a_histogram_is_cumulative_and_in_the_metrics_own_unit)
{
    static const struct metric_scale scale = { .unit = 1e-6, .first = 6, .last = 20 };
    const struct metric_label labels[] = { { "function", "mail" }, { 0 } };
    struct histogram histogram = { 0 };
    struct histogram_counts counts = { 0 };

    histogram_add(&histogram, 50);
    histogram_add(&histogram, 64);
    histogram_add(&histogram, 65);
    histogram_add(&histogram, 3600e6);
    histogram_read(&histogram, &counts);
    metrics_family(&page, METRIC_HISTOGRAM, "attempt_seconds", "Time of attempts.");
    metrics_put_histogram(&page, labels, &counts, &scale);
    cr_assert_not_null(strstr(written(), "# TYPE stepd_attempt_seconds histogram\n"
                                         "stepd_attempt_seconds_bucket{function=\"mail\",le=\"6.4e-05\"} 2\n"
                                         "stepd_attempt_seconds_bucket{function=\"mail\",le=\"0.000128\"} 3\n"));
    cr_assert_not_null(strstr(text, "_bucket{function=\"mail\",le=\"1.048576\"} 3\n"
                                    "stepd_attempt_seconds_bucket{function=\"mail\",le=\"+Inf\"} 4\n"
                                    "stepd_attempt_seconds_sum{function=\"mail\"} 3600.000179\n"
                                    "stepd_attempt_seconds_count{function=\"mail\"} 4\n"));
}

Test(metrics, in_openmetrics_histograms_lead_to_traces_and_the_page_has_an_end)
{
    const struct metric_scale scale = { .unit = 1, .first = 0, .last = 2 };
    struct metric_exemplar exemplars[METRIC_EXEMPLARS] = { { .value = 0 } };
    struct histogram_counts counts = { .buckets = { [4] = 1, [9] = 1 }, .sum = 27 };

    exemplars[metric_exemplar_of(4)] = (struct metric_exemplar){ "ab", "cd", 4, 1500 };
    exemplars[metric_exemplar_of(23)] = (struct metric_exemplar){ "ef", "01", 23, 2500 };
    page.is_open = true;
    metrics_family(&page, METRIC_COUNTER, "runs_total", "Runs.");
    metrics_put(&page, NULL, 1);
    metrics_family(&page, METRIC_HISTOGRAM, "took", "How long.");
    metrics_put_traced_histogram(&page, NULL, &counts, &scale, exemplars);
    metrics_end(&page);
    page.is_open = false;
    cr_assert_str_eq(written(), "# HELP stepd_runs Runs.\n# TYPE stepd_runs counter\nstepd_runs_total 1\n"
                                "# HELP stepd_took How long.\n# TYPE stepd_took histogram\n"
                                "stepd_took_bucket{le=\"1.0\"} 0\nstepd_took_bucket{le=\"2.0\"} 0\n"
                                "stepd_took_bucket{le=\"4.0\"} 1 # {trace_id=\"ab\",span_id=\"cd\"} 4 1.500\n"
                                "stepd_took_bucket{le=\"+Inf\"} 2 # {trace_id=\"ef\",span_id=\"01\"} 23 2.500\n"
                                "stepd_took_sum 27\nstepd_took_count 2\n# EOF\n");
}
