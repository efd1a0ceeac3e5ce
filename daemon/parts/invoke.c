/* SPDX-License-Identifier: Apache-2.0 */
/* POST /invoke/FUNCTION: a program without a client starts a function, and may wait for what becomes of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "codec/json.h"
#include "config/config.h"
#include "config/setting.h"
#include "parts/part.h"
#include "run/checkpoints.h"
#include "run/invoke.h"
#include "sdk/answer.h"
#include "store/calls.h"

#define LOOK_FIRST_MS 20 /* for an answer; then less and less often, down to … */
#define LOOK_LAST_MS 250
#define SKIPPED "InvokeSkipped"

/* ---- who may, and what ---------------------------------------------------------------------------- */

/* As a bearer, in the header in which SDKs send it, or as ?key=. */
static bool has_key(const struct daemon *daemon, const struct web_request *request)
{
    static const char bearer[] = "Bearer ";
    const char *wanted = daemon->config->inngest.event_key;
    const char *given = request->header(request, "Authorization");

    if (wanted == NULL)
        return true;
    if (given != NULL && strncmp(given, bearer, strlen(bearer)) == 0)
        given += strlen(bearer);
    else
        given = request->header(request, "x-inngest-event-key");
    if (given == NULL)
        given = request->query(request, "key");
    return given != NULL && strcmp(given, wanted) == 0;
}

/* 0, or the HTTP status of why not. */
static unsigned find(struct daemon *daemon, const char *function_id, enum run_placement *ret_placement)
{
    struct store *store = store_port(daemon->store);
    const struct function *function = part_learn_function(daemon, function_id);
    bool is_known = function != NULL;

    if (is_known)
        *ret_placement = run_placement_of(function_newest(function));
    else if (!store_is_up(daemon->store) || store->ops->find_function(store, function_id, &is_known, ret_placement) != 0)
        return 503;
    return is_known ? 0 : 404;
}

static bool read_wait(const struct web_request *request, int64_t *ret_wait_ms)
{
    const char *wait = request->query(request, "wait");

    *ret_wait_ms = 0;
    return wait == NULL || parse_duration_ms(wait, ret_wait_ms) == 0;
}

/* ---- what is answered ----------------------------------------------------------------------------- */

static void answer_begun(struct web_reply *reply, const struct run_id *id)
{
    reply->status = 202;
    answer_text(reply, xasprintf("{\"run_id\":\"%s\"}", id->text));
}

static void answer_result(struct web_reply *reply, const struct checkpoint *outcome)
{
    msgpack_object result = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 1024))
        abort();
    if (outcome->value.size > 0)
        packed_build(outcome->value, &zone, &result);
    answer_text(reply, json_text(&result));
    msgpack_zone_destroy(&zone);
}

static void add_member(msgpack_sbuffer *json, const char *name, const char *text)
{
    msgpack_sbuffer_write(json, name, strlen(name));
    json_write_string(json, (struct bytes){ text, strlen(text) });
}

static void answer_failure(struct web_reply *reply, const struct run_id *id, const struct failure *failure)
{
    msgpack_sbuffer json;

    msgpack_sbuffer_init(&json);
    add_member(&json, "{\"name\":", failure->name);
    add_member(&json, ",\"message\":", failure->message);
    add_member(&json, ",\"run_id\":", id->text);
    reply->status = strcmp(failure->name, SKIPPED) == 0 ? 409 : 500;
    answer_text(reply, xasprintf("%.*s}", (int)json.size, json.data));
    msgpack_sbuffer_destroy(&json);
}

/* Until there is an outcome, or the time is over. */
static void answer_outcome(struct daemon *daemon, const struct run_id *id, int64_t wait_ms, struct web_reply *reply)
{
    struct checkpoints *outcome = checkpoints_create();
    int64_t until_ms = clock_monotonic_ms() + wait_ms, look_ms = LOOK_FIRST_MS;
    bool is_answered = false;

    while (calls_answer(daemon->store, id->text, outcome, &is_answered) == 0 && !is_answered && clock_monotonic_ms() < until_ms) {
        (void)usleep((useconds_t)look_ms * 1000);
        look_ms = look_ms * 2 < LOOK_LAST_MS ? look_ms * 2 : LOOK_LAST_MS;
    }
    if (!is_answered)
        answer_begun(reply, id);
    else if (checkpoints_at(outcome, 0)->kind == CHECKPOINT_COMPLETED)
        answer_result(reply, checkpoints_at(outcome, 0));
    else
        answer_failure(reply, id, checkpoints_at(outcome, 0)->failure);
    checkpoints_destroy(outcome);
}

/* ---- the run -------------------------------------------------------------------------------------- */

static uint32_t random_epoch(void)
{
    uint32_t epoch;

    if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
        abort();
    return epoch >> 1 | 1;
}

static struct run_id new_id(const char *function_id, enum run_placement placement)
{
    struct run_id nobody = { "" };
    unsigned char bytes[RUN_ID_LENGTH / 2];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        abort();
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(nobody.text + 2 * i, 3, "%02x", bytes[i]);
    return run_id_of_invoke(&nobody, RUN_IN_FUNCTION, "", function_id, placement);
}

static int start(struct daemon *daemon, const char *function_id, const struct run_id *id, struct bytes data)
{
    struct called called;
    struct callee callee;

    if (!store_is_up(daemon->store))
        return -EAGAIN;
    called_init(&called, function_id, id, daemon->config->topics[0], data, store_now_ms(daemon->store), &callee);
    called.run.first_epoch = random_epoch();
    int status = calls_start(daemon->store, &callee);
    called_done(&called);
    return status;
}

static void invoke(struct daemon *daemon, const char *function_id, struct bytes data, int64_t wait_ms, struct web_reply *reply)
{
    enum run_placement placement = PLACED_BY_ID;
    unsigned refused = find(daemon, function_id, &placement);

    if (refused != 0) {
        answer_error(reply, refused, refused == 404 ? "no daemon has a function of that name" : "Redis does not work now");
        return;
    }
    const struct run_id id = new_id(function_id, placement);
    if (start(daemon, function_id, &id, data) != 0)
        answer_error(reply, 503, "Redis does not work now");
    else if (wait_ms > 0)
        answer_outcome(daemon, &id, wait_ms, reply);
    else
        answer_begun(reply, &id);
}

void part_answer_invoke(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct daemon *daemon = context;
    struct error error = { 0 };
    msgpack_sbuffer data;
    int64_t wait_ms;

    if (!has_key(daemon, request)) {
        answer_error(reply, 401, "the event key is not the configured one");
        return;
    }
    if (!read_wait(request, &wait_ms)) {
        answer_error(reply, 400, "wait is a duration: 30s, 2m");
        return;
    }
    msgpack_sbuffer_init(&data);
    if (request->body.size > 0 && json_to_msgpack(request->body, &data, &error) != 0)
        answer_error(reply, 400, error.text);
    else
        invoke(daemon, request->path + strlen(PART_INVOKE_PATH), (struct bytes){ data.data, data.size }, wait_ms, reply);
    msgpack_sbuffer_destroy(&data);
}
