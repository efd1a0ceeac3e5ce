/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry answers, byte by byte as Karapace 6.2.0 does. */
#include "registry/answer.h"

#include <criterion/criterion.h>
#include <string.h>

static msgpack_zone zone;

static void begin(void)
{
    cr_assert(msgpack_zone_init(&zone, 4096));
}

static void end(void)
{
    msgpack_zone_destroy(&zone);
}

TestSuite(answer, .init = begin, .fini = end);

static struct answer read_answer(long status, const char *body)
{
    return answer_read(status, (struct bytes){ body, strlen(body) }, true, &zone);
}

static void expect_schema(const char *body, const char *type, const char *schema)
{
    struct answer answer = read_answer(200, body);

    cr_assert_eq(answer.verdict, ANSWER_SCHEMA, "%s", body);
    cr_assert_str_eq(answer.type, type);
    cr_assert_eq(answer.schema.size, strlen(schema));
    cr_assert_eq(memcmp(answer.schema.data, schema, answer.schema.size), 0, "%s", body);
}

static void expect_verdict(long status, const char *body, enum answer_verdict verdict, const char *words)
{
    struct answer answer = read_answer(status, body);

    cr_assert_eq(answer.verdict, verdict, "%ld %s", status, body);
    cr_assert_str_eq(answer.words, words);
}

Test(answer, avro_has_no_type)
{
    expect_schema("{\"schema\":\"{\\\"fields\\\":[],\\\"name\\\":\\\"Order\\\",\\\"type\\\":\\\"record\\\"}\"}", "AVRO",
                  "{\"fields\":[],\"name\":\"Order\",\"type\":\"record\"}");
    expect_schema("{\"schema\":\"\\\"string\\\"\"}", "AVRO", "\"string\"");
    expect_schema("{\"schema\":\"{}\",\"schemaType\":\"JSON\",\"maxId\":7}", "JSON", "{}");
}

Test(answer, references_name_subjects_and_versions)
{
    struct answer answer =
        read_answer(200, "{\"schema\":\"{}\",\"references\":[{\"name\":\"shop.Address\",\"subject\":\"addr-value\",\"version\":1}]}");

    cr_assert_eq(answer.reference_count, 1);
    cr_assert_str_eq(answer.references[0].subject, "addr-value");
    cr_assert_eq(answer.references[0].version, 1);
}

Test(answer, an_id_that_is_not_known_is_said_by_a_code)
{
    expect_verdict(404, "{\"error_code\":40403,\"message\":\"Schema not found\"}", ANSWER_UNKNOWN, "404, Schema not found");
    expect_verdict(404, "{\"error_code\":40401,\"message\":\"Subject 'nosuch' not found.\"}", ANSWER_UNKNOWN,
                   "404, Subject 'nosuch' not found.");
    expect_verdict(404, "{\"error_code\":40402,\"message\":\"Version 9 not found.\"}", ANSWER_UNKNOWN, "404, Version 9 not found.");
}

/* A path that is not there says nothing of the schema: the url is wrong, or somebody else answers. */
Test(answer, any_other_404_is_no_answer)
{
    expect_verdict(404, "\"Not Found\"", ANSWER_AWAY, "404");
    expect_verdict(404, "{\"error_code\":404,\"message\":\"HTTP 404 Not Found\"}", ANSWER_AWAY, "404, HTTP 404 Not Found");
    expect_verdict(404, "<html>", ANSWER_AWAY, "404");
    cr_assert_eq(answer_read(404, (struct bytes){ "\"Not Found\"", 11 }, false, &zone).verdict, ANSWER_UNKNOWN, "of a GUID");
}

Test(answer, who_may_not_ask_is_refused)
{
    expect_verdict(401, "{\"message\":\"Unauthorized\"}", ANSWER_REFUSED, "401, Unauthorized");
    expect_verdict(403, "", ANSWER_REFUSED, "403");
}

Test(answer, all_else_is_a_registry_that_is_away)
{
    expect_verdict(406, "{\"message\":\"HTTP 406 Not Acceptable\"}", ANSWER_AWAY, "406, HTTP 406 Not Acceptable");
    expect_verdict(503, "", ANSWER_AWAY, "503");
    expect_verdict(302, "", ANSWER_AWAY, "302");
    expect_verdict(200, "<html>", ANSWER_AWAY, "200, without a schema: is that a registry?");
    expect_verdict(200, "{\"schema\":7}", ANSWER_AWAY, "200, without a schema: is that a registry?");
    expect_verdict(200, "[]", ANSWER_AWAY, "200, without a schema: is that a registry?");
}
