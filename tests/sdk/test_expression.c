/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/expression.h"

#include <criterion/criterion.h>
#include <msgpack.h>
#include <string.h>

#include "codec/json.h"

static bool holds(const char *expression, const char *data)
{
    struct error error = { 0 };
    msgpack_object object, user = { .type = MSGPACK_OBJECT_NIL };
    msgpack_zone zone;

    cr_assert(msgpack_zone_init(&zone, 1024));
    cr_assert_eq(json_decode((struct bytes){ data, strlen(data) }, &zone, &object, &error), 0, "%s", error.text);
    const struct stepd_event event = { .id = "7", .name = "user/created", .data = &object, .user = &user, .ts_ms = 5 };
    cr_assert(expression_is_valid(expression), "%s", expression);
    bool answer = expression_holds(expression, &event);
    msgpack_zone_destroy(&zone);
    return answer;
}

Test(expression, compares_texts_numbers_truths_and_nothing)
{
    cr_assert(holds("event.data.function_id == 'oracle-onfail'", "{\"function_id\":\"oracle-onfail\"}"));
    cr_assert_not(holds("event.data.function_id == 'oracle-onfail'", "{\"function_id\":\"oracle\"}"));
    cr_assert(holds("event.data.a.b==\"x\"", "{\"a\":{\"b\":\"x\"}}"));
    cr_assert(holds("event.data.n == 12", "{\"n\":12}"));
    cr_assert(holds("event.data.n == -3", "{\"n\":-3}"));
    cr_assert_not(holds("event.data.n == 12", "{\"n\":\"12\"}"));
    cr_assert(holds("event.data.on == true", "{\"on\":true}"));
    cr_assert_not(holds("event.data.on == false", "{\"on\":true}"));
    cr_assert(holds("event.data.none == null", "{}"));
    cr_assert(holds("event.name == 'user/created' && event.id == '7' && event.ts == 5", "{}"));
}

Test(expression, all_parts_must_hold)
{
    cr_assert(holds("event.data.a == 1 && event.data.b == 2", "{\"a\":1,\"b\":2}"));
    cr_assert_not(holds("event.data.a == 1 && event.data.b == 2", "{\"a\":1,\"b\":3}"));
    cr_assert_not(holds("event.data.a.b == 1", "{\"a\":1}"));
}

Test(expression, refuses_all_else)
{
    const char *const wrong[] = { "", "event.data.n > 1", "event.data.n == 1 || event.data.m == 2", "data.n == 1", "event. == 1",
                                  "event.data.n == 1 &&", "event.data.n == 1.5", "event.data.n == 'it\\'s'", "event.data.n == 'open",
                                  "event.data.n == one", "async.data.n == event.data.n", "event.data.n == 1 )" };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_not(expression_is_valid(wrong[i]), "%s", wrong[i]);
}
