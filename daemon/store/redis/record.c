/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/record.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/packed.h"
#include "run/failure.h"

#define EVENT_FIELDS 7
#define EVENTS_MAX 1000000
#define HEADERS_MAX 100000
#define KEPT_HEADER "stepd-kept"

static void pack_bytes(msgpack_packer *packer, struct bytes bytes)
{
    if (bytes.data == NULL) {
        msgpack_pack_nil(packer);
        return;
    }
    msgpack_pack_bin(packer, bytes.size);
    msgpack_pack_bin_body(packer, bytes.data, bytes.size);
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    size_t size = strlen(text);

    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text, size);
}

/* What stands for a place that is none: earlier versions take no negative ones. */
#define NO_PARTITION INT32_MAX
#define NO_OFFSET INT64_MAX

static bool is_for_kept(const struct event_header *header)
{
    return strcmp(header->name, KEPT_HEADER) == 0;
}

/* But for a producer's of the name that is ours here. */
static void pack_headers(msgpack_packer *packer, const struct event *event)
{
    const size_t own = event->kept.size > 0;
    size_t foreign = 0;

    for (size_t i = 0; i < event->header_count; i++)
        foreign += is_for_kept(&event->headers[i]);
    msgpack_pack_array(packer, (event->header_count - foreign + own) * 2);
    for (size_t i = 0; i < event->header_count; i++) {
        if (is_for_kept(&event->headers[i]))
            continue;
        pack_text(packer, event->headers[i].name);
        pack_bytes(packer, event->headers[i].value);
    }
    if (own) {
        pack_text(packer, KEPT_HEADER);
        pack_bytes(packer, event->kept);
    }
}

/* EVENT_FIELDS of them. */
static void pack_event(msgpack_packer *packer, const struct event *event)
{
    const struct stepd_event *view = &event->view;

    pack_text(packer, view->topic);
    msgpack_pack_int32(packer, view->partition < 0 ? NO_PARTITION : view->partition);
    msgpack_pack_int64(packer, view->offset < 0 ? NO_OFFSET : view->offset);
    msgpack_pack_int64(packer, event->timestamp_ms);
    pack_bytes(packer, (struct bytes){ view->key, view->key_len });
    pack_bytes(packer, (struct bytes){ view->raw, view->raw_len });
    pack_headers(packer, event);
}

void record_pack_body(msgpack_packer *packer, const struct run *run)
{
    const struct bundle *bundle = run->bundle;

    assert(bundle == NULL || bundle->count > 1);
    assert(run->function != NULL && run->event != NULL);
    msgpack_pack_array(packer, 1 + EVENT_FIELDS + (bundle != NULL ? 1 : 0));
    pack_text(packer, run->function->id);
    pack_event(packer, run->event);
    if (bundle == NULL)
        return;
    msgpack_pack_array(packer, bundle->count - 1);
    for (size_t i = 1; i < bundle->count; i++) {
        msgpack_pack_array(packer, EVENT_FIELDS);
        pack_event(packer, bundle->events[i]);
    }
}

/* ---- reading ----------------------------------------------------------------------------------- */

static uint16_t read_16(const void *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return le16toh(value);
}

static uint32_t read_32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return le32toh(value);
}

static int64_t read_64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return (int64_t)le64toh(value);
}

int64_t record_changed_ms(const char header[static RECORD_HEADER_SIZE])
{
    return read_64(header + 24);
}

static void *zone_alloc(msgpack_zone *zone, size_t size)
{
    void *memory = msgpack_zone_malloc(zone, size);
    if (memory == NULL)
        abort();
    return memory;
}

/* false: not a text, or one with a zero byte inside. */
static bool read_text(const msgpack_object *object, msgpack_zone *zone, const char **ret_text)
{
    if (object->type != MSGPACK_OBJECT_STR || memchr(object->via.str.ptr, '\0', object->via.str.size) != NULL)
        return false;
    char *text = zone_alloc(zone, object->via.str.size + 1);
    memcpy(text, object->via.str.ptr, object->via.str.size);
    text[object->via.str.size] = '\0';
    *ret_text = text;
    return true;
}

static bool read_integer(const msgpack_object *object, int64_t min, int64_t max, int64_t *ret_number)
{
    int64_t number;

    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX)
        number = (int64_t)object->via.u64;
    else if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        number = object->via.i64;
    else
        return false;
    *ret_number = number;
    return number >= min && number <= max;
}

static bool read_bytes(const msgpack_object *object, struct bytes *ret_bytes)
{
    if (object->type == MSGPACK_OBJECT_NIL) {
        *ret_bytes = (struct bytes){ 0 };
        return true;
    }
    if (object->type != MSGPACK_OBJECT_BIN)
        return false;
    /* NULL says none, so an empty one points at something. */
    *ret_bytes = (struct bytes){ object->via.bin.size != 0 ? object->via.bin.ptr : "", object->via.bin.size };
    return true;
}

/* A header of ours, the last: versions that do not know it read the value as they always did. */
static void take_kept(struct record_event *event)
{
    const struct event_header *last = event->header_count > 0 ? &event->headers[event->header_count - 1] : NULL;

    if (last == NULL || strcmp(last->name, KEPT_HEADER) != 0 || last->value.size == 0)
        return;
    event->kept = last->value;
    event->header_count--;
}

static bool read_headers(const msgpack_object *object, msgpack_zone *zone, struct record_event *event)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size % 2 != 0 || object->via.array.size > 2 * HEADERS_MAX)
        return false;
    event->header_count = object->via.array.size / 2;
    event->headers = zone_alloc(zone, (event->header_count + 1) * sizeof(*event->headers));
    for (size_t i = 0; i < event->header_count; i++) {
        if (!read_text(&object->via.array.ptr[2 * i], zone, &event->headers[i].name) ||
            !read_bytes(&object->via.array.ptr[2 * i + 1], &event->headers[i].value))
            return false;
    }
    take_kept(event);
    return true;
}

/* Of no message: the clock has started it. */
static void set_no_place(int32_t *partition, int64_t *offset)
{
    if (*partition != NO_PARTITION || *offset != NO_OFFSET)
        return;
    *partition = -1;
    *offset = -1;
}

/* Of EVENT_FIELDS. */
static bool read_event(const msgpack_object *field, msgpack_zone *zone, struct record_event *event)
{
    int64_t partition = 0;

    *event = (struct record_event){ 0 };
    if (!read_text(&field[0], zone, &event->topic) || !read_integer(&field[1], 0, INT32_MAX, &partition) ||
        !read_integer(&field[2], 0, INT64_MAX, &event->offset) || !read_integer(&field[3], INT64_MIN, INT64_MAX, &event->timestamp_ms) ||
        !read_bytes(&field[4], &event->key) || !read_bytes(&field[5], &event->value))
        return false;
    event->partition = (int32_t)partition;
    set_no_place(&event->partition, &event->offset);
    return read_headers(&field[6], zone, event);
}

static void set_first(struct record *record, const struct record_event *first)
{
    record->topic = first->topic;
    record->partition = first->partition;
    record->offset = first->offset;
    record->timestamp_ms = first->timestamp_ms;
    record->key = first->key;
    record->value = first->value;
    record->headers = first->headers;
    record->header_count = first->header_count;
    record->kept = first->kept;
}

static bool read_more(const msgpack_object *object, msgpack_zone *zone, struct record *record)
{
    assert(record->more_count == 0);
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size == 0 || object->via.array.size > EVENTS_MAX)
        return false;
    record->more = zone_alloc(zone, object->via.array.size * sizeof(*record->more));
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        const msgpack_object *event = &object->via.array.ptr[i];
        if (event->type != MSGPACK_OBJECT_ARRAY || event->via.array.size != EVENT_FIELDS ||
            !read_event(event->via.array.ptr, zone, &record->more[i]))
            return false;
    }
    record->more_count = object->via.array.size;
    return true;
}

static bool read_body(struct bytes body, bool is_of_several, msgpack_zone *zone, struct record *record)
{
    struct record_event first;
    msgpack_object object;

    if (packed_decode(body, zone, &object, NULL) != 0)
        return false;
    if (object.type != MSGPACK_OBJECT_ARRAY || object.via.array.size != 1 + EVENT_FIELDS + (is_of_several ? 1U : 0U))
        return false;
    const msgpack_object *field = object.via.array.ptr;
    if (!read_text(&field[0], zone, &record->function) || !read_event(&field[1], zone, &first))
        return false;
    set_first(record, &first);
    return !is_of_several || read_more(&field[1 + EVENT_FIELDS], zone, record);
}

static bool is_status(unsigned char letter)
{
    return letter != '\0' && strchr("dsobqwcfx", letter) != NULL;
}

static int read_header(struct bytes data, struct record *record, struct error *ret_error)
{
    const unsigned char *at = data.data;

    if (data.size < RECORD_HEADER_SIZE)
        return error_set(ret_error, EBADMSG, "a record of %zu bytes, shorter than its header", data.size);
    if (at[0] < RECORD_VERSION || at[0] > RECORD_VERSION_SEVERAL)
        return error_set(ret_error, EBADMSG, "a record of version %d, this daemon knows %d", at[0], RECORD_VERSION_SEVERAL);
    if (!is_status(at[1]) || at[2] > RUN_IN_ON_FAILURE)
        return error_set(ret_error, EBADMSG, "a record with status %d, phase %d", at[1], at[2]);
    record->status = (enum run_status)at[1];
    record->phase = (enum run_phase)at[2];
    record->flags = at[3];
    if (record->status == RUN_CANCELLED && (record->flags & RECORD_TELL) != 0)
        record->status = RUN_ENDING;
    record->attempt = read_16(at + 4);
    record->takeovers = read_16(at + 6);
    record->epoch = read_32(at + 8);
    record->checkpoints = read_32(at + 12);
    record->created_ms = read_64(at + 16);
    record->changed_ms = read_64(at + 24);
    record->state_bytes = read_32(at + 40);
    record->unclean = read_16(at + 44);
    memcpy(record->owner.bytes, at + 48, sizeof(record->owner.bytes));
    return 0;
}

int record_decode(struct bytes data, msgpack_zone *zone, struct record *ret_record, struct error *ret_error)
{
    const char *at = data.data;
    struct record record = { 0 };
    int status = read_header(data, &record, ret_error);

    if (status != 0)
        return status;
    uint64_t body_size = read_32(at + 32);
    uint64_t tail_size = read_32(at + 36);
    if (body_size + tail_size > data.size - RECORD_HEADER_SIZE)
        return error_set(ret_error, EBADMSG, "a record of %zu bytes that should have %" PRIu64, data.size,
                         RECORD_HEADER_SIZE + body_size + tail_size);
    record.tail = (struct bytes){ at + RECORD_HEADER_SIZE + body_size, tail_size };
    if (!read_body((struct bytes){ at + RECORD_HEADER_SIZE, body_size }, at[0] == RECORD_VERSION_SEVERAL, zone, &record))
        return error_set(ret_error, EBADMSG, "a record whose body is damaged");
    *ret_record = record;
    return 0;
}

static const char *copy_text(msgpack_zone *zone, struct bytes text)
{
    char *copy = zone_alloc(zone, text.size + 1);

    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

int record_decode_head(struct bytes data, msgpack_zone *zone, struct record *ret_record, struct error *ret_error)
{
    struct record record = { 0 };
    int status = read_header(data, &record, ret_error);

    if (status != 0)
        return status;
    struct fields body = fields_open((struct bytes){ (const char *)data.data + RECORD_HEADER_SIZE, data.size - RECORD_HEADER_SIZE });
    record.function = copy_text(zone, fields_take_text(&body));
    record.topic = copy_text(zone, fields_take_text(&body));
    record.partition = (int32_t)fields_take_integer(&body, 0, INT32_MAX);
    record.offset = fields_take_integer(&body, 0, INT64_MAX);
    record.timestamp_ms = fields_take_integer(&body, INT64_MIN, INT64_MAX);
    record.key = fields_take_text(&body);
    set_no_place(&record.partition, &record.offset);
    *ret_record = record;
    return 0;
}
