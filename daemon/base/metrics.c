/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/array.h"

#define TOTAL "_total" /* how all counters' names end */

void metrics_family(struct metrics_page *page, enum metric_kind kind, const char *name, const char *help)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };

    assert((size_t)kind < COUNT_OF(kinds));
    int length = (int)strlen(name);

    assert(kind != METRIC_COUNTER || (length > (int)strlen(TOTAL) && strcmp(name + length - strlen(TOTAL), TOTAL) == 0));
    page->name = name;
    if (page->is_open && kind == METRIC_COUNTER)
        length -= (int)strlen(TOTAL); /* its samples are called so, not itself */
    (void)fprintf(page->out, "# HELP stepd_%.*s %s\n# TYPE stepd_%.*s %s\n", length, name, help, length, name, kinds[kind]);
}

static void put_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            (void)fputs("\\n", out);
        else
            (void)fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
}

/* `le`: a bucket's end, behind the others; NULL: there is none. */
static void put_labels(FILE *out, const struct metric_label *labels, const char *le)
{
    const char *before = "{";

    for (const struct metric_label *label = labels; label != NULL && label->name != NULL; label++) {
        (void)fprintf(out, "%s%s=\"", before, label->name);
        put_escaped(out, label->value);
        (void)fputc('"', out);
        before = ",";
    }
    if (le != NULL) {
        (void)fprintf(out, "%sle=\"%s\"", before, le);
        before = ",";
    }
    if (before[0] == ',')
        (void)fputc('}', out);
}

void metrics_put(struct metrics_page *page, const struct metric_label *labels, double value)
{
    assert(page->name != NULL); /* its family comes first */
    (void)fprintf(page->out, "stepd_%s", page->name);
    put_labels(page->out, labels, NULL);
    (void)fprintf(page->out, " %.15g\n", value);
}

/* The latest of those that are in the bucket. NULL: there is none. */
static const struct metric_exemplar *exemplar_in(const struct metric_exemplar *exemplars, size_t first, size_t last)
{
    const struct metric_exemplar *latest = NULL;

    for (size_t i = first; exemplars != NULL && i <= last; i++) {
        if (exemplars[i].trace_id[0] != '\0' && (latest == NULL || exemplars[i].at_ms > latest->at_ms))
            latest = &exemplars[i];
    }
    return latest;
}

static void put_bucket(const struct metrics_page *page, const struct metric_label *labels, const char *le, uint64_t count,
                       const struct metric_exemplar *exemplar, double unit)
{
    (void)fprintf(page->out, "stepd_%s_bucket", page->name);
    put_labels(page->out, labels, le);
    (void)fprintf(page->out, " %" PRIu64, count);
    if (page->is_open && exemplar != NULL)
        (void)fprintf(page->out, " # {trace_id=\"%s\",span_id=\"%s\"} %.9g %.3f", exemplar->trace_id, exemplar->span_id,
                      exemplar->value * unit, (double)exemplar->at_ms / 1000);
    (void)fputc('\n', page->out);
}

/* OpenMetrics writes a whole number as a number that might not be. */
static void print_end(const struct metrics_page *page, double end, char text[static 32])
{
    (void)snprintf(text, 30, "%.10g", end);
    if (page->is_open && strpbrk(text, ".e") == NULL)
        (void)strcat(text, ".0");
}

void metrics_put_histogram(struct metrics_page *page, const struct metric_label *labels, const struct histogram_counts *counts,
                           const struct metric_scale *scale)
{
    metrics_put_traced_histogram(page, labels, counts, scale, NULL);
}

void metrics_put_traced_histogram(struct metrics_page *page, const struct metric_label *labels, const struct histogram_counts *counts,
                                  const struct metric_scale *scale, const struct metric_exemplar *exemplars)
{
    char le[32];
    uint64_t below = 0;
    size_t bucket = 0, first = 0;

    assert(scale->first <= scale->last);
    assert(2 * (size_t)scale->last < HISTOGRAM_BUCKETS - 1);
    for (unsigned power = scale->first; power <= scale->last; first = ++power) {
        for (; bucket <= 2 * (size_t)power; bucket++)
            below += counts->buckets[bucket];
        print_end(page, (double)(UINT64_C(1) << power) * scale->unit, le);
        put_bucket(page, labels, le, below, exemplar_in(exemplars, first, power), scale->unit);
    }
    for (; bucket < HISTOGRAM_BUCKETS; bucket++)
        below += counts->buckets[bucket];
    put_bucket(page, labels, "+Inf", below, exemplar_in(exemplars, first, METRIC_EXEMPLARS - 1), scale->unit);
    (void)fprintf(page->out, "stepd_%s_sum", page->name);
    put_labels(page->out, labels, NULL);
    (void)fprintf(page->out, " %.15g\nstepd_%s_count", counts->sum * scale->unit, page->name);
    put_labels(page->out, labels, NULL);
    (void)fprintf(page->out, " %" PRIu64 "\n", below);
}

void metrics_end(struct metrics_page *page)
{
    if (page->is_open)
        (void)fputs("# EOF\n", page->out);
}
