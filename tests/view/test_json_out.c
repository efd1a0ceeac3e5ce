/* SPDX-License-Identifier: Apache-2.0 */
#include "view/json_out.h"

#include <criterion/criterion.h>
#include <limits.h>

static struct json_out out;

static void setup(void)
{
    json_out_init(&out);
}

static void teardown(void)
{
    json_out_done(&out);
}

TestSuite(json_out, .init = setup, .fini = teardown);

#define IS(text) \
    cr_assert(out.buffer.size == sizeof(text) - 1 && memcmp(out.buffer.data, text, sizeof(text) - 1) == 0, "%.*s", (int)out.buffer.size, \
              out.buffer.data)

Test(json_out, commas_come_by_themselves)
{
    json_out_open(&out, NULL, '{');
    json_out_number(&out, "least", INT64_MIN);
    json_out_open(&out, "list", '[');
    json_out_bool(&out, NULL, true);
    json_out_null(&out, NULL);
    json_out_open(&out, NULL, '{');
    json_out_close(&out, '{');
    json_out_close(&out, '[');
    json_out_text(&out, "none", NULL);
    json_out_raw(&out, "raw", (struct bytes){ "[1]", 3 });
    json_out_close(&out, '{');
    IS("{\"least\":-9223372036854775808,\"list\":[true,null,{}],\"none\":null,\"raw\":[1]}");
}

Test(json_out, texts_stay_texts)
{
    json_out_open(&out, NULL, '[');
    json_out_text(&out, NULL, "\",\"[{:</script>\n\x01");
    json_out_text(&out, NULL, "next");
    json_out_close(&out, '[');
    IS("[\"\\\",\\\"[{:</script>\\n\\u0001\",\"next\"]");
}

Test(json_out, what_is_no_utf8_is_replaced)
{
    json_out_bytes(&out, NULL,
                   (struct bytes){ "a\xff"
                                   "b",
                                   3 });
    IS("\"a\xef\xbf\xbd"
       "b\"");
}

Test(json_out, packed_that_is_damaged_is_null)
{
    json_out_open(&out, NULL, '[');
    json_out_packed(&out, NULL, (struct bytes){ "\x92\x01\xc3", 3 });
    json_out_packed(&out, NULL, (struct bytes){ "\x92\x01", 2 });
    json_out_packed(&out, NULL, (struct bytes){ NULL, 0 });
    json_out_close(&out, '[');
    IS("[[1,true],null,null]");
}
