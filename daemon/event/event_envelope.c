/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes in JSON and msgpack: {name, data, id, ts, user, v}, or no envelope at all. */
#include <errno.h>
#include <string.h>

#include "event/event_format.h"
#include "codec/json.h"

int event_check_text(const char *name, struct bytes text, struct error *ret_error)
{
    if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
        return error_set(ret_error, EBADMSG, "'%s' contains a NUL", name);
    return 0;
}

int event_text_of(struct event *event, struct member *member, const char **ret_text, struct error *ret_error)
{
    int result = 0;

    if (!member->is_present || member->value.type == MSGPACK_OBJECT_NIL)
        return 0;
    if (member->value.type != MSGPACK_OBJECT_STR)
        return error_set(ret_error, EBADMSG, "'%s' is not a string", member->key);
    if (member->has_escapes) {
        result = json_decode(member->bytes, event_zone(event), &member->value, ret_error);
        if (result < 0)
            return result;
        member->has_escapes = false;
    }
    struct bytes text = { member->value.via.str.ptr, member->value.via.str.size };
    result = event_check_text(member->key, text, ret_error);
    if (result == 0)
        *ret_text = event_keep_text(event, text);
    return result;
}

static int read_time(struct event *event, const struct member *ts, struct error *ret_error)
{
    const msgpack_object *value = &ts->value;

    if (!ts->is_present || value->type == MSGPACK_OBJECT_NIL)
        return 0;
    bool is_double = value->type == MSGPACK_OBJECT_FLOAT64 || value->type == MSGPACK_OBJECT_FLOAT32;
    if (!is_double && value->type != MSGPACK_OBJECT_POSITIVE_INTEGER && value->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return error_set(ret_error, EBADMSG, "'ts' is not a number of milliseconds");
    bool is_in_range = is_double ? value->via.f64 > -0x1p63 && value->via.f64 < 0x1p63
                                 : value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER || value->via.u64 <= INT64_MAX;
    if (!is_in_range)
        return error_set(ret_error, EBADMSG, "'ts' is out of range");
    event->view.ts_ms = is_double ? (int64_t)value->via.f64 : value->via.i64;
    return 0;
}

static struct event_part part_of(const struct member *member, enum event_part_form form)
{
    if (!member->is_present || member->value.type == MSGPACK_OBJECT_NIL)
        return (struct event_part){ .form = PART_NIL };
    return (struct event_part){ .form = form, .bytes = member->bytes };
}

int event_read_envelope(struct event *event, enum event_part_form form, struct error *ret_error)
{
    enum { NAME, DATA, ID, TS, USER };
    struct member members[] = { MEMBER("name"), MEMBER("data"), MEMBER("id"), MEMBER("ts"), MEMBER("user"), { .key = NULL } };
    bool is_map = false;
    struct bytes value = event_value(event);
    int result = form == PART_JSON ? members_find_json(value, members, &is_map, ret_error)
                                   : members_find_msgpack(value, members, &is_map, ret_error);

    if (result < 0)
        return result;
    /* Then its id and ts, where it has any, are its own business. */
    if (!members[NAME].is_present && !members[DATA].is_present) {
        event->data_part = (struct event_part){ .form = form, .bytes = value };
        return 0;
    }
    result = event_text_of(event, &members[NAME], &event->view.name, ret_error);
    if (result == 0 && event->view.name[0] == 0)
        result = error_set(ret_error, EBADMSG, "'name' is empty");
    if (result == 0)
        result = event_text_of(event, &members[ID], &event->view.id, ret_error);
    if (result == 0)
        result = read_time(event, &members[TS], ret_error);
    if (result < 0)
        return result;
    event->data_part = part_of(&members[DATA], form);
    event->user_part = part_of(&members[USER], form);
    return 0;
}
