/* SPDX-License-Identifier: Apache-2.0 */
#include "view/run_view.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "codec/utf8.h"
#include "event/event_again.h"
#include "run/attempt_log.h"
#include "run/invoke.h"
#include "view/wish.h"

#define REDACTED "[redacted]"

const char *run_status_word(enum run_status status)
{
    switch (status) {
    case RUN_DELAYED:
        return "delayed";
    case RUN_BEHIND:
    case RUN_QUEUED:
        return "queued";
    case RUN_SLEEPING:
        return "sleeping";
    case RUN_WAITING:
        return "waiting";
    case RUN_OWNED:
    case RUN_ENDING:
        return "running";
    case RUN_COMPLETED:
        return "completed";
    case RUN_FAILED:
        return "failed";
    case RUN_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

bool run_status_is_end(enum run_status status)
{
    return status == RUN_COMPLETED || status == RUN_FAILED || status == RUN_CANCELLED;
}

const char *checkpoint_word(const struct run_view *view, const struct checkpoint *checkpoint)
{
    switch (checkpoint->kind) {
    case CHECKPOINT_COMPLETED:
        return "completed";
    case CHECKPOINT_FAILED:
        return "failed";
    case CHECKPOINT_SLEEP:
        return view->run->record.status == RUN_SLEEPING && checkpoint->until_ms > view->now_ms ? "sleeping" : "completed";
    case CHECKPOINT_STARTED:
        return "running";
    case CHECKPOINT_WAITING:
        return "waiting";
    }
    return "unknown";
}

void run_view_open(struct run_view *view, const struct loaded_run *run, int64_t now_ms)
{
    const struct record *record = &run->record;

    *view = (struct run_view){ .run = run, .now_ms = now_ms, .status = run_status_word(record->status), .steps = checkpoints_create() };
    bool has_time = record->status == RUN_WAITING && record->changed_ms < WAIT_FOREVER_MS;
    if (record->status == RUN_DELAYED || record->status == RUN_SLEEPING || has_time)
        view->due_ms = record->changed_ms;
    record_init_event(record, &view->event);
    view->has_event = event_decode(&view->event, NULL) == 0;
    view->attempt = record->phase == RUN_IN_ON_FAILURE ? attempt_log_before_on_failure(record->tail, record->attempt) : record->attempt;
    view->has_error = record->status != RUN_COMPLETED && attempt_log_last_failure(record->tail, &view->error);
    view->output = attempt_log_output(record->tail);
    for (size_t i = 0; i < run->checkpoint_count; i++)
        if (checkpoints_load(view->steps, checkpoints_count(view->steps), run->checkpoints[i], NULL) != 0)
            view->damaged_steps++;
}

int run_view_see_line(struct run_view *view, struct redis_store *store)
{
    const struct record *record = &view->run->record;
    struct runs_standing standing;

    assert(view->status != NULL); /* run_view_open() first */
    if (record->status != RUN_DELAYED || record->changed_ms > view->now_ms)
        return 0;
    int status = runs_standing(store, view->run, &standing);
    if (status == 0 && standing.is_in_line)
        view->status = "queued";
    return status;
}

void run_view_each_event(const struct run_view *view, run_view_event_fn *each, void *context)
{
    const struct record *record = &view->run->record;
    struct event event = { .has_zone = false };

    each(context, &view->event.view, view->has_event);
    for (size_t i = 0; i < record->more_count; i++) {
        record_init_more(record, i, &event);
        bool is_read = event_decode(&event, NULL) == 0;
        each(context, &event.view, is_read);
        event_done(&event);
    }
}

void run_view_done(struct run_view *view)
{
    event_done(&view->event);
    checkpoints_destroy(view->steps);
}

/* ---- JSON --------------------------------------------------------------------------------------- */

static void put_error(struct json_out *out, const struct failure *failure)
{
    if (failure == NULL) {
        json_out_null(out, "error");
        return;
    }
    json_out_open(out, "error", '{');
    json_out_text(out, "name", failure->name);
    json_out_text(out, "message", failure->message);
    if (failure->step_id[0] != '\0')
        json_out_text(out, "step", failure->step_id);
    json_out_close(out, '{');
}

static void put_time(struct json_out *out, const char *name, int64_t at_ms)
{
    if (at_ms > 0)
        json_out_number(out, name, at_ms);
    else
        json_out_null(out, name);
}

/* Of a step that waited, where its outcome stands; NULL: nowhere yet. */
static const struct checkpoint *outcome_of(const struct run_view *view, size_t position)
{
    const struct checkpoint *waiting = checkpoints_at(view->steps, position);
    const struct checkpoint *later;

    assert(waiting != NULL);
    for (size_t i = position + 1; (later = checkpoints_at(view->steps, i)) != NULL; i++) {
        if (later->phase == waiting->phase && !checkpoint_is_begun(later) && strcmp(later->id, waiting->id) == 0)
            return later;
    }
    return NULL;
}

bool run_view_is_told_further_on(const struct run_view *view, size_t position)
{
    assert(position < checkpoints_count(view->steps));
    return checkpoints_at(view->steps, position)->kind == CHECKPOINT_WAITING && outcome_of(view, position) != NULL;
}

const struct checkpoint *run_view_wait_of(const struct run_view *view, size_t position)
{
    const struct checkpoint *step = checkpoints_at(view->steps, position);

    assert(step != NULL);
    for (size_t i = position + 1; i-- > 0;) {
        const struct checkpoint *earlier = checkpoints_at(view->steps, i);
        if (earlier->kind == CHECKPOINT_WAITING && earlier->phase == step->phase && strcmp(earlier->id, step->id) == 0)
            return earlier;
    }
    return NULL;
}

/* The run that a step invoked. */
static void put_invoked(const struct run_view *view, size_t position, struct json_out *out)
{
    const struct checkpoint *waiting = run_view_wait_of(view, position);
    struct invoke_view invoked;

    if (waiting == NULL || !invoke_read(waiting->value, &invoked))
        return;
    json_out_open(out, "invoked", '{');
    json_out_bytes(out, "run", invoked.run_id);
    json_out_bytes(out, "function", invoked.function_id);
    json_out_close(out, '{');
}

/* The event that a step waits for, or waited for. */
static void put_waits_for(const struct run_view *view, size_t position, struct json_out *out)
{
    const struct checkpoint *waiting = run_view_wait_of(view, position);
    struct wish wish;

    if (waiting == NULL || !wish_read(waiting, &wish))
        return;
    json_out_open(out, "waits_for", '{');
    json_out_text(out, "event", wish.event);
    if (wish.when != NULL)
        json_out_text(out, "when", wish.when);
    else
        json_out_null(out, "when");
    json_out_close(out, '{');
    wish_done(&wish);
}

static void put_steps(const struct run_view *view, struct json_out *out)
{
    const struct checkpoint *checkpoint;

    json_out_open(out, "steps", '[');
    for (size_t i = 0; (checkpoint = checkpoints_at(view->steps, i)) != NULL; i++) {
        if (run_view_is_told_further_on(view, i))
            continue;
        json_out_open(out, NULL, '{');
        json_out_text(out, "id", checkpoint->id);
        json_out_text(out, "status", checkpoint_word(view, checkpoint));
        json_out_number(out, "attempts", checkpoint->executions);
        json_out_packed(out, "output", checkpoint->kind == CHECKPOINT_WAITING ? (struct bytes){ 0 } : checkpoint->value);
        put_error(out, checkpoint->failure);
        put_time(out, "started_ms", checkpoint->started_ms);
        put_time(out, "ended_ms", checkpoint->ended_ms);
        bool has_time = checkpoint->kind == CHECKPOINT_WAITING && checkpoint->until_ms < WAIT_FOREVER_MS;
        if (checkpoint->kind == CHECKPOINT_SLEEP || has_time)
            json_out_number(out, "until_ms", checkpoint->until_ms);
        put_invoked(view, i, out);
        put_waits_for(view, i, out);
        json_out_bool(out, "on_failure", checkpoint->phase == RUN_IN_ON_FAILURE);
        json_out_close(out, '{');
    }
    json_out_close(out, '[');
}

static void put_attempts(const struct run_view *view, struct json_out *out)
{
    struct bytes tail = view->run->record.tail;
    size_t count = attempt_log_count(tail);
    struct attempt_entry entry;
    struct failure failure;

    json_out_open(out, "attempts", '[');
    for (size_t i = 0; i < count; i++) {
        attempt_log_at(tail, i, &entry, &failure);
        json_out_open(out, NULL, '{');
        json_out_number(out, "attempt", entry.attempt);
        json_out_number(out, "started_ms", entry.started_ms);
        json_out_number(out, "duration_ms", entry.duration_ms);
        put_error(out, entry.failure);
        put_time(out, "due_ms", entry.due_ms);
        json_out_close(out, '{');
    }
    json_out_close(out, '[');
}

static void put_event_fields(const struct stepd_event *event, struct json_out *out)
{
    json_out_text(out, "id", event->id);
    json_out_text(out, "name", event->name);
    json_out_object(out, "data", event->data);
    json_out_number(out, "ts_ms", event->ts_ms);
}

static void put_event(const struct run_view *view, struct json_out *out)
{
    json_out_open(out, "event", '{');
    put_event_fields(&view->event.view, out);
    json_out_close(out, '{');
}

static void put_key(const void *key, size_t size, struct json_out *out)
{
    if (key != NULL)
        json_out_bytes(out, "key", (struct bytes){ key, size });
    else
        json_out_null(out, "key");
}

static void put_event_of_batch(void *context, const struct stepd_event *event, bool is_read)
{
    struct json_out *out = context;

    (void)is_read; /* what can be read of it is there */
    json_out_open(out, NULL, '{');
    put_event_fields(event, out);
    json_out_text(out, "topic", event->topic);
    json_out_number(out, "partition", event->partition);
    json_out_number(out, "offset", event->offset);
    put_key(event->key, event->key_len, out);
    json_out_close(out, '{');
}

/* All of a batch; null: the run has the one. */
static void put_events(const struct run_view *view, struct json_out *out)
{
    if (view->run->record.more_count == 0) {
        json_out_null(out, "events");
        return;
    }
    json_out_open(out, "events", '[');
    run_view_each_event(view, put_event_of_batch, out);
    json_out_close(out, '[');
}

static struct bytes header_of(const struct record *record, const char *name)
{
    for (size_t i = record->header_count; i-- > 0;)
        if (strcmp(record->headers[i].name, name) == 0)
            return record->headers[i].value;
    return (struct bytes){ NULL, 0 };
}

static void put_replay(const struct record *record, struct json_out *out)
{
    struct bytes name = header_of(record, EVENT_REPLAY_HEADER);

    if (name.data == NULL) {
        json_out_null(out, "replay");
        return;
    }
    json_out_open(out, "replay", '{');
    json_out_bytes(out, "name", name);
    json_out_bytes(out, "of", header_of(record, EVENT_REPLAY_OF_HEADER));
    json_out_close(out, '{');
}

/* The run that invoked this one. */
static void put_invoked_by(const struct record *record, struct json_out *out)
{
    struct bytes run = record->partition < 0 ? header_of(record, INVOKE_CALLER_HEADER) : (struct bytes){ NULL, 0 };

    if (run.data == NULL) {
        json_out_null(out, "invoked_by");
        return;
    }
    json_out_open(out, "invoked_by", '{');
    json_out_bytes(out, "run", run);
    json_out_bytes(out, "step", header_of(record, INVOKE_STEP_HEADER));
    json_out_close(out, '{');
}

static bool is_redacted(const struct run_view *view, const char *name)
{
    for (size_t i = 0; view->redact != NULL && view->redact[i] != NULL; i++)
        if (fnmatch(view->redact[i], name, FNM_CASEFOLD) == 0)
            return true;
    return false;
}

/* Of headers with one name the last counts. */
static bool is_last(const struct record *record, size_t index)
{
    for (size_t i = index + 1; i < record->header_count; i++)
        if (strcmp(record->headers[i].name, record->headers[index].name) == 0)
            return false;
    return true;
}

/* As handlers see it: text, or bytes that say that they are some. */
static void put_header(struct json_out *out, const struct event_header *header)
{
    const struct bytes value = header->value;
    msgpack_object bytes = { .type = MSGPACK_OBJECT_BIN, .via.bin = { (uint32_t)value.size, value.data } };

    if (utf8_is_plain(value.data, value.size)) {
        json_out_bytes(out, header->name, value);
        return;
    }
    json_out_open(out, header->name, '{');
    json_out_object(out, "base64", &bytes);
    json_out_close(out, '{');
}

static void put_headers(const struct run_view *view, struct json_out *out)
{
    const struct record *record = &view->run->record;

    json_out_open(out, "headers", '{');
    for (size_t i = 0; i < record->header_count; i++) {
        const struct event_header *header = &record->headers[i];
        if (!is_last(record, i))
            continue;
        if (is_redacted(view, header->name))
            json_out_text(out, header->name, REDACTED);
        else if (header->value.data == NULL)
            json_out_null(out, header->name);
        else
            put_header(out, header);
    }
    json_out_close(out, '{');
}

void run_view_json(const struct run_view *view, struct json_out *out)
{
    const struct record *record = &view->run->record;

    json_out_open(out, NULL, '{');
    json_out_text(out, "id", view->run->id);
    json_out_text(out, "function", record->function);
    json_out_text(out, "status", view->status);
    json_out_number(out, "attempt", view->attempt);
    put_time(out, "due_ms", view->due_ms);
    json_out_number(out, "created_ms", record->created_ms);
    put_time(out, "ended_ms", run_status_is_end(record->status) ? record->changed_ms : 0);
    put_event(view, out);
    put_events(view, out);
    put_headers(view, out);
    put_replay(record, out);
    put_invoked_by(record, out);
    json_out_packed(out, "output", view->output);
    put_error(out, view->has_error ? &view->error : NULL);
    put_steps(view, out);
    put_attempts(view, out);
    json_out_text(out, "topic", record->topic);
    json_out_number(out, "partition", record->partition);
    json_out_number(out, "offset", record->offset);
    put_key(record->key.data, record->key.size, out);
    json_out_number(out, "takeovers", record->takeovers);
    json_out_bool(out, "on_failure", record->phase == RUN_IN_ON_FAILURE);
    json_out_close(out, '{');
}
