/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, as a test reads it. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "testing/test_internal.h"
#include "testing/text.h"

static const struct memory_record *record_of(const struct stepd_test_run *run)
{
    return memory_store_find(&run->test->store, run->id.text);
}

/* ---- the run -------------------------------------------------------------------------------------- */

bool status_is_end(enum stepd_test_status status)
{
    return status >= STEPD_TEST_COMPLETED && status != STEPD_TEST_WAITING && status != STEPD_TEST_QUEUED;
}

static enum stepd_test_status status_of(const struct memory_record *record, int64_t now_ms)
{
    bool is_due = record->changed_ms <= now_ms;

    switch (record->status) {
    case RUN_DELAYED:
        return is_due ? STEPD_TEST_READY : STEPD_TEST_DELAYED;
    case RUN_SLEEPING:
        return is_due ? STEPD_TEST_READY : STEPD_TEST_SLEEPING;
    case RUN_WAITING:
        return is_due ? STEPD_TEST_READY : STEPD_TEST_WAITING;
    case RUN_OWNED:
        return STEPD_TEST_READY;
    case RUN_QUEUED:
    case RUN_BEHIND:
        return STEPD_TEST_BEHIND;
    case RUN_COMPLETED:
        return STEPD_TEST_COMPLETED;
    case RUN_FAILED:
        return STEPD_TEST_FAILED;
    case RUN_CANCELLED:
    case RUN_ENDING:
        return STEPD_TEST_CANCELLED;
    }
    abort(); /* a status that there is not */
}

enum stepd_test_status stepd_test_status(const struct stepd_test_run *run)
{
    const struct memory_record *record = record_of(run);
    enum stepd_test_status status = record != NULL ? status_of(record, run->test->store.now_ms) : STEPD_TEST_READY;

    if (run->is_duplicate)
        return STEPD_TEST_DUPLICATE;
    if (run->is_skipped)
        return STEPD_TEST_SKIPPED;
    if (run->is_cancelled)
        return STEPD_TEST_CANCELLED;
    if (record == NULL && run->not_before_ms > run->test->store.now_ms)
        return STEPD_TEST_QUEUED;
    if (status == STEPD_TEST_READY && limits_is_held(run))
        return STEPD_TEST_QUEUED;
    return !status_is_end(status) && run_is_behind(run) ? STEPD_TEST_BEHIND : status;
}

const char *stepd_test_status_name(enum stepd_test_status status)
{
    static const char *const NAMES[] = {
        [STEPD_TEST_READY] = "ready",         [STEPD_TEST_DELAYED] = "delayed",     [STEPD_TEST_SLEEPING] = "sleeping",
        [STEPD_TEST_BEHIND] = "behind",       [STEPD_TEST_COMPLETED] = "completed", [STEPD_TEST_FAILED] = "failed",
        [STEPD_TEST_CANCELLED] = "cancelled", [STEPD_TEST_DUPLICATE] = "duplicate", [STEPD_TEST_WAITING] = "waiting",
        [STEPD_TEST_QUEUED] = "queued",       [STEPD_TEST_SKIPPED] = "skipped",
    };

    assert((size_t)status < COUNT_OF(NAMES) && NAMES[status] != NULL);
    return NAMES[status];
}

const char *stepd_test_run_id(const struct stepd_test_run *run)
{
    return run->id.text;
}

const char *stepd_test_function_id(const struct stepd_test_run *run)
{
    return run->observed->function.id;
}

int64_t stepd_test_due_ms(const struct stepd_test_run *run)
{
    const struct memory_record *record = record_of(run);
    enum stepd_test_status status = stepd_test_status(run);

    if (status_is_end(status) || status == STEPD_TEST_BEHIND)
        return 0;
    return limits_due_ms(run, record != NULL ? record->changed_ms : run->started_ms);
}

int stepd_test_takeovers(const struct stepd_test_run *run)
{
    const struct memory_record *record = record_of(run);

    return record != NULL ? record->takeovers : 0;
}

/* ---- what lives until the run goes on ------------------------------------------------------------- */

static char *keep_text(const struct stepd_test_run *run, const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(zone_take(run->views, size), text, size);
}

static const struct stepd_error *keep_error(const struct stepd_test_run *run, const struct failure *failure)
{
    struct stepd_error *error = zone_take(run->views, sizeof(*error));

    *error = (struct stepd_error){
        .name = keep_text(run, failure->name),
        .message = keep_text(run, failure->message),
        .attempt = failure->attempt,
        .step_id = failure->step_id[0] != '\0' ? keep_text(run, failure->step_id) : NULL,
    };
    return error;
}

/* Size 0: nil. The bytes live as long. */
static const msgpack_object *keep_value(const struct stepd_test_run *run, struct bytes packed)
{
    msgpack_object *value = zone_take(run->views, sizeof(*value));

    value->type = MSGPACK_OBJECT_NIL;
    if (packed.size > 0)
        packed_build(packed, run->views, value);
    return value;
}

static const char *keep_json(const struct stepd_test_run *run, const msgpack_object *value)
{
    AUTO_FREE char *json = json_text(value);

    return keep_text(run, json);
}

/* ---- attempts and steps --------------------------------------------------------------------------- */

size_t stepd_test_attempt_count(const struct stepd_test_run *run)
{
    return run->note_count;
}

const struct stepd_test_attempt *stepd_test_attempt_at(const struct stepd_test_run *run, size_t index)
{
    return index < run->note_count ? &run->notes[index]->view : NULL;
}

static bool is_recorded(const struct checkpoint *checkpoint, int64_t now_ms)
{
    return !checkpoint_is_begun(checkpoint) && (checkpoint->kind != CHECKPOINT_SLEEP || checkpoint->until_ms <= now_ms);
}

static struct stepd_test_step step_of(const struct stepd_test_run *run, const struct checkpoint *checkpoint)
{
    struct stepd_test_step step = {
        .id = keep_text(run, checkpoint->id),
        .status = checkpoint->kind == CHECKPOINT_FAILED ? STEPD_STEP_FAILED : STEPD_STEP_COMPLETED,
        .executions = checkpoint->executions,
        .is_on_failure = checkpoint->phase == RUN_IN_ON_FAILURE,
    };

    if (checkpoint->kind == CHECKPOINT_FAILED) {
        step.error = keep_error(run, checkpoint->failure);
        return step;
    }
    step.value = keep_value(run, checkpoint->kind == CHECKPOINT_COMPLETED ? checkpoint->value : (struct bytes){ 0 });
    step.json = keep_json(run, step.value);
    return step;
}

/* All of them, read once for each time that the run or the clock goes on. */
static const struct steps_view *steps_of(const struct stepd_test_run *run)
{
    struct steps_view *view = &((struct stepd_test_run *)(uintptr_t)run)->steps;
    const struct memory_record *record = record_of(run);
    int64_t now_ms = run->test->store.now_ms;
    struct checkpoint checkpoint;
    struct error error;

    if (view->is_read && view->at_ms == now_ms)
        return view;
    *view = (struct steps_view){ .is_read = true, .at_ms = now_ms };
    if (record == NULL)
        return view;
    view->items = zone_take(run->views, (record->checkpoint_count + 1) * sizeof(*view->items));
    for (size_t i = 0; i < record->checkpoint_count; i++) {
        if (checkpoint_decode(record->checkpoints[i], run->views, &checkpoint, &error) == 0 && is_recorded(&checkpoint, now_ms))
            view->items[view->count++] = step_of(run, &checkpoint);
    }
    assert(view->count <= record->checkpoint_count);
    return view;
}

size_t stepd_test_step_count(const struct stepd_test_run *run)
{
    return steps_of(run)->count;
}

const struct stepd_test_step *stepd_test_step_at(const struct stepd_test_run *run, size_t index)
{
    const struct steps_view *steps = steps_of(run);

    return index < steps->count ? &steps->items[index] : NULL;
}

const struct stepd_test_step *stepd_test_step_find(const struct stepd_test_run *run, const char *id)
{
    const struct steps_view *steps = steps_of(run);

    for (size_t i = 0; i < steps->count; i++) {
        if (!steps->items[i].is_on_failure && strcmp(steps->items[i].id, id) == 0)
            return &steps->items[i];
    }
    return NULL;
}

/* ---- how it ended --------------------------------------------------------------------------------- */

const msgpack_object *stepd_test_output(const struct stepd_test_run *run)
{
    const struct memory_record *record = record_of(run);
    bool has_output = record != NULL && record->status == RUN_COMPLETED;

    return keep_value(run, has_output ? attempt_log_output(record->tail) : (struct bytes){ 0 });
}

const char *stepd_test_output_json(const struct stepd_test_run *run)
{
    return keep_json(run, stepd_test_output(run));
}

const struct stepd_error *stepd_test_error(const struct stepd_test_run *run)
{
    const struct memory_record *record = record_of(run);
    struct failure failure;

    if (record == NULL || record->status == RUN_COMPLETED || !attempt_log_last_failure(record->tail, &failure))
        return NULL;
    return keep_error(run, &failure);
}

/* ---- what was sent -------------------------------------------------------------------------------- */

size_t stepd_test_sent_count(const struct stepd_test *test)
{
    return test->outbox.event_count;
}

const struct stepd_test_event *stepd_test_sent_at(const struct stepd_test *test, size_t index)
{
    return index < test->outbox.event_count ? test->outbox.events[index] : NULL;
}

size_t stepd_test_letter_count(const struct stepd_test *test)
{
    return test->outbox.letter_count;
}

const struct stepd_test_event *stepd_test_letter_at(const struct stepd_test *test, size_t index)
{
    return index < test->outbox.letter_count ? test->outbox.letters[index] : NULL;
}

const struct stepd_test_event *stepd_test_dead_letter(const struct stepd_test_run *run)
{
    const struct outbox *outbox = &run->test->outbox;

    for (size_t i = outbox->letter_count; i-- > 0;) {
        const char *id = stepd_test_header(outbox->letters[i], "stepd-run-id");
        if (id != NULL && strcmp(id, run->id.text) == 0)
            return outbox->letters[i];
    }
    return NULL;
}

const char *stepd_test_header(const struct stepd_test_event *event, const char *name)
{
    for (const char *const *header = event->headers; header != NULL && *header != NULL; header += 2) {
        if (strcasecmp(header[0], name) == 0)
            return header[1];
    }
    return NULL;
}

/* ---- for assertions, and for people --------------------------------------------------------------- */

bool stepd_test_equals(const msgpack_object *value, const char *text)
{
    AUTO_FREE char *json = text_to_json(text);
    msgpack_object expected;
    struct error error;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 1024))
        abort();
    bool is_equal =
        value != NULL && json_decode((struct bytes){ json, strlen(json) }, &zone, &expected, &error) == 0 && values_equal(value, &expected);
    msgpack_zone_destroy(&zone);
    return is_equal;
}

static void print_attempt(const struct stepd_test_attempt *attempt, FILE *out)
{
    (void)fprintf(out, "  +%" PRId64 " ms %s attempt %d", attempt->delay_ms, attempt->is_on_failure ? "on_failure" : "function",
                  attempt->attempt);
    if (attempt->error != NULL && attempt->error->step_id != NULL)
        (void)fprintf(out, ": step %s", attempt->error->step_id);
    if (attempt->error != NULL)
        (void)fprintf(out, ": %s: %s", attempt->error->name, attempt->error->message);
    (void)fputc('\n', out);
}

static void print_step(const struct stepd_test_step *step, FILE *out)
{
    (void)fprintf(out, "  step %s, %d executions: ", step->id, step->executions);
    if (step->error != NULL)
        (void)fprintf(out, "%s: %s\n", step->error->name, step->error->message);
    else
        (void)fprintf(out, "%s\n", step->json);
}

void stepd_test_print(const struct stepd_test_run *run, FILE *out)
{
    (void)fprintf(out, "run %s of %s: %s\n", run->id.text, run->observed->function.id, stepd_test_status_name(stepd_test_status(run)));
    for (size_t i = 0; i < run->note_count; i++)
        print_attempt(&run->notes[i]->view, out);
    for (size_t i = 0; i < stepd_test_step_count(run); i++)
        print_step(stepd_test_step_at(run, i), out);
    if (stepd_test_status(run) == STEPD_TEST_COMPLETED)
        (void)fprintf(out, "  output %s\n", stepd_test_output_json(run));
}
