/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes, under any of the headers that choose a format: decoded or refused with a reason. What is
 * decoded can be written as JSON, which can be read again. The first byte chooses the headers. */
#include "fuzz.h"

#include "codec/json.h"
#include "event/event.h"

#define HEADER(key, text) \
    { \
        .name = (key), .value = {(text), sizeof(text) - 1 } \
    }

static const struct event_header header_sets[][2] = {
    { HEADER("x", ""), HEADER("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") },
    { HEADER("content-type", "application/msgpack"), HEADER("x", "") },
    { HEADER("content-type", "application/cloudevents+json"), HEADER("x", "") },
    { HEADER("ce_type", "t"), HEADER("content-type", "application/json") },
    { HEADER("ce_type", "t"), HEADER("content-type", "application/msgpack") },
    { HEADER("ce_type", "t"), HEADER("content-type", "text/plain") },
    { HEADER("ce_type", "t"), HEADER("ce_id", "i") },
    { HEADER("content-type", "application/cloudevents-batch+json"), HEADER("tenant", "acme") },
    { HEADER("contentType", "\"text/plain\""), HEADER("tenant", "acme") },
};

static void check_writing(const msgpack_object *object)
{
    msgpack_zone zone;
    msgpack_object again;
    struct error error;
    char *text = json_text(object);

    require(msgpack_zone_init(&zone, 1024));
    require(json_decode((struct bytes){ text, strlen(text) }, &zone, &again, &error) == 0);
    msgpack_zone_destroy(&zone);
    free(text);
}

/* What is found in it, and what functions by topic see of it. */
static void check_event(struct event *event)
{
    struct error error = { 0 };
    int found = event_find_name(event, &error);

    require(found == 0 || error.text[0] != 0);
    require(event_decode(event, &error) == found);
    require(event->view.name[0] != 0 && event->view.id[0] != 0);
    require(found == 0 || event->view.data->type == MSGPACK_OBJECT_NIL);
    check_writing(event->view.data);
    check_writing(event->view.user);
    const struct stepd_event *row = event_row(event);
    require(row->name[0] != 0 && row->id[0] != 0 && (!row->is_raw || row->data->type == MSGPACK_OBJECT_NIL));
    check_writing(row->data);
    check_writing(row->user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event event;

    if (size == 0)
        return 0;
    const struct event_header *headers = header_sets[data[0] % (sizeof(header_sets) / sizeof(header_sets[0]))];
    void *exact = exact_copy(data + 1, size - 1);
    event_init(&event, "topic", 1, 2, 3, (struct bytes){ NULL, 0 }, (struct bytes){ exact, size - 1 }, headers, 2);
    check_event(&event);
    for (size_t i = 0; event.parts != NULL && i < event.parts->count; i++)
        check_event(&event.parts->events[i]);
    free(exact);
    return 0;
}
