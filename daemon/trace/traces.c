/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/traces.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/attempt.h"
#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "trace/exemplars.h"
#include "trace/outbox.h"
#include "trace/sender.h"
#include "trace/span.h"

#define SPANS_MOST ((size_t)8192) /* that wait for the collector, … */
#define BYTES_MOST ((size_t)16 << 20)
#define HOST_SIZE 256
#define NS_PER_MS INT64_C(1000000)

struct traces {
    struct tracer port; /* first */
    struct traces_settings settings;
    uint64_t threshold;       /* of trace_is_wanted() */
    _Atomic(uint64_t) latest; /* of the ids of attempts and steps */
    char host[HOST_SIZE];
    char *instance;
    msgpack_sbuffer common; /* of spans that tell of a message */
    struct outbox outbox;
    struct exemplars exemplars;
    struct sender *sender;
};

static_assert(offsetof(struct traces, port) == 0, "of() is given the port");

static struct traces *of(struct tracer *tracer)
{
    return (struct traces *)tracer;
}

/* Each a new one, and no other daemon's: a walk through all numbers from a place that chance chose, mixed. */
static uint64_t new_id(struct traces *traces)
{
    uint64_t id = atomic_fetch_add_explicit(&traces->latest, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);

    id = (id ^ id >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    id = (id ^ id >> 27) * UINT64_C(0x94d049bb133111eb);
    return (id ^ id >> 31) | 1;
}

/* What the wall clock is ahead of the monotonic one. */
static int64_t wall_ahead_ns(void)
{
    return clock_wall_ns() - clock_monotonic_ns();
}

static void put(struct traces *traces, const struct span *span)
{
    msgpack_sbuffer *spans = outbox_begin(&traces->outbox);

    if (spans == NULL)
        return;
    span_write(spans, span);
    outbox_end(&traces->outbox);
}

/* ---- waits ------------------------------------------------------------------------------------------ */

/* What ended last of a run that the store had, and why it waited since. */
static void waited_since(const struct run *run, int64_t *ret_since_ms, const char **ret_of)
{
    size_t count = attempt_log_count(run->tail);
    struct attempt_entry entry;
    struct failure failure;

    assert(run->now_ms != 0);
    *ret_of = "turn";
    *ret_since_ms = run->created_ms;
    if (count == 0)
        return;
    attempt_log_at(run->tail, count - 1, &entry, &failure);
    *ret_since_ms = entry.started_ms + entry.duration_ms;
    *ret_of = "retry";
    size_t steps = run->steps != NULL ? checkpoints_count(run->steps) : 0;
    if (entry.failure == NULL && steps > 0)
        *ret_of = checkpoints_at(run->steps, steps - 1)->id;
}

static void put_wait(struct traces *traces, const struct run *run)
{
    const struct trace_place place = trace_place_of(run);
    const int64_t now_ms = clock_wall_ms();
    const char *waited_for;
    int64_t since_ms;

    assert(run->span != 0);
    waited_since(run, &since_ms, &waited_for);
    const struct span span = {
        .place = &place,
        .run = run,
        .kind = SPAN_INTERNAL,
        .id = new_id(traces),
        .parent = place.run,
        .verb = "wait",
        .of = waited_for,
        .begun_ns = since_ms * NS_PER_MS,
        .ended_ns = now_ms * NS_PER_MS,
        .attempt = run->attempt,
    };
    put(traces, &span);
}

/* ---- attempts --------------------------------------------------------------------------------------- */

static void begin(struct tracer *tracer, struct run *run)
{
    struct traces *traces = of(tracer);

    run->span = 0;
    if (!trace_is_wanted(run, traces->threshold))
        return;
    run->span = new_id(traces);
    if (run->now_ms != 0)
        put_wait(traces, run);
}

static bool ends_run(enum attempt_end end)
{
    return end == ATTEMPT_COMPLETED || end == ATTEMPT_FAILED || end == ATTEMPT_CANCELLED;
}

/* When its first attempt began, as far as that is on record. */
static int64_t run_begun_ns(const struct run *run, int64_t attempt_begun_ns)
{
    size_t count = attempt_log_count(run->tail);
    struct attempt_entry entry;
    struct failure failure;

    if (run->now_ms == 0)
        return attempt_begun_ns;
    if (count == 0 || count == ATTEMPT_LOG_KEPT)
        return run->created_ms * NS_PER_MS;
    attempt_log_at(run->tail, 0, &entry, &failure);
    return entry.started_ms * NS_PER_MS;
}

static void write_hex(uint64_t number, char ret_text[static 17])
{
    static const char DIGITS[] = "0123456789abcdef";

    for (size_t i = 0; i < 16; i++)
        ret_text[i] = DIGITS[number >> (60 - 4 * i) & 15];
    ret_text[16] = '\0';
}

static uint64_t number_of(const uint8_t *bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

static void keep_exemplar(struct traces *traces, const struct run *run, const struct span *span)
{
    struct metric_exemplar exemplar = { .value = (double)(span->ended_ns - span->begun_ns) / 1000, .at_ms = span->ended_ns / NS_PER_MS };

    write_hex(number_of(span->place->id), exemplar.trace_id);
    write_hex(number_of(span->place->id + 8), exemplar.trace_id + 16);
    write_hex(span->id, exemplar.span_id);
    exemplars_keep(&traces->exemplars, run->function->index, &exemplar);
}

static void put_run(struct traces *traces, const struct span *attempt)
{
    struct span span = *attempt;

    span.kind = SPAN_CONSUMER;
    span.id = span.place->run;
    span.parent = span.place->parent;
    span.is_parent_remote = span.parent != 0;
    span.verb = "process";
    span.of = span.run->event->view.name;
    span.begun_ns = run_begun_ns(span.run, span.begun_ns);
    span.common = (struct bytes){ traces->common.data, traces->common.size };
    put(traces, &span);
}

static void end(struct tracer *tracer, const struct run *run, const struct attempt_report *report)
{
    struct traces *traces = of(tracer);
    const struct trace_place place = trace_place_of(run);
    const int64_t ahead_ns = wall_ahead_ns();
    const struct span span = {
        .place = &place,
        .run = run,
        .kind = SPAN_INTERNAL,
        .id = run->span,
        .parent = place.run,
        .verb = "attempt",
        .of = run->function->id,
        .begun_ns = ahead_ns + (run->begun_ns != 0 ? run->begun_ns : report->started_ns),
        .ended_ns = ahead_ns + report->ended_ns,
        .attempt = report->failure != NULL ? report->failure->attempt : run->attempt,
        .outcome = attempt_end_word(report->end),
        .failure = report->failure,
    };

    assert(run->span != 0);
    put(traces, &span);
    keep_exemplar(traces, run, &span);
    if (ends_run(report->end))
        put_run(traces, &span);
}

static void step(struct tracer *tracer, const struct run *run, const struct step_call *step, int64_t begun_ns,
                 const struct failure *failure)
{
    struct traces *traces = of(tracer);
    const struct trace_place place = trace_place_of(run);
    const int64_t ahead_ns = wall_ahead_ns();
    const struct span span = {
        .place = &place,
        .run = run,
        .kind = SPAN_INTERNAL,
        .id = new_id(traces),
        .parent = run->span,
        .verb = "step",
        .of = step->id,
        .begun_ns = ahead_ns + begun_ns,
        .ended_ns = ahead_ns + clock_monotonic_ns(),
        .attempt = step->is_beside ? step->attempt : run->attempt,
        .step = step->id,
        .failure = failure,
    };

    assert(run->span != 0);
    put(traces, &span);
}

static const struct tracer_ops OPS = { .begin = begin, .step = step, .end = end };

/* ---- its life --------------------------------------------------------------------------------------- */

/* All of 64 bits, and none for 0. */
static uint64_t threshold_of(double sample)
{
    assert(sample >= 0);
    return sample >= 1 ? UINT64_MAX : sample > 0 ? (uint64_t)(sample * 18446744073709551616.0) : 0;
}

struct traces *traces_create(const struct traces_settings *settings)
{
    struct traces *traces = xcalloc(1, sizeof(*traces));

    traces->port.ops = &OPS;
    traces->settings = *settings;
    traces->threshold = threshold_of(settings->sample);
    if (gethostname(traces->host, sizeof(traces->host) - 1) != 0)
        (void)snprintf(traces->host, sizeof(traces->host), "unknown");
    traces->instance = xasprintf("%s-%ld-%" PRId64, traces->host, (long)getpid(), clock_wall_ms());
    atomic_init(&traces->latest, (uint64_t)clock_monotonic_ns() ^ (uint64_t)getpid() << 40 ^ (uint64_t)clock_wall_ms() << 20);
    msgpack_sbuffer_init(&traces->common);
    span_write_common(&traces->common, settings->group);
    outbox_init(&traces->outbox, SPANS_MOST, BYTES_MOST);
    exemplars_init(&traces->exemplars, settings->function_count);
    const struct span_sender who = { .version = settings->version, .instance = traces->instance, .host = traces->host };
    traces->sender = sender_create(settings->url, &who, &traces->outbox);
    return traces;
}

int traces_start(struct traces *traces, struct error *ret_error)
{
    return sender_start(traces->sender, ret_error);
}

void traces_destroy(struct traces *traces)
{
    if (traces == NULL)
        return;
    outbox_close(&traces->outbox);
    sender_destroy(traces->sender);
    outbox_done(&traces->outbox);
    exemplars_done(&traces->exemplars);
    msgpack_sbuffer_destroy(&traces->common);
    free(traces->instance);
    free(traces);
}

struct tracer *traces_port(struct traces *traces)
{
    return &traces->port;
}

void traces_counts(struct traces *traces, struct traces_counts *ret_counts)
{
    ret_counts->sent = sender_sent(traces->sender);
    ret_counts->dropped = outbox_dropped(&traces->outbox);
}

bool traces_exemplars(struct traces *traces, const struct function *function, struct metric_exemplar ret_row[static METRIC_EXEMPLARS])
{
    return exemplars_read(&traces->exemplars, function->index, ret_row);
}
