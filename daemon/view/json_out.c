/* SPDX-License-Identifier: Apache-2.0 */
#include "view/json_out.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

void json_out_init(struct json_out *out)
{
    msgpack_sbuffer_init(&out->buffer);
}

void json_out_done(struct json_out *out)
{
    msgpack_sbuffer_destroy(&out->buffer);
}

void json_out_flush(struct json_out *out)
{
    (void)fwrite(out->buffer.data, 1, out->buffer.size, stdout);
    msgpack_sbuffer_clear(&out->buffer);
}

void json_out_print(struct json_out *out)
{
    assert(out->buffer.size > 0);
    json_out_flush(out);
    (void)putchar('\n');
    json_out_done(out);
}

static void put(struct json_out *out, const char *text, size_t size)
{
    if (msgpack_sbuffer_write(&out->buffer, text, size) != 0)
        abort();
}

/* A comma, unless it is the first of its object or array or stands after a name; then the name. */
static void begin(struct json_out *out, const char *name)
{
    if (out->buffer.size > 0 && strchr("[{:", out->buffer.data[out->buffer.size - 1]) == NULL)
        put(out, ",", 1);
    if (name != NULL) {
        json_write_string(&out->buffer, (struct bytes){ name, strlen(name) });
        put(out, ":", 1);
    }
}

void json_out_open(struct json_out *out, const char *name, char bracket)
{
    assert(bracket == '{' || bracket == '[');
    begin(out, name);
    put(out, &bracket, 1);
}

void json_out_close(struct json_out *out, char bracket)
{
    assert(bracket == '{' || bracket == '[');
    put(out, bracket == '{' ? "}" : "]", 1);
}

void json_out_bytes(struct json_out *out, const char *name, struct bytes text)
{
    begin(out, name);
    json_write_string(&out->buffer, text);
}

void json_out_text(struct json_out *out, const char *name, const char *text)
{
    if (text == NULL)
        json_out_null(out, name);
    else
        json_out_bytes(out, name, (struct bytes){ text, strlen(text) });
}

void json_out_number(struct json_out *out, const char *name, int64_t number)
{
    char text[24];

    begin(out, name);
    int size = snprintf(text, sizeof(text), "%" PRId64, number);
    assert(size > 0 && (size_t)size < sizeof(text));
    put(out, text, (size_t)size);
}

void json_out_bool(struct json_out *out, const char *name, bool value)
{
    begin(out, name);
    put(out, value ? "true" : "false", value ? 4 : 5);
}

void json_out_null(struct json_out *out, const char *name)
{
    begin(out, name);
    put(out, "null", 4);
}

void json_out_raw(struct json_out *out, const char *name, struct bytes json)
{
    begin(out, name);
    put(out, json.data, json.size);
}

void json_out_object(struct json_out *out, const char *name, const msgpack_object *object)
{
    begin(out, name);
    json_write(&out->buffer, object);
}

void json_out_packed(struct json_out *out, const char *name, struct bytes packed)
{
    msgpack_object object;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 1024))
        abort();
    if (packed.size > 0 && packed_decode(packed, &zone, &object, NULL) == 0)
        json_out_object(out, name, &object);
    else
        json_out_null(out, name);
    msgpack_zone_destroy(&zone);
}
