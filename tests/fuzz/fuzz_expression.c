/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions out of any bytes: refused with a place, or evaluated within their bounds, the same way each time. */
#include "fuzz.h"

#include <errno.h>

#include "codec/expression.h"
#include "codec/json.h"

static const char DATA[] =
    "{\"a\":{\"b\":[1,\"x\",null,true,2.5,-7]},\"n\":-7,\"s\":\"\xc3\xa9tude\",\"big\":18446744073709551615,\"f\":1e300,"
    "\"at\":\"2026-11-28T12:00:00Z\",\"o\":{\"k\":1,\"j\":{\"i\":[[]]}}}";

static msgpack_object data;

static bool read_field(const struct expression_event *event, enum expression_field field, msgpack_object *ret_object)
{
    (void)event;
    if (field == EXPRESSION_DATA)
        *ret_object = data;
    else
        *ret_object = (msgpack_object){ .type = MSGPACK_OBJECT_STR, .via.str = { .ptr = "text", .size = 4 } };
    return field != EXPRESSION_V;
}

static bool read_header(const struct expression_event *event, size_t index, struct bytes *ret_name, msgpack_object *ret_value)
{
    (void)event;
    *ret_name = (struct bytes){ index == 0 ? "A" : "a", 1 };
    *ret_value = (msgpack_object){ .type = MSGPACK_OBJECT_BIN, .via.bin = { .ptr = "\xff", .size = 1 } };
    return index < 2;
}

/* Its JSON is JSON, and comes again. */
static void try_value(const struct expression *expression, const struct expression_scope *scope)
{
    msgpack_sbuffer first, second;
    const char *type;
    msgpack_object object;
    msgpack_zone zone;

    msgpack_sbuffer_init(&first);
    msgpack_sbuffer_init(&second);
    int status = expression_write(expression, scope, &first, &type, NULL);
    require(status == 0 || status == -EINVAL);
    require(expression_write(expression, scope, &second, &type, NULL) == status);
    require(first.size == second.size && (first.size == 0 || memcmp(first.data, second.data, first.size) == 0));
    require(msgpack_zone_init(&zone, 4096));
    if (status == 0 && first.size < 1000) /* a value may be nested deeper than JSON that is read */
        (void)!json_decode((struct bytes){ first.data, first.size }, &zone, &object, NULL);
    msgpack_zone_destroy(&zone);
    msgpack_sbuffer_destroy(&first);
    msgpack_sbuffer_destroy(&second);
}

static void try_equality(const struct expression *expression, const struct expression_scope *scope)
{
    struct expression_equality equality;
    msgpack_sbuffer later, earlier;

    if (!expression_find_equality(expression, &equality))
        return;
    msgpack_sbuffer_init(&later);
    msgpack_sbuffer_init(&earlier);
    bool is_there = expression_equality_write(equality.later, scope, &later, NULL) == 0 &&
                    expression_equality_write(equality.earlier, scope, &earlier, NULL) == 0;
    bool is_equal = is_there && later.size == earlier.size && memcmp(later.data, earlier.data, later.size) == 0;
    require(is_equal || expression_holds(expression, scope, NULL) != 1);
    expression_equality_name(equality.later, &later);
    msgpack_sbuffer_destroy(&later);
    msgpack_sbuffer_destroy(&earlier);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static const struct expression_event event = { read_field, read_header };
    const struct expression_scope scope = { &event, &event, 1795890839027 };
    struct expression *expression = NULL;
    struct error error = { 0 };
    msgpack_zone zone;
    double number;

    void *exact = exact_copy(input, size);
    if (expression_compile((struct bytes){ exact, size }, &expression, &error) != 0) {
        require(error.text[0] >= '1' && error.text[0] <= '9');
        free(exact);
        return 0;
    }
    require(msgpack_zone_init(&zone, 4096));
    require(json_decode((struct bytes){ DATA, sizeof(DATA) - 1 }, &zone, &data, NULL) == 0);
    try_value(expression, &scope);
    try_equality(expression, &scope);
    require(expression_number(expression, &scope, &number, NULL) != 0 || number == number);
    require(expression_holds(expression, &(struct expression_scope){ 0 }, NULL) <= 1);
    msgpack_zone_destroy(&zone);
    expression_destroy(expression);
    free(exact);
    return 0;
}
