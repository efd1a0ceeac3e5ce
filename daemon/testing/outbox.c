/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "event/event.h"

#define ZONE_CHUNK_SIZE 4096

/* With a NUL behind it; NULL stays NULL. */
static const char *keep(struct outbox *outbox, struct bytes bytes)
{
    if (bytes.data == NULL)
        return NULL;
    char *copy = zone_take(outbox->zone, bytes.size + 1);
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    return copy;
}

static const char *keep_text(struct outbox *outbox, const char *text)
{
    return keep(outbox, (struct bytes){ text, strlen(text) });
}

static const char *keep_json(struct outbox *outbox, const msgpack_object *object)
{
    AUTO_FREE char *json = json_text(object);

    return object->type == MSGPACK_OBJECT_NIL ? NULL : keep_text(outbox, json);
}

static const char *const *keep_headers(struct outbox *outbox, const struct outgoing *message)
{
    const char **headers = zone_take(outbox->zone, (message->header_count * 2 + 1) * sizeof(*headers));
    size_t count = 0;

    for (size_t i = 0; i < message->header_count; i++) {
        const char *value = keep(outbox, message->headers[i].value);
        headers[count++] = keep_text(outbox, message->headers[i].name);
        headers[count++] = value != NULL ? value : "";
    }
    assert(count == 2 * message->header_count);
    headers[count] = NULL;
    return headers;
}

/* What the message says, as far as it can be read. */
static void read_event(struct outbox *outbox, const struct outgoing *message, struct stepd_test_event *sent)
{
    struct event event = { .has_zone = false };
    struct error error;

    event_init(&event, message->topic, 0, 0, 0, message->key, message->value, message->headers, message->header_count);
    if (event_decode(&event, &error) == 0) {
        sent->name = keep_text(outbox, event.view.name);
        sent->id = keep_text(outbox, event.view.id);
        sent->data = keep_json(outbox, event.view.data);
        sent->user = keep_json(outbox, event.view.user);
        sent->ts_ms = event.view.ts_ms;
    }
    event_done(&event);
}

static void add(struct stepd_test_event ***list, size_t *count, struct stepd_test_event *sent)
{
    *list = xrealloc(*list, (*count + 1) * sizeof(**list));
    (*list)[(*count)++] = sent;
}

static void keep_message(struct outbox *outbox, const struct outgoing *message)
{
    struct stepd_test_event *sent = zone_take(outbox->zone, sizeof(*sent));
    *sent = (struct stepd_test_event){
        .topic = keep_text(outbox, message->topic),
        .key = keep(outbox, message->key),
        .raw = keep(outbox, message->value),
        .raw_len = message->value.size,
        .headers = keep_headers(outbox, message),
    };
    read_event(outbox, message, sent);
    if (stepd_test_header(sent, "stepd-error-name") != NULL)
        add(&outbox->letters, &outbox->letter_count, sent);
    else
        add(&outbox->events, &outbox->event_count, sent);
}

static int publish(struct publisher *port, const struct outgoing *messages, size_t count)
{
    struct outbox *outbox = (struct outbox *)port;

    if (*outbox->is_out_of_reach)
        return -ESHUTDOWN;
    for (size_t i = 0; i < count; i++)
        keep_message(outbox, &messages[i]);
    return 0;
}

static const struct publisher_ops OUTBOX_OPS = { .publish = publish };

void outbox_init(struct outbox *outbox, const bool *is_out_of_reach)
{
    *outbox = (struct outbox){
        .port = { .ops = &OUTBOX_OPS },
        .is_out_of_reach = is_out_of_reach,
        .zone = msgpack_zone_new(ZONE_CHUNK_SIZE),
    };
    if (outbox->zone == NULL)
        abort();
}

void outbox_done(struct outbox *outbox)
{
    msgpack_zone_free(outbox->zone);
    free(outbox->letters);
    free(outbox->events);
}
