/* SPDX-License-Identifier: Apache-2.0 */
/* The threads that run attempts. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "config/config.h"
#include "engine/dispatch.h"
#include "http/http_pool.h"
#include "modules/loader.h"
#include "parts/families.h"
#include "parts/part.h"
#include "publish/producer.h"
#include "store/crash_counts.h"
#include "store/redis/timers.h"
#include "trace/traces.h"

static void on_crash_counted(void *context, const struct run *run)
{
    struct daemon *daemon = context;

    crash_counts_forget(daemon->store, run);
}

static void call(void *http_pool, struct http_call *http_call)
{
    http_pool_send(http_pool, http_call);
}

static void break_off(void *http_pool, struct http_call *http_call)
{
    http_pool_break_off(http_pool, http_call);
}

static int start(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    const struct dispatch_settings settings = {
        .threads = config->worker.threads,
        .queue = config->worker.queue,
        .queue_bytes = message_memory_most(config->worker.queue),
        .max_away = config->inngest.calls + config->http_in_flight + config->worker.queue,
        .max_calls = config->http_in_flight,
        .caller = { call, break_off, daemon->http_pool },
        .max_stuck = config->worker.max_stuck,
        .pause_most = config->pause_most,
        .flow_most = config->flow_most,
        .event_bytes = (size_t)config->limits.event_bytes,
        .steps = config->limits.steps,
        .result_bytes = (size_t)config->limits.result_bytes,
        .history = config->history,
        .dead_letter_topic = config->dead_letter_topic,
        .topics = config->topics,
        .store = store_port(daemon->store),
        .publisher = producer_port(daemon->producer),
        .modules = daemon->loaded->modules,
        .module_count = daemon->loaded->module_count,
        .routes = daemon->routes,
        .tracer = daemon->traces != NULL ? traces_port(daemon->traces) : NULL,
        .matching = part_matching(daemon),
        .boundary = part_boundary(daemon),
        .waits = (size_t)config->limits.waits,
        .journal = daemon->journal,
        .crashes = daemon->crashes,
        .crash_counted = on_crash_counted,
        .learn_function = part_learn_function,
        .context = daemon,
        .function_count = part_function_room(daemon),
        .fatal = part_fatal,
    };

    assert(daemon->store != NULL && daemon->producer != NULL && daemon->routes != NULL); /* those parts start before */
    daemon->dispatch = dispatch_create(&settings);
    return dispatch_start(daemon->dispatch, ret_error);
}

static void halt(struct daemon *daemon)
{
    if (daemon->dispatch != NULL)
        dispatch_stop_watch(daemon->dispatch);
}

static void end(struct daemon *daemon)
{
    if (dispatch_destroy(daemon->dispatch))
        return;
    log_warn("some handlers do not return: the daemon ends without waiting for them");
    log_close();
    _exit(EXIT_SUCCESS);
}

/* ---- metrics ------------------------------------------------------------------------------------- */

static const struct family dispatch_families[] = {
    COUNTER("events_unhandled_total", "Events that no function wanted.", dispatch_counts, events_unhandled),
    COUNTER("events_malformed_total", "Messages that are no events, or too large.", dispatch_counts, events_malformed),
    GAUGE("threads", "Worker threads.", dispatch_counts, threads),
    GAUGE("threads_busy", "Worker threads that run an attempt.", dispatch_counts, threads_busy),
    GAUGE("threads_stuck", "Threads left behind in a handler past its timeout.", dispatch_counts, threads_stuck),
    GAUGE("attempts_away", "Attempts that wait for a server's, an app's or a program's answer, without a thread.", dispatch_counts, away),
    GAUGE("queue_depth", "Events and runs that wait for a worker thread.", dispatch_counts, queued),
};

static const struct family function_families[] = {
    COUNTER("function_events_consumed_total", "Events that came for the function.", function_counts, consumed),
    COUNTER("events_duplicate_total", "Events seen before within the function's dedupe window.", function_counts, duplicates),
    COUNTER("expression_errors_total", "Expressions of the function's settings that failed for an event.", function_counts,
            expression_errors),
    COUNTER("batches_early_total", "Batches that began before they were full or due: batches held half of worker.queue.", function_counts,
            batches_early),
    COUNTER("runs_started_total", "Runs begun: the function on an event, whatever its attempts.", function_counts, started),
    COUNTER("runs_completed_total", "Runs that ended well.", function_counts, completed),
    COUNTER("runs_failed_total", "Runs that failed for good.", function_counts, failed),
    COUNTER("retries_scheduled_total", "Attempts to be made again.", function_counts, retried),
    COUNTER("runs_fenced_total", "Attempts whose run another worker had taken over.", function_counts, fenced),
    COUNTER("handlers_crashed_total", "Attempts whose handler ended the daemon.", function_counts, crashed),
    COUNTER("handlers_timed_out_total", "Attempts that took longer than their timeout.", function_counts, timed_out),
};

struct function_row {
    const char *id;
    const struct function *function;
    struct function_counts counts;
};

struct function_rows {
    struct dispatch *dispatch;
    struct function_row *items;
    size_t count;
};

static void add_row(void *context, const struct function *function)
{
    struct function_rows *rows = context;

    assert(rows->dispatch != NULL);
    rows->items = xrealloc(rows->items, (rows->count + 1) * sizeof(*rows->items));
    struct function_row *row = &rows->items[rows->count++];
    row->id = function->id;
    row->function = function;
    dispatch_function_counts(rows->dispatch, function->index, &row->counts);
}

/* Each is read once, so that its samples belong together. */
static struct function_rows read_functions(struct daemon *daemon)
{
    struct function_rows rows = { .dispatch = daemon->dispatch };

    part_each_function(daemon, add_row, &rows);
    return rows;
}

static void put_by_function(struct metrics_page *page, const struct function_rows *rows, const struct family *family)
{
    metrics_family(page, family->kind, family->name, family->help);
    for (size_t i = 0; i < rows->count; i++) {
        const struct metric_label labels[] = { { "function", rows->items[i].id }, { 0 } };
        metrics_put(page, labels, family_value(&rows->items[i].counts, family));
    }
}

static void put_skipped(struct metrics_page *page, const struct function_rows *rows)
{
    metrics_family(page, METRIC_COUNTER, "runs_skipped_total", "Events that started nothing, by what refused them.");
    for (size_t i = 0; i < rows->count; i++) {
        const struct function_counts *counts = &rows->items[i].counts;
        const struct {
            const char *reason;
            uint64_t count;
        } reasons[] = { { "rate_limit", counts->rate_limited }, { "dedupe", counts->duplicates }, { "singleton", counts->singled } };
        for (size_t k = 0; k < COUNT_OF(reasons); k++) {
            const struct metric_label labels[] = { { "function", rows->items[i].id }, { "reason", reasons[k].reason }, { 0 } };
            metrics_put(page, labels, (double)reasons[k].count);
        }
    }
}

static void put_queued(struct daemon *daemon, struct metrics_page *page, const struct function_rows *rows)
{
    metrics_family(page, METRIC_GAUGE, "runs_queued", "Runs that wait in line for their turns: of all daemons, each tells the same.");
    for (size_t i = 0; i < rows->count; i++) {
        const struct metric_label labels[] = { { "function", rows->items[i].id }, { 0 } };
        metrics_put(page, labels, (double)timers_queued(daemon->timers, rows->items[i].function));
    }
}

static void put_breakers(struct daemon *daemon, struct metrics_page *page, const struct function_rows *rows)
{
    metrics_family(page, METRIC_GAUGE, "breaker_open", "1 while the function's breaker holds its runs, of some key at least.");
    for (size_t i = 0; i < rows->count; i++) {
        const struct metric_label labels[] = { { "function", rows->items[i].id }, { 0 } };
        if (function_has_breaker(function_newest(rows->items[i].function)))
            metrics_put(page, labels, dispatch_breaker_is_open(daemon->dispatch, rows->items[i].function) ? 1 : 0);
    }
}

static const struct histogram_counts *attempts_of(const struct function_row *row)
{
    return &row->counts.durations;
}

static const struct histogram_counts *steps_of(const struct function_row *row)
{
    return &row->counts.steps;
}

/* `traces` NULL: without exemplars. */
static void put_durations(struct metrics_page *page, const struct function_rows *rows, const char *name, const char *help,
                          const struct histogram_counts *(*counts_of)(const struct function_row *row), struct traces *traces)
{
    struct metric_exemplar exemplars[METRIC_EXEMPLARS];

    metrics_family(page, METRIC_HISTOGRAM, name, help);
    for (size_t i = 0; i < rows->count; i++) {
        const struct metric_label labels[] = { { "function", rows->items[i].id }, { 0 } };
        bool has_exemplars = traces != NULL && page->is_open && traces_exemplars(traces, rows->items[i].function, exemplars);
        metrics_put_traced_histogram(page, labels, counts_of(&rows->items[i]), &families_durations, has_exemplars ? exemplars : NULL);
    }
}

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    static const struct family letters = COUNTER("dead_letters_total",
                                                 "Messages sent to dead letter topics; with no function: those that "
                                                 "are no events.",
                                                 function_counts, dead);
    struct function_rows rows = read_functions(daemon);
    struct dispatch_counts counts;

    dispatch_counts(daemon->dispatch, &counts);
    families_put(page, dispatch_families, COUNT_OF(dispatch_families), &counts);
    for (size_t i = 0; i < COUNT_OF(function_families); i++)
        put_by_function(page, &rows, &function_families[i]);
    put_skipped(page, &rows);
    if (daemon->timers != NULL)
        put_queued(daemon, page, &rows);
    put_breakers(daemon, page, &rows);
    put_by_function(page, &rows, &letters);
    metrics_put(page, NULL, (double)counts.letters_without_function);
    put_durations(page, &rows, "attempt_duration_seconds", "How long attempts took, whatever they ended in.", attempts_of, daemon->traces);
    put_durations(page, &rows, "step_duration_seconds", "How long the code of steps took, without their checkpoints.", steps_of, NULL);
    free(rows.items);
}

const struct part PART_ENGINE = { .name = "engine", .start = start, .halt = halt, .end = end, .write_metrics = write_metrics };
