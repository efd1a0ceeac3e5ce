/* SPDX-License-Identifier: Apache-2.0 */
#include "program/line.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memory.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "common/payload.h"
#include "run/beside.h"
#include "run/checkpoints.h"
#include "run/context.h"
#include "sdk/object.h"

#define ZONE_SIZE 4096
#define CALL_ROOM 1024  /* a call's line, mostly; it goes from thread to thread, */
#define ANSWER_ROOM 128 /* and malloc() keeps pieces of that size for the thread that frees them */

/* ---- heard --------------------------------------------------------------------------------------- */

static const struct {
    const char *type;
    enum spoken_kind kind;
} types[] = {
    { "step", SPOKEN_REPORTS },   { "output", SPOKEN_ENDS },   { "error", SPOKEN_ENDS },   { "suspend", SPOKEN_ENDS },
    { "steps", SPOKEN_REPORTS },  { "sleep", SPOKEN_REPORTS }, { "send", SPOKEN_REPORTS }, { "wait", SPOKEN_REPORTS },
    { "invoke", SPOKEN_REPORTS }, { "log", SPOKEN_LOG },       { "hello", SPOKEN_HELLO },  { "bye", SPOKEN_BYE },
};

static enum spoken_kind kind_of(const char *type, size_t size)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strlen(types[i].type) == size && memcmp(types[i].type, type, size) == 0)
            return types[i].kind;
    }
    return SPOKEN_UNKNOWN;
}

/* Moves *at past `word`, if it stands there. */
static bool pass(const char **at, const char *end, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(end - *at) < size || memcmp(*at, word, size) != 0)
        return false;
    *at += size;
    return true;
}

/* `{"type":"step","call":17,` */
static bool hear_beginning(const char *text, size_t size, struct spoken *spoken)
{
    const char *at = text, *end = text + size;

    if (!pass(&at, end, "{\"type\":\""))
        return false;
    const char *quote = memchr(at, '"', (size_t)(end - at));
    if (quote == NULL || memchr(at, '\\', (size_t)(quote - at)) != NULL)
        return false;
    spoken->kind = kind_of(at, (size_t)(quote - at));
    at = quote + 1;
    if (!pass(&at, end, ",\"call\":"))
        return false;
    spoken->call = 0;
    const char *digits = at;
    for (; at < end && *at >= '0' && *at <= '9' && at - digits < 18; at++)
        spoken->call = spoken->call * 10 + (uint64_t)(*at - '0');
    spoken->has_call = at > digits;
    return spoken->has_call && at < end && (*at == ',' || *at == '}') && end[-1] == '}';
}

static bool hear_whole(const char *text, size_t size, struct spoken *spoken)
{
    struct error error = { 0 };
    msgpack_object line;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, ZONE_SIZE))
        abort();
    bool is_read = json_decode((struct bytes){ text, size }, &zone, &line, &error) == 0;
    const msgpack_object *type = is_read ? packed_find(&line, "type") : NULL;
    bool is_line = type != NULL && type->type == MSGPACK_OBJECT_STR;
    if (is_line) {
        int64_t call = object_int(packed_find(&line, "call"), -1);
        spoken->kind = kind_of(type->via.str.ptr, type->via.str.size);
        spoken->has_call = call >= 0;
        spoken->call = (uint64_t)call;
    }
    msgpack_zone_destroy(&zone);
    return is_line;
}

bool line_hear(const char *text, size_t size, struct spoken *ret_spoken)
{
    *ret_spoken = (struct spoken){ 0 };
    return hear_beginning(text, size, ret_spoken) || hear_whole(text, size, ret_spoken);
}

/* ---- written ------------------------------------------------------------------------------------- */

static void add(msgpack_sbuffer *line, const char *text)
{
    msgpack_sbuffer_write(line, text, strlen(text));
}

static void add_string(msgpack_sbuffer *line, const char *text)
{
    json_write_string(line, (struct bytes){ text, strlen(text) });
}

static void add_member(msgpack_sbuffer *line, const char *before, const char *text)
{
    add(line, before);
    add_string(line, text);
}

static void add_number(msgpack_sbuffer *line, const char *before, int64_t number)
{
    add(line, before);
    json_write_integer(line, number);
}

static void add_packed(msgpack_sbuffer *line, struct bytes value)
{
    msgpack_object object = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, ZONE_SIZE))
        abort();
    if (value.size > 0)
        packed_build(value, &zone, &object);
    json_write(line, &object);
    msgpack_zone_destroy(&zone);
}

static void begin(msgpack_sbuffer *line, size_t room)
{
    *line = (msgpack_sbuffer){ .data = xmalloc(room), .alloc = room };
}

static char *finish(msgpack_sbuffer *line, size_t *ret_size)
{
    size_t size = line->size;

    msgpack_sbuffer_write(line, "", 1);
    if (ret_size != NULL)
        *ret_size = size;
    return msgpack_sbuffer_release(line);
}

char *line_welcome(const char *program, int process, int in_flight, const struct hello_answer *answer)
{
    msgpack_sbuffer line;

    msgpack_sbuffer_init(&line);
    add_member(&line, "{\"type\":\"welcome\",\"program\":", program);
    add_number(&line, ",\"process\":", process);
    add_number(&line, ",\"in_flight\":", in_flight);
    add(&line, ",\"functions\":[");
    for (size_t i = 0; i < answer->taken_count; i++)
        add_member(&line, i > 0 ? "," : "", answer->taken[i]);
    add(&line, "],\"refused\":[");
    for (size_t i = 0; i < answer->refused_count; i++) {
        add_member(&line, i > 0 ? ",{\"id\":" : "{\"id\":", answer->refused[i].id);
        add_member(&line, ",\"place\":", answer->refused[i].place);
        add_member(&line, ",\"reason\":", answer->refused[i].reason);
        add(&line, "}");
    }
    add(&line, "]}");
    return finish(&line, NULL);
}

char *line_refused(const char *why)
{
    msgpack_sbuffer line;

    msgpack_sbuffer_init(&line);
    add_member(&line, "{\"type\":\"refused\",\"reason\":", why);
    add(&line, "}");
    return finish(&line, NULL);
}

/* ---- a call -------------------------------------------------------------------------------------- */

static void add_failure(msgpack_sbuffer *line, const struct failure *failure)
{
    add_member(line, "{\"name\":", failure->name);
    add_member(line, ",\"message\":", failure->message);
    add(line, "}");
}

static bool is_told(const struct checkpoint *checkpoint, enum run_phase phase, int64_t now_ms)
{
    bool is_over = checkpoint->kind != CHECKPOINT_SLEEP || checkpoint->until_ms <= now_ms;

    return !checkpoint_is_begun(checkpoint) && checkpoint->phase == phase && is_over;
}

static void add_step(msgpack_sbuffer *line, const struct checkpoint *checkpoint)
{
    add_member(line, "{\"id\":", checkpoint->id);
    if (checkpoint->kind == CHECKPOINT_FAILED) {
        add(line, ",\"error\":");
        add_failure(line, checkpoint->failure);
    } else {
        add(line, ",\"result\":");
        add_packed(line, checkpoint->kind == CHECKPOINT_COMPLETED ? checkpoint->value : (struct bytes){ 0 });
    }
    add(line, "}");
}

static void add_steps(msgpack_sbuffer *line, const struct run *run, int64_t now_ms)
{
    size_t count = run->steps != NULL ? checkpoints_count(run->steps) : 0;
    const char *before = "";

    add(line, ",\"steps\":[");
    for (size_t i = 0; i < count; i++) {
        const struct checkpoint *checkpoint = checkpoints_at(run->steps, i);
        if (!is_told(checkpoint, run->phase, now_ms))
            continue;
        add(line, before);
        add_step(line, checkpoint);
        before = ",";
    }
    add(line, "]");
}

static void add_attempts(msgpack_sbuffer *line, const struct branches *branches)
{
    add(line, ",\"attempts\":{");
    for (size_t i = 0; i < branches->count; i++) {
        add_member(line, i > 0 ? "," : "", branches->items[i].name);
        add_number(line, ":", branches->items[i].attempt);
    }
    add(line, "}");
}

/* What is not to go on in this call: steps whose next try is not due, and sleeps that are not over. */
static void add_later(msgpack_sbuffer *line, const struct run *run, const struct branches *branches, int64_t now_ms)
{
    size_t count = run->steps != NULL ? checkpoints_count(run->steps) : 0;
    const char *before = "";

    add(line, ",\"later\":[");
    for (size_t i = 0; i < branches->count; i++) {
        if (branches->items[i].due_ms <= now_ms)
            continue;
        add_member(line, before, branches->items[i].name);
        before = ",";
    }
    for (size_t i = 0; i < count; i++) {
        const struct checkpoint *checkpoint = checkpoints_at(run->steps, i);
        if (checkpoint->kind != CHECKPOINT_SLEEP || checkpoint->phase != run->phase || checkpoint->until_ms <= now_ms)
            continue;
        add_member(line, before, checkpoint->id);
        before = ",";
    }
    add(line, "]");
}

static void add_run_failure(msgpack_sbuffer *line, struct stepd_ctx *ctx)
{
    const struct stepd_error *error = stepd_last_error(ctx);

    if (ctx->run->phase != RUN_IN_ON_FAILURE || error == NULL)
        return;
    add_member(line, ",\"failure\":{\"name\":", error->name);
    add_member(line, ",\"message\":", error->message);
    add(line, ",\"step_id\":");
    if (error->step_id != NULL)
        add_string(line, error->step_id);
    else
        add(line, "null");
    add(line, "}");
}

char *line_call(struct stepd_ctx *ctx, const struct branches *branches, int64_t now_ms, size_t *ret_size)
{
    const char *event = payload_event(ctx, stepd_event(ctx));
    msgpack_sbuffer line;

    begin(&line, CALL_ROOM);
    add_member(&line, "\"function\":", stepd_function_id(ctx));
    add_member(&line, ",\"run_id\":", stepd_run_id(ctx));
    add_number(&line, ",\"attempt\":", stepd_attempt(ctx));
    add_number(&line, ",\"max_attempts\":", stepd_max_attempts(ctx));
    add(&line, ctx->run->phase == RUN_IN_ON_FAILURE ? ",\"phase\":\"on_failure\"" : ",\"phase\":\"function\"");
    add_run_failure(&line, ctx);
    add(&line, ",\"event\":");
    add(&line, event);
    if (stepd_has_batch(ctx)) {
        add(&line, ",\"events\":");
        add(&line, payload_events(ctx, PAYLOAD_EVENT));
    }
    add_steps(&line, ctx->run, now_ms);
    add_attempts(&line, branches);
    add_later(&line, ctx->run, branches, now_ms);
    add(&line, "}");
    return finish(&line, ret_size);
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void begin_answer(msgpack_sbuffer *line, const char *id, const char *status)
{
    begin(line, ANSWER_ROOM);
    add_member(line, "\"id\":", id);
    add_member(line, ",\"status\":", status);
}

char *line_answer_ok(const char *id, size_t *ret_size)
{
    msgpack_sbuffer line;

    begin_answer(&line, id, "ok");
    add(&line, "}");
    return finish(&line, ret_size);
}

char *line_answer_result(const char *id, struct bytes result, size_t *ret_size)
{
    msgpack_sbuffer line;

    begin_answer(&line, id, "ok");
    add(&line, ",\"result\":");
    add_packed(&line, result);
    add(&line, "}");
    return finish(&line, ret_size);
}

char *line_answer_failed(const char *id, const struct stepd_error *error, size_t *ret_size)
{
    msgpack_sbuffer line;

    begin_answer(&line, id, "failed");
    add_member(&line, ",\"error\":{\"name\":", error->name);
    add_member(&line, ",\"message\":", error->message);
    add(&line, "}}");
    return finish(&line, ret_size);
}

char *line_answer_later(const char *id, size_t *ret_size)
{
    msgpack_sbuffer line;

    begin_answer(&line, id, "later");
    add(&line, "}");
    return finish(&line, ret_size);
}
