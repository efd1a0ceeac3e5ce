/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>

void metrics_family(struct metrics_page *page, enum metric_kind kind, const char *name, const char *help)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };

    page->name = name;
    (void)fprintf(page->out, "# HELP stepd_%s %s\n# TYPE stepd_%s %s\n", name, help, name, kinds[kind]);
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
    (void)fprintf(page->out, "stepd_%s", page->name);
    put_labels(page->out, labels, NULL);
    (void)fprintf(page->out, " %.15g\n", value);
}

static void put_bucket(const struct metrics_page *page, const struct metric_label *labels, const char *le, uint64_t count)
{
    (void)fprintf(page->out, "stepd_%s_bucket", page->name);
    put_labels(page->out, labels, le);
    (void)fprintf(page->out, " %" PRIu64 "\n", count);
}

void metrics_put_histogram(struct metrics_page *page, const struct metric_label *labels, const struct histogram_counts *counts,
                           const struct metric_scale *scale)
{
    char le[32];
    uint64_t below = 0;
    size_t bucket = 0;

    assert(2 * (size_t)scale->last < HISTOGRAM_BUCKETS - 1);
    for (unsigned power = scale->first; power <= scale->last; power++) {
        for (; bucket <= 2 * (size_t)power; bucket++)
            below += counts->buckets[bucket];
        (void)snprintf(le, sizeof(le), "%.10g", (double)(UINT64_C(1) << power) * scale->unit);
        put_bucket(page, labels, le, below);
    }
    for (; bucket < HISTOGRAM_BUCKETS; bucket++)
        below += counts->buckets[bucket];
    put_bucket(page, labels, "+Inf", below);
    (void)fprintf(page->out, "stepd_%s_sum", page->name);
    put_labels(page->out, labels, NULL);
    (void)fprintf(page->out, " %.15g\nstepd_%s_count", counts->sum * scale->unit, page->name);
    put_labels(page->out, labels, NULL);
    (void)fprintf(page->out, " %" PRIu64 "\n", below);
}
