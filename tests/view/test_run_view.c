/* SPDX-License-Identifier: Apache-2.0 */
#include "view/run_view.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "run/attempt_log.h"

#define ID "0123456789abcdef0123456789abcdef"

static struct loaded_run run;
static struct bytes checkpoints[3];
static msgpack_sbuffer packed[3], tail;

static void setup(void)
{
    static const char value[] = "{\"name\":\"user/<b>\",\"id\":\"e1\",\"data\":{\"n\":1},\"ts\":1700000000000}";

    run = (struct loaded_run){
        .id = ID,
        .record = { .status = RUN_SLEEPING,
                    .attempt = 2,
                    .created_ms = 1000,
                    .changed_ms = 9000,
                    .function = "f",
                    .topic = "events",
                    .partition = 3,
                    .offset = 7,
                    .value = { value, sizeof(value) - 1 } },
        .checkpoints = checkpoints,
    };
    msgpack_sbuffer_init(&tail);
}

TestSuite(run_view, .init = setup);

static void add_checkpoint(const struct checkpoint *checkpoint)
{
    msgpack_sbuffer *buffer = &packed[run.checkpoint_count];

    msgpack_sbuffer_init(buffer);
    checkpoint_pack(buffer, checkpoint);
    checkpoints[run.checkpoint_count++] = (struct bytes){ buffer->data, buffer->size };
}

static void add_failure(const char *name, const char *step)
{
    struct failure failure = { .message = "no route" };
    msgpack_sbuffer next;

    (void)snprintf(failure.name, sizeof(failure.name), "%s", name);
    (void)snprintf(failure.step_id, sizeof(failure.step_id), "%s", step);
    msgpack_sbuffer_init(&next);
    attempt_log_pack(&next, (struct bytes){ tail.data, tail.size },
                     &(struct attempt_entry){ .started_ms = 2000, .duration_ms = 5, .due_ms = 9000, .failure = &failure, .attempt = 1 },
                     (struct bytes){ 0 }, (struct bytes){ 0 });
    msgpack_sbuffer_destroy(&tail);
    tail = next;
    run.record.tail = (struct bytes){ tail.data, tail.size };
}

static json_t *told(int64_t now_ms)
{
    struct run_view view;
    struct json_out out;

    run_view_open(&view, &run, now_ms);
    json_out_init(&out);
    run_view_json(&view, &out);
    run_view_done(&view);
    json_t *json = json_loadb(out.buffer.data, out.buffer.size, 0, NULL);
    cr_assert_not_null(json, "%.*s", (int)out.buffer.size, out.buffer.data);
    json_out_done(&out);
    return json;
}

static const char *text_at(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static json_int_t number_at(json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

Test(run_view, tells_run_and_event)
{
    json_t *json = told(5000);
    json_t *event = json_object_get(json, "event");

    cr_assert_str_eq(text_at(json, "id"), ID);
    cr_assert_str_eq(text_at(json, "status"), "sleeping");
    cr_assert_eq(number_at(json, "due_ms"), 9000);
    cr_assert_eq(number_at(json, "offset"), 7);
    cr_assert(json_is_null(json_object_get(json, "ended_ms")));
    cr_assert(json_is_null(json_object_get(json, "error")));
    cr_assert(json_is_null(json_object_get(json, "key")));
    cr_assert_str_eq(text_at(event, "name"), "user/<b>");
    cr_assert_str_eq(text_at(event, "id"), "e1");
    cr_assert_eq(number_at(json_object_get(event, "data"), "n"), 1);
    json_decref(json);
}

Test(run_view, tells_steps_in_order_with_what_became_of_them)
{
    struct failure failure = { .name = "Refused", .message = "not today" };
    add_checkpoint(&(struct checkpoint){
        .id = "charge", .kind = CHECKPOINT_COMPLETED, .value = { "\x2a", 1 }, .executions = 3, .started_ms = 1100, .ended_ms = 1200 });
    add_checkpoint(&(struct checkpoint){ .id = "ship", .kind = CHECKPOINT_FAILED, .failure = &failure, .executions = 1 });
    add_checkpoint(&(struct checkpoint){ .id = "nap", .kind = CHECKPOINT_SLEEP, .until_ms = 9000 });
    json_t *json = told(5000);
    json_t *steps = json_object_get(json, "steps");

    cr_assert_eq(json_array_size(steps), 3);
    json_t *charge = json_array_get(steps, 0), *ship = json_array_get(steps, 1), *nap = json_array_get(steps, 2);
    cr_assert_str_eq(text_at(charge, "status"), "completed");
    cr_assert_eq(number_at(charge, "output"), 42);
    cr_assert_eq(number_at(charge, "attempts"), 3);
    cr_assert_eq(number_at(charge, "ended_ms"), 1200);
    cr_assert_str_eq(text_at(json_object_get(ship, "error"), "message"), "not today");
    cr_assert_str_eq(text_at(nap, "status"), "sleeping");
    cr_assert_eq(number_at(nap, "until_ms"), 9000);
    json_decref(json);
    json = told(9001);
    cr_assert_str_eq(text_at(json_array_get(json_object_get(json, "steps"), 2), "status"), "completed", "its time has come");
    json_decref(json);
}

Test(run_view, tells_attempts_and_the_latest_failure)
{
    add_failure("First", "");
    add_failure("Second", "charge");
    run.record.status = RUN_FAILED;
    json_t *json = told(10000);
    json_t *attempts = json_object_get(json, "attempts");

    cr_assert_eq(json_array_size(attempts), 2);
    cr_assert_eq(number_at(json_array_get(attempts, 0), "duration_ms"), 5);
    cr_assert_str_eq(text_at(json_object_get(json, "error"), "name"), "Second");
    cr_assert_str_eq(text_at(json_object_get(json, "error"), "step"), "charge");
    cr_assert_eq(number_at(json, "ended_ms"), 9000);
    cr_assert(json_is_null(json_object_get(json, "due_ms")));
    json_decref(json);
}

Test(run_view, of_a_completed_run_no_error_is_told)
{
    add_failure("First", "");
    run.record.status = RUN_COMPLETED;
    json_t *json = told(10000);

    cr_assert(json_is_null(json_object_get(json, "error")));
    json_decref(json);
}

Test(run_view, leaves_out_what_is_damaged)
{
    static const char garbage[] = "garbage";

    checkpoints[run.checkpoint_count++] = (struct bytes){ garbage, sizeof(garbage) };
    run.record.tail = (struct bytes){ garbage, sizeof(garbage) };
    run.record.value = (struct bytes){ garbage, sizeof(garbage) };
    struct run_view view;
    run_view_open(&view, &run, 1);
    cr_assert_eq(view.damaged_steps, 1);
    cr_assert_not(view.has_event);
    run_view_done(&view);
    json_t *json = told(1);
    cr_assert_eq(json_array_size(json_object_get(json, "steps")), 0);
    cr_assert_eq(json_array_size(json_object_get(json, "attempts")), 0);
    json_decref(json);
}
