/* SPDX-License-Identifier: Apache-2.0 */
#include "run/emit.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/pulse.h"
#include "codec/json.h"
#include "codec/number.h"
#include "codec/packed.h"
#include "run/failure.h"
#include "run/trace.h"

#define EVENT_NAME_MAX 1000
#define ENVELOPED_MAX_DEPTH (DATA_MAX_DEPTH - 2) /* what stands inside an envelope can still be read */
#define FAILED_EVENT "stepd/function.failed"
#define CANCELLED_EVENT "stepd/function.cancelled"
#define OWN_HEADERS 9

/* ---- dead letters -------------------------------------------------------------------------------- */

char *emit_letter_topic(const char *pattern, const char *topic)
{
    AUTO_FREE char *text = xstrdup("");

    for (const char *at; (at = strstr(pattern, "%t")) != NULL; pattern = at + 2) {
        AUTO_FREE char *before = text;
        text = xasprintf("%s%.*s%s", before, (int)(at - pattern), pattern, topic);
    }
    return xasprintf("%s%s", text, pattern);
}

struct header_list {
    struct event_header *items;
    size_t count;
    char numbers[OWN_HEADERS][24];
};

static void add_text(struct header_list *list, const char *name, const char *text)
{
    if (text != NULL)
        list->items[list->count++] = (struct event_header){ name, { text, strlen(text) } };
}

static void add_number(struct header_list *list, const char *name, int64_t number)
{
    char *text = list->numbers[list->count % OWN_HEADERS];

    (void)snprintf(text, sizeof(list->numbers[0]), "%" PRId64, number);
    add_text(list, name, text);
}

/* Where in a batch it stood, a letter tells as well. */
static bool is_passed_on(const char *name)
{
    return !event_header_is_own(name) || strcasecmp(name, EVENT_INDEX_HEADER) == 0;
}

/* Ours first, so that their numbers have places; then what the message had, but for an earlier letter's. */
static void fill_headers(struct header_list *list, const struct dead_letter *letter)
{
    const struct event *event = letter->event;

    add_text(list, "stepd-function", letter->function);
    add_text(list, "stepd-run-id", letter->run_id);
    add_text(list, "stepd-error-name", letter->error_name);
    add_text(list, "stepd-error-message", letter->error_message);
    add_number(list, "stepd-attempts", letter->attempts);
    add_text(list, "stepd-topic", event->view.topic);
    add_number(list, "stepd-partition", event->view.partition);
    add_number(list, "stepd-offset", event->view.offset);
    add_number(list, "stepd-failed-at", letter->failed_at_ms);
    for (size_t i = 0; i < event->header_count; i++) {
        if (is_passed_on(event->headers[i].name))
            list->items[list->count++] = event->headers[i];
    }
}

/* `topic` and `list` live as long as the message. */
static struct outgoing letter_message(const struct dead_letter *letter, const char *topic, struct header_list *list)
{
    const struct event *event = letter->event;

    assert(letter->event != NULL && letter->error_name != NULL);
    fill_headers(list, letter);
    return (struct outgoing){
        .topic = topic,
        .key = { event->view.key, event->view.key_len },
        .value = { event->view.raw, event->view.raw_len },
        .headers = list->items,
        .header_count = list->count,
    };
}

/* As long as the brokers take for them. */
static int publish(struct publisher *publisher, const struct outgoing *messages, size_t count)
{
    pulse_rest_here();
    int status = publisher->ops->publish(publisher, messages, count);
    pulse_beat_here();
    return status;
}

int emit_letter(struct publisher *publisher, const struct dead_letter *letter)
{
    AUTO_FREE char *topic = emit_letter_topic(letter->topic, letter->event->view.topic);
    struct header_list list = { .items = xcalloc(letter->event->header_count + OWN_HEADERS, sizeof(*list.items)) };
    const struct outgoing message = letter_message(letter, topic, &list);
    int status = publish(publisher, &message, 1);

    free(list.items);
    return status;
}

/* A publisher's answer, put in words. */
static int explain(int status, const char *what, struct error *ret_error)
{
    return status == 0 ? 0 : error_set(ret_error, -status, "the brokers refuse %s", what);
}

/* Its memory is the attempt's. */
static struct outgoing letter_of_run(struct stepd_ctx *ctx, const struct event *event, const struct failure *failure)
{
    const struct dead_letter letter = {
        .topic = ctx->settings->dead_letter_topic,
        .event = event,
        .function = ctx->run->function->id,
        .run_id = ctx->run->id.text,
        .error_name = failure->name,
        .error_message = failure->message,
        .attempts = failure->attempt + 1,
        .failed_at_ms = context_now_ms(ctx),
    };
    AUTO_FREE char *topic = emit_letter_topic(letter.topic, event->view.topic);
    struct header_list *list = context_alloc(ctx, sizeof(*list));

    list->items = context_alloc(ctx, (event->header_count + OWN_HEADERS) * sizeof(*list->items));
    list->count = 0;
    return letter_message(&letter, context_strdup(ctx, topic, strlen(topic)), list);
}

/* ---- events -------------------------------------------------------------------------------------- */

/* The run's own topic, unless some function takes every message of it: then one that none takes. */
static const char *event_topic(const struct stepd_ctx *ctx)
{
    const struct attempt_settings *settings = ctx->settings;
    const char *own = ctx->run->event->view.topic;

    if (settings->routes == NULL || !routes_topic_has_raw(settings->routes, own))
        return own;
    for (size_t i = 0; settings->topics[i] != NULL; i++) {
        if (!routes_topic_has_raw(settings->routes, settings->topics[i]))
            return settings->topics[i];
    }
    return settings->topics[0];
}

static bool has_binary(const msgpack_object *object)
{
    if (object->type == MSGPACK_OBJECT_BIN || object->type == MSGPACK_OBJECT_EXT)
        return true;
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            if (has_binary(&object->via.array.ptr[i]))
                return true;
        }
    }
    if (object->type == MSGPACK_OBJECT_MAP) {
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            if (has_binary(&object->via.map.ptr[i].key) || has_binary(&object->via.map.ptr[i].val))
                return true;
        }
    }
    return false;
}

static void pack_key(msgpack_packer *packer, const char *key)
{
    msgpack_pack_str_with_body(packer, key, strlen(key));
}

static void pack_envelope(msgpack_sbuffer *envelope, const char *id, const char *name, int64_t ts_ms, struct bytes data)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, envelope, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    pack_key(&packer, "id");
    failure_pack_text(&packer, id);
    pack_key(&packer, "name");
    failure_pack_text(&packer, name);
    pack_key(&packer, "ts");
    msgpack_pack_int64(&packer, ts_ms);
    pack_key(&packer, "data");
    if (data.size > 0)
        msgpack_sbuffer_write(envelope, data.data, data.size);
    else
        msgpack_pack_nil(&packer);
}

/* JSON, which anybody can read; msgpack where the data holds what JSON can't. */
static const char *encode_envelope(msgpack_sbuffer *packed, msgpack_sbuffer *ret_value)
{
    struct bytes bytes = { packed->data, packed->size };
    msgpack_object object;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 1024))
        abort();
    packed_build(bytes, &zone, &object);
    bool is_binary = has_binary(&object);
    if (is_binary)
        msgpack_sbuffer_write(ret_value, packed->data, packed->size);
    else
        json_write(ret_value, &object);
    msgpack_zone_destroy(&zone);
    return is_binary ? "application/msgpack" : "application/json";
}

const char *emit_envelope(const char *id, const char *name, int64_t ts_ms, struct bytes data, msgpack_sbuffer *ret_value)
{
    msgpack_sbuffer packed;

    msgpack_sbuffer_init(&packed);
    pack_envelope(&packed, id, name, ts_ms, data);
    const char *type = encode_envelope(&packed, ret_value);
    msgpack_sbuffer_destroy(&packed);
    return type;
}

/* What belongs to the trace that the event is part of. Returns how many. */
size_t emit_trace_headers(const struct stepd_ctx *ctx, char room[static TRACE_PARENT_SIZE],
                          struct event_header headers[static EMIT_TRACE_HEADERS])
{
    const struct event *event = ctx->run->event;
    const char *parent = trace_parent_text(ctx, room) ? room : event->view.traceparent;
    const char *state = event->tracestate;
    size_t count = 0;

    if (parent != NULL)
        headers[count++] = (struct event_header){ "traceparent", { parent, strlen(parent) } };
    if (state != NULL)
        headers[count++] = (struct event_header){ "tracestate", { state, strlen(state) } };
    if (event_header_find(event, "baggage", &headers[count].value) && headers[count].value.size > 0)
        headers[count++].name = "baggage";
    return count;
}

/* An event of the run's own, and what its message points to. */
struct event_message {
    struct outgoing message;
    struct event_header headers[1 + EMIT_TRACE_HEADERS];
    char trace[TRACE_PARENT_SIZE];
    msgpack_sbuffer value;
};

static void event_message_init(struct event_message *made, struct stepd_ctx *ctx, const char *id, const char *name, struct bytes data)
{
    const struct event *event = ctx->run->event;

    msgpack_sbuffer_init(&made->value);
    const char *type = emit_envelope(id, name, context_now_ms(ctx), data, &made->value);
    made->headers[0] = (struct event_header){ "content-type", { type, strlen(type) } };
    made->message = (struct outgoing){
        .topic = event_topic(ctx),
        .key = { event->view.key, event->view.key_len },
        .value = { made->value.data, made->value.size },
        .headers = made->headers,
        .header_count = 1 + emit_trace_headers(ctx, made->trace, &made->headers[1]),
    };
}

static void event_message_done(struct event_message *made)
{
    msgpack_sbuffer_destroy(&made->value);
}

static int publish_event(struct stepd_ctx *ctx, const char *id, const char *name, struct bytes data)
{
    struct event_message made;

    event_message_init(&made, ctx, id, name, data);
    int status = publish(ctx->publisher, &made.message, 1);
    event_message_done(&made);
    return status;
}

int emit_check_data(struct bytes data, struct error *ret_error)
{
    size_t size = 0;

    if (data.size > 0 && packed_measure(data, ENVELOPED_MAX_DEPTH, &size, ret_error) != 0)
        return -EINVAL;
    return size == data.size ? 0 : error_set(ret_error, EINVAL, "the event's data is more than one object");
}

int emit_event(struct stepd_ctx *ctx, const char *name, struct bytes data, struct error *ret_error)
{
    if (name == NULL || name[0] == '\0' || strnlen(name, EVENT_NAME_MAX + 1) > EVENT_NAME_MAX)
        return error_set(ret_error, EINVAL, "an event's name has 1 to %d bytes", EVENT_NAME_MAX);
    if (emit_check_data(data, ret_error) != 0)
        return -EINVAL;
    AUTO_FREE char *id = xasprintf("%s-%s", ctx->run->id.text, ctx->step.id);
    return explain(publish_event(ctx, id, name, data), "the event", ret_error);
}

static void pack_event(msgpack_packer *packer, const struct stepd_event *event, const msgpack_object *event_data)
{
    msgpack_pack_map(packer, 4);
    pack_key(packer, "id");
    failure_pack_text(packer, event->id);
    pack_key(packer, "name");
    failure_pack_text(packer, event->name);
    pack_key(packer, "data");
    number_pack(packer, event_data);
    pack_key(packer, "ts");
    msgpack_pack_int64(packer, event->ts_ms);
}

/* `failure` NULL: it was cancelled. */
static void pack_ended_data(msgpack_sbuffer *data, const struct run *run, const struct failure *failure, const msgpack_object *event_data)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, failure != NULL ? 4 : 3);
    pack_key(&packer, "function_id");
    failure_pack_text(&packer, run->function->id);
    pack_key(&packer, "run_id");
    failure_pack_text(&packer, run->id.text);
    if (failure != NULL) {
        pack_key(&packer, "error");
        msgpack_pack_map(&packer, 2);
        pack_key(&packer, "name");
        failure_pack_text(&packer, failure->name);
        pack_key(&packer, "message");
        failure_pack_text(&packer, failure->message);
    }
    pack_key(&packer, "event");
    pack_event(&packer, run_event(run), event_data);
}

static bool is_too_deep(const msgpack_sbuffer *data)
{
    size_t size;

    return packed_measure((struct bytes){ data->data, data->size }, ENVELOPED_MAX_DEPTH, &size, NULL) != 0;
}

/* Who takes events of that name too, and comes to the same end, would never come to one. */
static bool tells_end(struct stepd_ctx *ctx, const char *name)
{
    return strcmp(stepd_event(ctx)->name, name) != 0;
}

/* What stepd tells of a run's end: `word` is part of the event's id. */
static void end_message_init(struct event_message *made, struct stepd_ctx *ctx, const char *name, const char *word,
                             const struct failure *failure)
{
    const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };
    AUTO_FREE char *id = xasprintf("%s-%s", ctx->run->id.text, word);
    msgpack_sbuffer data;

    msgpack_sbuffer_init(&data);
    pack_ended_data(&data, ctx->run, failure, stepd_event(ctx)->data);
    if (is_too_deep(&data)) {
        msgpack_sbuffer_clear(&data);
        pack_ended_data(&data, ctx->run, failure, &nil);
    }
    event_message_init(made, ctx, id, name, (struct bytes){ data.data, data.size });
    msgpack_sbuffer_destroy(&data);
}

/* Its memory is the attempt's. */
static struct outgoing failed_event(struct stepd_ctx *ctx, const struct failure *failure)
{
    struct event_message *made = context_alloc(ctx, sizeof(*made));

    end_message_init(made, ctx, FAILED_EVENT, "failed", failure);
    made->message.value.data = context_strdup(ctx, made->value.data, made->value.size);
    event_message_done(made);
    return made->message;
}

struct outgoing *emit_of_failure(struct stepd_ctx *ctx, const struct failure *failure, size_t *ret_letters, size_t *ret_count)
{
    const struct bundle *bundle = ctx->run->bundle;
    size_t letters = bundle != NULL ? bundle->count : 1;
    struct outgoing *messages = context_alloc(ctx, (letters + 1) * sizeof(*messages));

    for (size_t i = 0; i < letters; i++)
        messages[i] = letter_of_run(ctx, bundle != NULL ? bundle->events[i] : ctx->run->event, failure);
    *ret_letters = *ret_count = letters;
    if (tells_end(ctx, FAILED_EVENT))
        messages[(*ret_count)++] = failed_event(ctx, failure);
    return messages;
}

int emit_explain_failure(int status, struct error *ret_error)
{
    return explain(status, "the dead letter or " FAILED_EVENT, ret_error);
}

int emit_failure(struct stepd_ctx *ctx, const struct failure *failure, struct error *ret_error)
{
    size_t letters, count;
    const struct outgoing *messages = emit_of_failure(ctx, failure, &letters, &count);

    return emit_explain_failure(publish(ctx->publisher, messages, count), ret_error);
}

int emit_failure_in_order(struct stepd_ctx *ctx, const struct failure *failure, struct error *ret_error)
{
    size_t letters, count;
    const struct outgoing *messages = emit_of_failure(ctx, failure, &letters, &count);
    int status = explain(publish(ctx->publisher, messages, letters), "the dead letter", ret_error);

    if (status != 0 || count == letters)
        return status;
    return explain(publish(ctx->publisher, &messages[letters], count - letters), FAILED_EVENT, ret_error);
}

int emit_cancelled_event(struct stepd_ctx *ctx, struct error *ret_error)
{
    struct event_message made;

    if (!tells_end(ctx, CANCELLED_EVENT))
        return 0;
    end_message_init(&made, ctx, CANCELLED_EVENT, "cancelled", NULL);
    int status = publish(ctx->publisher, &made.message, 1);
    event_message_done(&made);
    return explain(status, CANCELLED_EVENT, ret_error);
}
