/* SPDX-License-Identifier: Apache-2.0 */
#include "run/wait_event.h"

#include <string.h>

#include "base/memory.h"
#include "codec/base64.h"
#include "codec/number.h"
#include "codec/packed.h"
#include "codec/utf8.h"

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void pack_base64(msgpack_packer *packer, struct bytes bytes)
{
    AUTO_FREE char *text = xmalloc(BASE64_SIZE(bytes.size) + 1);

    base64_encode(bytes, text);
    msgpack_pack_str_with_body(packer, text, BASE64_SIZE(bytes.size));
}

static void pack_key(msgpack_packer *packer, const struct stepd_event *event)
{
    if (event->key == NULL)
        return;
    bool is_text = utf8_is_valid(event->key, event->key_len);
    pack_text(packer, is_text ? "key" : "key_base64");
    if (is_text)
        msgpack_pack_str_with_body(packer, event->key, event->key_len);
    else
        pack_base64(packer, (struct bytes){ event->key, event->key_len });
}

static void pack_header_value(msgpack_packer *packer, const struct stepd_header *header)
{
    if (header->value == NULL) {
        msgpack_pack_nil(packer);
    } else if (utf8_is_valid(header->value, header->size)) {
        msgpack_pack_str_with_body(packer, header->value, header->size);
    } else {
        msgpack_pack_map(packer, 1);
        pack_text(packer, "base64");
        pack_base64(packer, (struct bytes){ header->value, header->size });
    }
}

/* Of a name that stands twice the last counts. */
static bool is_last(const struct stepd_event *event, size_t index)
{
    for (size_t i = index + 1; i < event->header_count; i++)
        if (strcmp(event->headers[i].name, event->headers[index].name) == 0)
            return false;
    return true;
}

static void pack_headers(msgpack_packer *packer, const struct stepd_event *event)
{
    size_t count = 0;

    for (size_t i = 0; i < event->header_count; i++)
        count += is_last(event, i);
    pack_text(packer, "headers");
    msgpack_pack_map(packer, count);
    for (size_t i = 0; i < event->header_count; i++) {
        if (!is_last(event, i))
            continue;
        pack_text(packer, event->headers[i].name);
        pack_header_value(packer, &event->headers[i]);
    }
}

void wait_event_pack(msgpack_sbuffer *buffer, const struct stepd_event *event)
{
    bool has_user = event->user->type != MSGPACK_OBJECT_NIL;
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 8U + has_user + (event->key != NULL) + (event->traceparent != NULL));
    pack_text(&packer, "id");
    pack_text(&packer, event->id);
    pack_text(&packer, "name");
    pack_text(&packer, event->name);
    pack_text(&packer, "data");
    number_pack(&packer, event->data);
    if (has_user) {
        pack_text(&packer, "user");
        number_pack(&packer, event->user);
    }
    pack_text(&packer, "ts");
    msgpack_pack_int64(&packer, event->ts_ms);
    pack_text(&packer, "topic");
    pack_text(&packer, event->topic);
    pack_text(&packer, "partition");
    msgpack_pack_int64(&packer, event->partition);
    pack_text(&packer, "offset");
    msgpack_pack_int64(&packer, event->offset);
    pack_key(&packer, event);
    pack_headers(&packer, event);
    if (event->traceparent == NULL)
        return;
    pack_text(&packer, "traceparent");
    pack_text(&packer, event->traceparent);
}

/* Nil: it is not there. */
static const msgpack_object *member(const msgpack_object *map, const char *name)
{
    static const msgpack_object nothing = { .type = MSGPACK_OBJECT_NIL };
    const msgpack_object *found = packed_find(map, name);

    return found != NULL ? found : &nothing;
}

static const char *text_of(struct stepd_ctx *ctx, const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR ? context_strdup(ctx, object->via.str.ptr, object->via.str.size) : NULL;
}

static int64_t number_of(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER || object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? object->via.i64 : 0;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* What was a text, or base64 of what was none; size 0 and NULL: neither. */
static struct bytes bytes_of(struct stepd_ctx *ctx, const msgpack_object *text, const msgpack_object *base64)
{
    size_t size = 0;

    if (text->type == MSGPACK_OBJECT_STR)
        return (struct bytes){ context_strdup(ctx, text->via.str.ptr, text->via.str.size), text->via.str.size };
    if (base64->type != MSGPACK_OBJECT_STR || !base64_is_valid((struct bytes){ base64->via.str.ptr, base64->via.str.size }, &size))
        return (struct bytes){ 0 };
    unsigned char *decoded = context_alloc(ctx, size + 1);
    base64_decode((struct bytes){ base64->via.str.ptr, base64->via.str.size }, decoded);
    return (struct bytes){ decoded, size };
}

static void build_headers(struct stepd_ctx *ctx, const msgpack_object *map, struct stepd_event *event)
{
    size_t count = map->type == MSGPACK_OBJECT_MAP ? map->via.map.size : 0;
    struct stepd_header *headers = context_alloc(ctx, (count + 1) * sizeof(*headers));

    for (size_t i = 0; i < count; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        struct bytes value = bytes_of(ctx, &pair->val, member(&pair->val, "base64"));
        headers[i] = (struct stepd_header){ .name = or_empty(text_of(ctx, &pair->key)), .value = value.data, .size = value.size };
    }
    event->headers = headers;
    event->header_count = count;
}

const struct stepd_event *wait_event_build(struct stepd_ctx *ctx, struct bytes packed)
{
    msgpack_object *map = context_alloc(ctx, sizeof(*map));
    struct stepd_event *event = context_alloc(ctx, sizeof(*event));

    map->type = MSGPACK_OBJECT_NIL;
    if (packed.size > 0)
        packed_build(packed, ctx->zone, map);
    if (map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    struct bytes key = bytes_of(ctx, member(map, "key"), member(map, "key_base64"));
    *event = (struct stepd_event){
        .id = or_empty(text_of(ctx, member(map, "id"))),
        .name = or_empty(text_of(ctx, member(map, "name"))),
        .data = member(map, "data"),
        .user = member(map, "user"),
        .ts_ms = number_of(member(map, "ts")),
        .topic = or_empty(text_of(ctx, member(map, "topic"))),
        .partition = (int32_t)number_of(member(map, "partition")),
        .offset = number_of(member(map, "offset")),
        .raw = "",
        .traceparent = text_of(ctx, member(map, "traceparent")),
    };
    event->key = key.data;
    event->key_len = key.size;
    build_headers(ctx, member(map, "headers"), event);
    return event;
}
