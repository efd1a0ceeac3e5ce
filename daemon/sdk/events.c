/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/events.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "codec/json.h"
#include "sdk/object.h"
#include "sdk/answer.h"

#define ULID_SIZE 27
#define NAME_MAX_BYTES 1000

/* Crockford's base 32: 48 bits of time, 80 at random. */
static void ulid_make(int64_t unix_ms, char ret_ulid[ULID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char random[16];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    for (int i = 9; i >= 0; i--, unix_ms >>= 5)
        ret_ulid[i] = digits[unix_ms & 31];
    for (int i = 0; i < 16; i++)
        ret_ulid[10 + i] = digits[random[i] & 31];
    ret_ulid[ULID_SIZE - 1] = '\0';
}

/* One event as it goes out, and its id. */
struct envelope {
    msgpack_sbuffer text;
    char *id;
    char *name;
};

static void envelope_done(struct envelope *envelope)
{
    msgpack_sbuffer_destroy(&envelope->text);
    free(envelope->id);
    free(envelope->name);
}

static void add(msgpack_sbuffer *text, const char *part)
{
    msgpack_sbuffer_write(text, part, strlen(part));
}

static void add_text(msgpack_sbuffer *text, const char *key, const char *value)
{
    add(text, key);
    json_write_string(text, (struct bytes){ value, strlen(value) });
}

static void add_given(msgpack_sbuffer *text, const char *key, const msgpack_object *value)
{
    if (!object_is_given(value))
        return;
    add(text, key);
    json_write(text, value);
}

/* NULL, or what is wrong with it. */
static const char *envelope_make(const msgpack_object *event, struct envelope *envelope)
{
    const msgpack_object *data = object_find(event, "data");
    int64_t now_ms = clock_wall_ms();
    int64_t ts_ms = object_int(object_find(event, "ts"), 0);
    char ulid[ULID_SIZE];

    envelope->name = object_find_text(event, "name");
    envelope->id = object_find_text(event, "id");
    if (envelope->name == NULL || envelope->name[0] == '\0' || strlen(envelope->name) > NAME_MAX_BYTES)
        return "an event has a name of 1 to 1000 bytes";
    if (object_is_given(data) && data->type != MSGPACK_OBJECT_MAP)
        return "an event's data is an object";
    if (envelope->id == NULL || envelope->id[0] == '\0') {
        ulid_make(now_ms, ulid);
        free(envelope->id);
        envelope->id = xstrdup(ulid);
    }
    AUTO_FREE char *ts = xasprintf(",\"ts\":%" PRId64, ts_ms > 0 ? ts_ms : now_ms);
    add_text(&envelope->text, "{\"name\":", envelope->name);
    add_text(&envelope->text, ",\"id\":", envelope->id);
    add(&envelope->text, ts);
    add(&envelope->text, ",\"data\":");
    if (object_is_given(data))
        json_write(&envelope->text, data);
    else
        add(&envelope->text, "{}");
    add_given(&envelope->text, ",\"user\":", object_find(event, "user"));
    add_given(&envelope->text, ",\"v\":", object_find(event, "v"));
    add(&envelope->text, "}");
    return NULL;
}

/* Waits for the brokers. 0, or the HTTP status with what is wrong. */
static unsigned send_one(const struct inngest_settings *settings, const struct web_request *request, const msgpack_object *event,
                         msgpack_sbuffer *ids, const char **ret_why)
{
    __attribute__((cleanup(envelope_done))) struct envelope envelope = { 0 };
    const char *trace = request->header(request, "traceparent");
    const char type[] = "application/json";
    const struct event_header headers[] = {
        { "content-type", { type, sizeof(type) - 1 } },
        { "traceparent", { trace, trace != NULL ? strlen(trace) : 0 } },
    };

    msgpack_sbuffer_init(&envelope.text);
    *ret_why = envelope_make(event, &envelope);
    if (*ret_why != NULL)
        return 400;
    if (envelope.text.size > settings->event_bytes) {
        *ret_why = "the event is larger than limits.event";
        return 413;
    }
    const struct outgoing message = {
        .topic = settings->topic,
        .value = { envelope.text.data, envelope.text.size },
        .headers = headers,
        .header_count = trace != NULL ? 2 : 1,
    };
    if (settings->publisher->ops->publish(settings->publisher, &message) != 0) {
        *ret_why = "the brokers do not take the event";
        return 503;
    }
    if (ids->size > 0)
        add(ids, ",");
    json_write_string(ids, (struct bytes){ envelope.id, strlen(envelope.id) });
    return 0;
}

static unsigned send_all(const struct inngest_settings *settings, const struct web_request *request, const msgpack_object *body,
                         msgpack_sbuffer *ids, const char **ret_why)
{
    if (body->type != MSGPACK_OBJECT_ARRAY)
        return send_one(settings, request, body, ids, ret_why);
    for (uint32_t i = 0; i < body->via.array.size; i++) {
        unsigned status = send_one(settings, request, &body->via.array.ptr[i], ids, ret_why);
        if (status != 0)
            return status;
    }
    return 0;
}

static bool has_key(const struct inngest_settings *settings, const struct web_request *request)
{
    return settings->event_key == NULL || strcmp(request->path + strlen(EVENTS_PATH), settings->event_key) == 0;
}

void events_answer(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct inngest_settings *settings = context;
    struct error error = { 0 };
    const char *why = NULL;
    msgpack_object body;
    msgpack_sbuffer ids;
    msgpack_zone zone;

    if (!has_key(settings, request)) {
        answer_error(reply, 401, "the event key is not the configured one");
        return;
    }
    if (!msgpack_zone_init(&zone, 4096))
        abort();
    msgpack_sbuffer_init(&ids);
    if (json_decode(request->body, &zone, &body, &error) != 0) {
        answer_error(reply, 400, error.text);
    } else {
        unsigned status = send_all(settings, request, &body, &ids, &why);
        if (status != 0)
            answer_error(reply, status, why);
        else
            answer_text(reply, xasprintf("{\"ids\":[%.*s],\"status\":200}", (int)ids.size, ids.size > 0 ? ids.data : ""));
    }
    msgpack_sbuffer_destroy(&ids);
    msgpack_zone_destroy(&zone);
}
