/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that a schema reads. A run that outlives its attempt takes along what came of that (`kept`), so that
 * whoever goes on with it, or looks at it, needs no registry: a letter for what it is, then the data.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "codec/packed.h"
#include "event/event_internal.h"
#include "schema/schema.h"

#define KEPT_JSON 'J' /* then in one byte how much of the value stands before it */
#define KEPT_MSGPACK 'M'
#define KEPT_UNREADABLE 'X' /* then the reason */

void event_set_schema(struct event *event, struct schema *schema)
{
    assert(event->schema == NULL && schema_data_of(schema, event_value(event)).data != NULL);
    event->schema = schema_hold(schema);
}

void event_set_kept(struct event *event, struct bytes kept)
{
    assert(event->schema == NULL && event->state == EVENT_NEW);
    event->kept = kept;
}

static void keep(struct event *event, char letter, struct bytes data)
{
    char *place = zone_take(event_zone(event), 1 + data.size);

    place[0] = letter;
    memcpy(place + 1, data.data, data.size);
    event->kept = (struct bytes){ place, 1 + data.size };
}

static void keep_unreadable(struct event *event, const char *reason)
{
    keep(event, KEPT_UNREADABLE, (struct bytes){ reason, strlen(reason) });
}

static void keep_read(struct event *event, struct bytes data)
{
    msgpack_sbuffer buffer;
    struct error error;

    msgpack_sbuffer_init(&buffer);
    if (schema_read_data(event->schema, data, &buffer, &error) < 0)
        keep_unreadable(event, error.text);
    else
        keep(event, KEPT_MSGPACK, (struct bytes){ buffer.data, buffer.size });
    msgpack_sbuffer_destroy(&buffer);
}

static void read_by_schema(struct event *event)
{
    assert(event->schema != NULL);
    const unsigned char skipped = (unsigned char)schema_key(event->schema)->frame_size;

    switch (schema_form(event->schema)) {
    case SCHEMA_JSON:
        keep(event, KEPT_JSON, (struct bytes){ &skipped, 1 });
        break;
    case SCHEMA_AVRO:
    case SCHEMA_READ_BY:
        keep_read(event, schema_data_of(event->schema, event_value(event)));
        break;
    case SCHEMA_UNREADABLE:
        keep_unreadable(event, schema_reason(event->schema));
        break;
    }
}

/* What a record holds may be anything. */
static int unpack(const struct event *event, struct event_part *ret_part, struct error *ret_error)
{
    const char *at = event->kept.data;
    const struct bytes rest = { at + 1, event->kept.size - 1 };
    const struct bytes value = event_value(event);

    assert(event->kept.size > 0);
    if (at[0] == KEPT_MSGPACK) {
        *ret_part = (struct event_part){ PART_MSGPACK, rest };
        return 0;
    }
    if (at[0] != KEPT_JSON)
        return error_set(ret_error, EBADMSG, "%.*s", (int)rest.size, at + 1);
    const size_t skipped = rest.size > 0 ? (unsigned char)at[1] : 0;
    if (skipped > value.size)
        return error_set(ret_error, EBADMSG, "it ends too early");
    *ret_part =
        (struct event_part){ PART_JSON, event_skip_mark((struct bytes){ (const char *)value.data + skipped, value.size - skipped }) };
    return 0;
}

static int unframe(struct event *event, struct event_part *ret_part, struct error *ret_error)
{
    if (event->kept.size == 0)
        read_by_schema(event);
    return unpack(event, ret_part, ret_error);
}

int event_read_framed_whole(struct event *event, struct event_part *ret_part, struct error *ret_error)
{
    static const struct bytes json = { "application/json", sizeof("application/json") - 1 };
    static const struct bytes msgpack = { "application/msgpack", sizeof("application/msgpack") - 1 };
    struct event_part part;
    int result = unframe(event, &part, ret_error);

    return result < 0 ? result : event_read_whole(part.form == PART_JSON ? json : msgpack, part.bytes, ret_part, ret_error);
}

int event_read_framed(struct event *event, const struct event_marks *marks, struct error *ret_error)
{
    struct event_part part;
    struct bytes type;

    if (event->format == EVENT_CLOUD_BINARY) {
        int result = event_read_cloud_attributes(event, marks, &type, ret_error);
        return result < 0 ? result : event_read_framed_whole(event, &event->data_part, ret_error);
    }
    int result = unframe(event, &part, ret_error);
    if (result < 0)
        return result;
    if (event->format == EVENT_CLOUD_STRUCTURED && part.form == PART_JSON)
        return event_read_cloud_structured(event, part.bytes, ret_error);
    if (event->format == EVENT_CLOUD_BATCH && part.form == PART_JSON)
        return event_parts_create(event, part.bytes, &event->parts, ret_error);
    event->format = part.form == PART_JSON ? EVENT_JSON : EVENT_MSGPACK;
    return event_read_envelope(event, part.form, part.bytes, ret_error);
}
