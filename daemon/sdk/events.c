/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/events.h"

#include <assert.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/array.h"
#include "base/clock.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "sdk/answer.h"
#include "sdk/object.h"

#define NAME_MAX_BYTES 1000

/* Crockford's base 32: 48 bits of time, 80 at random. */
static void ulid_make(int64_t unix_ms, char ret_ulid[ULID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char random[16];

    assert(unix_ms >= 0);
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    for (int i = 9; i >= 0; i--, unix_ms >>= 5)
        ret_ulid[i] = digits[unix_ms & 31];
    for (int i = 0; i < 16; i++)
        ret_ulid[10 + i] = digits[random[i] & 31];
    ret_ulid[ULID_SIZE - 1] = '\0';
}

void events_make_id(char ret_ulid[ULID_SIZE])
{
    ulid_make(clock_wall_ms(), ret_ulid);
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
    const msgpack_object *data = packed_find(event, "data");
    int64_t now_ms = clock_wall_ms();
    int64_t ts_ms = object_int(packed_find(event, "ts"), 0);
    char ulid[ULID_SIZE];

    envelope->name = object_find_text(event, "name");
    envelope->id = object_find_text(event, "id");
    if (envelope->name == NULL || envelope->name[0] == '\0' || strlen(envelope->name) > NAME_MAX_BYTES)
        return "an event has a name of 1 to 1000 bytes without a NUL";
    if (envelope->id == NULL && packed_find(event, "id") != NULL && packed_find(event, "id")->type == MSGPACK_OBJECT_STR)
        return "an event's id has no NUL";
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
    add_given(&envelope->text, ",\"user\":", packed_find(event, "user"));
    add_given(&envelope->text, ",\"v\":", packed_find(event, "v"));
    add(&envelope->text, "}");
    return NULL;
}

/* What one request sends. Nothing of it goes out unless all of it may. */
struct sending {
    const struct inngest_settings *settings;
    struct event_header headers[2];
    size_t header_count;
    struct envelope *envelopes;
    size_t count;
};

static void sending_done(struct sending *sending)
{
    for (size_t i = 0; i < sending->count; i++)
        envelope_done(&sending->envelopes[i]);
    free(sending->envelopes);
}

/* 0, or the HTTP status with what is wrong. */
static unsigned add_event(struct sending *sending, const msgpack_object *event, const char **ret_why)
{
    struct envelope *envelope = &sending->envelopes[sending->count++];

    msgpack_sbuffer_init(&envelope->text);
    *ret_why = envelope_make(event, envelope);
    if (*ret_why != NULL)
        return 400;
    if (envelope->text.size <= sending->settings->event_bytes)
        return 0;
    *ret_why = "the event is larger than limits.event";
    return 413;
}

static unsigned add_events(struct sending *sending, const msgpack_object *body, const char **ret_why)
{
    bool is_list = body->type == MSGPACK_OBJECT_ARRAY;
    const msgpack_object *events = is_list ? body->via.array.ptr : body;
    size_t count = is_list ? body->via.array.size : 1;
    unsigned status = 0;

    sending->envelopes = xcalloc(count + 1, sizeof(*sending->envelopes));
    for (size_t i = 0; status == 0 && i < count; i++)
        status = add_event(sending, &events[i], ret_why);
    return status;
}

static void set_headers(struct sending *sending, const struct web_request *request)
{
    static const char type[] = "application/json";
    const char *trace = request->header(request, "traceparent");

    sending->headers[0] = (struct event_header){ "content-type", { type, sizeof(type) - 1 } };
    sending->header_count = 1;
    if (trace != NULL)
        sending->headers[sending->header_count++] = (struct event_header){ "traceparent", { trace, strlen(trace) } };
}

/* Waits for the brokers, once for all. 0, or the HTTP status with what is wrong. */
static unsigned publish(const struct sending *sending, const char **ret_why)
{
    struct publisher *publisher = sending->settings->publisher;
    AUTO_FREE struct outgoing *messages = xcalloc(sending->count + 1, sizeof(*messages));

    assert(sending->header_count <= COUNT_OF(sending->headers));
    for (size_t i = 0; i < sending->count; i++) {
        messages[i] = (struct outgoing){
            .topic = sending->settings->topic,
            .value = { sending->envelopes[i].text.data, sending->envelopes[i].text.size },
            .headers = sending->headers,
            .header_count = sending->header_count,
        };
    }
    if (publisher->ops->publish(publisher, messages, sending->count) == 0)
        return 0;
    *ret_why = "the brokers do not take the event";
    return 503;
}

static void write_ids(const struct sending *sending, msgpack_sbuffer *ids)
{
    for (size_t i = 0; i < sending->count; i++) {
        if (i > 0)
            add(ids, ",");
        json_write_string(ids, (struct bytes){ sending->envelopes[i].id, strlen(sending->envelopes[i].id) });
    }
}

unsigned events_send(const struct inngest_settings *settings, const struct web_request *request, const msgpack_object *body,
                     msgpack_sbuffer *ids, const char **ret_why)
{
    __attribute__((cleanup(sending_done))) struct sending sending = { .settings = settings };

    set_headers(&sending, request);
    unsigned status = add_events(&sending, body, ret_why);
    if (status == 0)
        status = publish(&sending, ret_why);
    if (status == 0)
        write_ids(&sending, ids);
    return status;
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
        unsigned status = events_send(settings, request, &body, &ids, &why);
        if (status != 0)
            answer_error(reply, status, why);
        else
            answer_text(reply, xasprintf("{\"ids\":[%.*s],\"status\":200}", (int)ids.size, ids.size > 0 ? ids.data : ""));
    }
    msgpack_sbuffer_destroy(&ids);
    msgpack_zone_destroy(&zone);
}
