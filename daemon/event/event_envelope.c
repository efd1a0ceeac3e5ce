/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes in JSON and msgpack: {name, data, id, ts, user, v}, or no envelope at all.
 *
 * A row of a table may have a `name`, an `id`, a `ts` of its own. So an envelope has name and data; or one of
 * them, and nothing that no envelope has. To a function that takes a whole topic more is a row: all that has no
 * data, and all that has keys of its own.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "codec/json.h"
#include "codec/timestamp.h"
#include "event/event_internal.h"

enum { NAME, DATA, ID, TS, USER, VERSION, SPECVERSION };

int event_check_text(const char *name, struct bytes text, struct error *ret_error)
{
    if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
        return error_set(ret_error, EBADMSG, "'%s' contains a NUL", name);
    return 0;
}

/* A text with escapes is built. */
static int unescape(struct event *event, struct member *member, struct error *ret_error)
{
    if (!member->has_escapes)
        return 0;
    member->has_escapes = false;
    return json_decode(member->bytes, event_zone(event), &member->value, ret_error);
}

/* JSON's integers of more than 64 bits are their digits, which are no text. */
static bool is_text(const struct member *member)
{
    const char first = member->bytes.size > 0 ? *(const char *)member->bytes.data : '\0';

    return member->value.type == MSGPACK_OBJECT_STR && first != '-' && (first < '0' || first > '9');
}

int event_text_of(struct event *event, struct member *member, const char **ret_text, struct error *ret_error)
{
    if (!member->is_present || member->value.type == MSGPACK_OBJECT_NIL)
        return 0;
    if (!is_text(member))
        return error_set(ret_error, EBADMSG, "'%s' is not a string", member->key);
    int result = unescape(event, member, ret_error);
    if (result < 0)
        return result;
    struct bytes text = { member->value.via.str.ptr, member->value.via.str.size };
    if (!member->has_no_nul)
        result = event_check_text(member->key, text, ret_error);
    if (result == 0 && text.size > 0)
        *ret_text = event_keep_text(event, text);
    return result;
}

static bool is_number(const struct member *member)
{
    const msgpack_object *value = &member->value;

    return (value->type == MSGPACK_OBJECT_STR && !is_text(member)) || value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
           value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER || value->type == MSGPACK_OBJECT_FLOAT64 || value->type == MSGPACK_OBJECT_FLOAT32;
}

/* JSON's number as it is written there, msgpack's as JSON would write it. */
static void read_number_id(struct event *event, const struct member *id, enum event_part_form form)
{
    assert(is_number(id) && (form == PART_JSON || form == PART_MSGPACK));
    if (form == PART_JSON) {
        event->view.id = event_keep_text(event, id->bytes);
        return;
    }
    AUTO_FREE char *text = json_text(&id->value);
    event->view.id = event_keep_text(event, (struct bytes){ text, strlen(text) });
}

static int read_id(struct event *event, struct member *id, enum event_part_form form, struct error *ret_error)
{
    if (!id->is_present || !is_number(id))
        return event_text_of(event, id, &event->view.id, ret_error);
    read_number_id(event, id, form);
    return 0;
}

static int read_time(struct event *event, struct member *ts, struct error *ret_error)
{
    if (!ts->is_present || ts->value.type == MSGPACK_OBJECT_NIL)
        return 0;
    int result = ts->value.type == MSGPACK_OBJECT_STR ? unescape(event, ts, ret_error) : 0;
    if (result < 0)
        return result;
    result = timestamp_read(&ts->value, &event->view.ts_ms);
    if (result == -ERANGE)
        return error_set(ret_error, EBADMSG, "'ts' is out of range");
    if (result < 0)
        return error_set(ret_error, EBADMSG, "'ts' is no time: it may be ms or seconds since 1970, or as 2026-11-28T12:00:00Z");
    return 0;
}

static struct event_part part_of(const struct member *member, enum event_part_form form)
{
    if (!member->is_present || member->value.type == MSGPACK_OBJECT_NIL)
        return (struct event_part){ .form = PART_NIL };
    return (struct event_part){ .form = form, .bytes = member->bytes };
}

static bool is_name(const struct member *name)
{
    return name->is_present && is_text(name) && (name->has_escapes || name->value.via.str.size > 0);
}

/* To a function by event. */
static bool is_envelope(const struct member *members, bool has_others)
{
    if (is_name(&members[NAME]))
        return members[DATA].is_present || !has_others;
    return members[DATA].is_present && !members[NAME].is_present && !has_others;
}

static int read_members(struct event *event, struct member *members, enum event_part_form form, struct error *ret_error)
{
    int result = event_text_of(event, &members[NAME], &event->view.name, ret_error);

    if (result == 0)
        result = read_id(event, &members[ID], form, ret_error);
    if (result == 0)
        result = read_time(event, &members[TS], ret_error);
    if (result < 0)
        return result;
    event->data_part = part_of(&members[DATA], form);
    event->user_part = part_of(&members[USER], form);
    return 0;
}

int event_read_envelope(struct event *event, enum event_part_form form, struct bytes value, struct error *ret_error)
{
    struct member members[] = { MEMBER("name"), MEMBER("data"), MEMBER("id"),          MEMBER("ts"),
                                MEMBER("user"), MEMBER("v"),    MEMBER("specversion"), { .key = NULL } };
    struct members_shape shape = { .is_map = false };
    int result =
        form == PART_JSON ? members_find_json(value, members, &shape, ret_error) : members_find_msgpack(value, members, &shape, ret_error);

    if (result < 0)
        return result;
    if (form == PART_JSON && members[SPECVERSION].is_present && event_is_cloud_structured(value)) {
        event->format = EVENT_CLOUD_STRUCTURED;
        return event_read_cloud_structured(event, value, ret_error);
    }
    bool has_others = shape.others > 0 || members[SPECVERSION].is_present;
    /* Then its id and ts, where it has any, are its own business. */
    if (!is_envelope(members, has_others)) {
        event->data_part = (struct event_part){ .form = form, .bytes = value };
        return 0;
    }
    if (!members[NAME].is_present || !members[DATA].is_present || has_others)
        event->row_part = (struct event_part){ .form = form, .bytes = value };
    return read_members(event, members, form, ret_error);
}
