/* SPDX-License-Identifier: Apache-2.0 */
/* What runs did, for a collector of traces. It ends after all that tell it. */
#include "trace/traces.h"

#include "base/array.h"
#include "config/config.h"
#include "parts/families.h"
#include "parts/part.h"

static int start(struct daemon *daemon, struct error *ret_error)
{
    const struct traces_settings settings = {
        .url = daemon->config->tracing.otlp,
        .sample = daemon->config->tracing.sample,
        .group = config_kafka(daemon->config, "group.id"),
        .version = STEPD_VERSION,
        .function_count = part_function_room(daemon),
    };

    if (settings.url == NULL)
        return 0;
    daemon->traces = traces_create(&settings);
    return traces_start(daemon->traces, ret_error);
}

static void end(struct daemon *daemon)
{
    traces_destroy(daemon->traces);
}

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    static const struct family families[] = {
        COUNTER("trace_spans_sent_total", "Spans that the collector has taken.", traces_counts, sent),
        COUNTER("trace_spans_dropped_total", "Spans that were dropped: the collector is slow, away, or refuses them.", traces_counts,
                dropped),
    };
    struct traces_counts counts = { 0 };

    if (daemon->traces != NULL)
        traces_counts(daemon->traces, &counts);
    families_put(page, families, COUNT_OF(families), &counts);
}

const struct part PART_TRACES = { .name = "traces", .start = start, .end = end, .write_metrics = write_metrics };
