/* SPDX-License-Identifier: Apache-2.0 */
#include "run/wait_event.h"

#include <string.h>

#include "codec/number.h"
#include "codec/packed.h"

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void pack_bytes(msgpack_packer *packer, const void *data, size_t size)
{
    if (data == NULL)
        msgpack_pack_nil(packer);
    else
        msgpack_pack_bin_with_body(packer, data, size);
}

static void pack_headers(msgpack_packer *packer, const struct stepd_event *event)
{
    pack_text(packer, "headers");
    msgpack_pack_array(packer, event->header_count);
    for (size_t i = 0; i < event->header_count; i++) {
        msgpack_pack_array(packer, 2);
        pack_text(packer, event->headers[i].name);
        pack_bytes(packer, event->headers[i].value, event->headers[i].size);
    }
}

void wait_event_pack(msgpack_sbuffer *buffer, const struct stepd_event *event)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, event->traceparent != NULL ? 11 : 10);
    pack_text(&packer, "id");
    pack_text(&packer, event->id);
    pack_text(&packer, "name");
    pack_text(&packer, event->name);
    pack_text(&packer, "data");
    number_pack(&packer, event->data);
    pack_text(&packer, "user");
    number_pack(&packer, event->user);
    pack_text(&packer, "ts");
    msgpack_pack_int64(&packer, event->ts_ms);
    pack_text(&packer, "topic");
    pack_text(&packer, event->topic);
    pack_text(&packer, "partition");
    msgpack_pack_int64(&packer, event->partition);
    pack_text(&packer, "offset");
    msgpack_pack_int64(&packer, event->offset);
    pack_text(&packer, "key");
    pack_bytes(&packer, event->key, event->key_len);
    pack_headers(&packer, event);
    if (event->traceparent == NULL)
        return;
    pack_text(&packer, "traceparent");
    pack_text(&packer, event->traceparent);
}

static const msgpack_object *member(const msgpack_object *map, const char *name)
{
    static const msgpack_object nothing = { .type = MSGPACK_OBJECT_NIL };

    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) && memcmp(key->via.str.ptr, name, strlen(name)) == 0)
            return &map->via.map.ptr[i].val;
    }
    return &nothing;
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

static void build_headers(struct stepd_ctx *ctx, const msgpack_object *list, struct stepd_event *event)
{
    size_t count = list->type == MSGPACK_OBJECT_ARRAY ? list->via.array.size : 0;
    struct stepd_header *headers = context_alloc(ctx, (count + 1) * sizeof(*headers));

    for (size_t i = 0; i < count; i++) {
        const msgpack_object *pair = &list->via.array.ptr[i];
        headers[i] = (struct stepd_header){ .name = "" };
        if (pair->type != MSGPACK_OBJECT_ARRAY || pair->via.array.size != 2)
            continue;
        headers[i].name = or_empty(text_of(ctx, &pair->via.array.ptr[0]));
        if (pair->via.array.ptr[1].type != MSGPACK_OBJECT_BIN)
            continue;
        headers[i].value = pair->via.array.ptr[1].via.bin.ptr;
        headers[i].size = pair->via.array.ptr[1].via.bin.size;
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
    const msgpack_object *key = member(map, "key");
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
    if (key->type == MSGPACK_OBJECT_BIN) {
        event->key = key->via.bin.ptr;
        event->key_len = key->via.bin.size;
    }
    build_headers(ctx, member(map, "headers"), event);
    return event;
}
