/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "codec/calendar.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "run/signal_wait.h"
#include "sdk/answer.h"
#include "sdk/events.h"
#include "sdk/inngest_settings.h"
#include "sdk/object.h"
#include "sdk/signature.h"

/* A signal that is sent. */
struct sending {
    const struct inngest_settings *settings;
    const struct web_request *request;
    const char *signal;
    const msgpack_object *data;
    char id[ULID_SIZE]; /* of its event */
    struct run_id run;  /* that waits for it */
};

static void answer_sent(const struct sending *sending, struct web_reply *reply)
{
    int64_t now_ms = clock_wall_ms();
    char now[CALENDAR_TEXT_SIZE];

    (void)calendar_write(now_ms / 1000, now);
    answer_text(reply, xasprintf("{\"data\":{\"run_id\":\"%s\"},\"metadata\":{\"fetched_at\":\"%s.%03dZ\",\"cached_until\":null}}",
                                 sending->run.text, now, (int)(now_ms % 1000)));
}

static void answer_nobody(struct web_reply *reply)
{
    reply->status = 404;
    answer_text(reply, xstrdup("{\"error\":\"No signal found\",\"data\":null,\"status\":404}"));
}

/* {"name", "id", "data": {"signal", "data"}} */
static void make_event(const struct sending *sending, msgpack_sbuffer *packed)
{
    const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };
    msgpack_packer packer;

    msgpack_packer_init(&packer, packed, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    object_pack_text(&packer, "name");
    object_pack_text(&packer, SIGNAL_EVENT);
    object_pack_text(&packer, "id");
    object_pack_text(&packer, sending->id);
    object_pack_text(&packer, "data");
    msgpack_pack_map(&packer, 2);
    object_pack_text(&packer, "signal");
    object_pack_text(&packer, sending->signal);
    object_pack_text(&packer, "data");
    msgpack_pack_object(&packer, sending->data != NULL ? *sending->data : nil);
}

/* 0 once the brokers have it, or the HTTP status with what is wrong. */
static unsigned publish(const struct sending *sending, msgpack_zone *zone, const char **ret_why)
{
    msgpack_object event = { .type = MSGPACK_OBJECT_NIL };
    msgpack_sbuffer packed, ids;

    msgpack_sbuffer_init(&packed);
    msgpack_sbuffer_init(&ids);
    make_event(sending, &packed);
    packed_build((struct bytes){ packed.data, packed.size }, zone, &event);
    unsigned status = events_send(sending->settings, sending->request, &event, &ids, ret_why);
    msgpack_sbuffer_destroy(&packed);
    msgpack_sbuffer_destroy(&ids);
    return status;
}

static void send_it(struct sending *sending, msgpack_zone *zone, struct web_reply *reply)
{
    const struct signals_port *port = &sending->settings->signals;
    const char *why = NULL;

    events_make_id(sending->id);
    int status = port->take(port->context, sending->signal, sending->id, &sending->run);
    if (status == -ENOENT) {
        answer_nobody(reply);
        return;
    }
    if (status != 0) {
        answer_error(reply, 503, "runs can't be read now");
        return;
    }
    unsigned refusal = publish(sending, zone, &why);
    if (refusal == 0) {
        answer_sent(sending, reply);
        return;
    }
    (void)port->give_back(port->context, sending->signal, sending->id, &sending->run);
    answer_error(reply, refusal, why);
}

/* What a form of another site can't send without asking first, from who has the key. */
static bool may_send(const struct inngest_settings *settings, const struct web_request *request, struct web_reply *reply)
{
    static const char json[] = "application/json";
    const char *type = request->header(request, "Content-Type");

    if (!signing_key_admits_program(settings->signing_key, request->header(request, "Authorization")))
        answer_error(reply, 401, "the signing key is not the configured one");
    else if (type == NULL || strncmp(type, json, sizeof(json) - 1) != 0)
        answer_error(reply, 415, "the content type is to be application/json");
    else
        return true;
    return false;
}

void signals_answer(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct sending sending = { .settings = context, .request = request };
    struct error error = { 0 };
    msgpack_object body = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    if (!may_send(context, request, reply))
        return;
    if (!msgpack_zone_init(&zone, 4096))
        abort();
    if (json_decode(request->body, &zone, &body, &error) != 0)
        body.type = MSGPACK_OBJECT_NIL;
    AUTO_FREE char *signal = object_find_text(&body, "signal");
    sending.signal = signal;
    sending.data = packed_find(&body, "data");
    if (signal_name_is_valid(signal))
        send_it(&sending, &zone, reply);
    else
        answer_error(reply, 400, "a signal is a JSON object with a `signal` of 1 to 1000 bytes");
    msgpack_zone_destroy(&zone);
}
