/* SPDX-License-Identifier: Apache-2.0 */
/* expressions.jsonl: a line an expression, with what it gives (of the event named, one of the first line's), how it
 * fails, or why it is refused. */
#include "codec/expression.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/json.h"
#include "event/event_fields.h"

#define NOW_MS INT64_C(1795890839027)

/* An event of a test: a JSON object. Counts what is asked for. */
struct given {
    struct expression_event base;
    const msgpack_object *object;
    size_t reads[EXPRESSION_FIELD_COUNT];
};

static const msgpack_object *member(const msgpack_object *object, const char *name)
{
    for (uint32_t i = 0; object != NULL && object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        if (pair->key.via.str.size == strlen(name) && memcmp(pair->key.via.str.ptr, name, strlen(name)) == 0)
            return &pair->val;
    }
    return NULL;
}

static bool read_member(const struct expression_event *base, enum expression_field field, msgpack_object *ret_object)
{
    static const char *const names[] = { "id", "name", "data", "user", "ts", "v", "topic", "key", "headers" };
    struct given *given = (struct given *)base;
    const msgpack_object *found = member(given->object, names[field]);

    given->reads[field]++;
    if (found != NULL)
        *ret_object = *found;
    return found != NULL;
}

static msgpack_zone zone;

static const msgpack_object *decode(const char *json)
{
    struct error error = { 0 };
    msgpack_object *object = msgpack_zone_malloc(&zone, sizeof(*object));

    cr_assert_eq(json_decode((struct bytes){ json, strlen(json) }, &zone, object, &error), 0, "%s: %s", json, error.text);
    return object;
}

static struct given given_event(const char *json)
{
    return (struct given){ { read_member, NULL }, decode(json), { 0 } };
}

static void open_zone(void)
{
    cr_assert(msgpack_zone_init(&zone, 8192));
}

static void close_zone(void)
{
    msgpack_zone_destroy(&zone);
}

TestSuite(expression, .init = open_zone, .fini = close_zone);

static struct expression *compile(const char *text)
{
    struct expression *expression = NULL;
    struct error error = { 0 };

    cr_assert_eq(expression_compile((struct bytes){ text, strlen(text) }, &expression, &error), 0, "%s: %s", text, error.text);
    return expression;
}

static const char *refusal_of(const char *text)
{
    static struct error error;
    struct expression *expression = NULL;

    error = (struct error){ 0 };
    int status = expression_compile((struct bytes){ text, strlen(text) }, &expression, &error);
    cr_assert_eq(status, -EINVAL, "%s is not refused", text);
    return error.text;
}

/* Its value as JSON, or "error: why". */
static const char *value_of(const char *text, const char *event, const char *async)
{
    static char result[2000];
    struct given first = { 0 }, second = { 0 };
    struct expression *expression = compile(text);
    struct error error = { 0 };
    msgpack_sbuffer json;
    const char *type;

    if (event != NULL)
        first = given_event(event);
    if (async != NULL)
        second = given_event(async);
    const struct expression_scope scope = { event != NULL ? &first.base : NULL, async != NULL ? &second.base : NULL, NOW_MS };
    msgpack_sbuffer_init(&json);
    if (expression_write(expression, &scope, &json, &type, &error) == 0)
        (void)snprintf(result, sizeof(result), "%.*s", (int)json.size, json.data);
    else
        (void)snprintf(result, sizeof(result), "error: %s", error.text);
    msgpack_sbuffer_destroy(&json);
    expression_destroy(expression);
    return result;
}

/* ---- the lines of expressions.jsonl ---------------------------------------------------------------------- */

static char *text_of(const msgpack_object *text)
{
    return text != NULL ? xstrndup(text->via.str.ptr, text->via.str.size) : NULL;
}

static void check_value(const char *given, const struct expression *expression, const struct expression_scope *scope,
                        const msgpack_object *line)
{
    AUTO_FREE char *fails = text_of(member(line, "fails"));
    AUTO_FREE char *type = text_of(member(line, "type"));
    struct error error = { 0 };
    msgpack_sbuffer json;
    const char *found_type = "";

    msgpack_sbuffer_init(&json);
    int status = expression_write(expression, scope, &json, &found_type, &error);
    if (fails != NULL) {
        cr_expect(status == -EINVAL && strstr(error.text, fails) != NULL, "%s: '%s', not '%s'", given, error.text, fails);
    } else {
        AUTO_FREE char *wanted = json_text(member(line, "value"));
        cr_expect(status == 0 && strcmp(found_type, type) == 0 && json.size == strlen(wanted) && memcmp(json.data, wanted, json.size) == 0,
                  "%s: %s %.*s%s, not %s %s", given, found_type, (int)json.size, json.data != NULL ? json.data : "", error.text, type,
                  wanted);
    }
    msgpack_sbuffer_destroy(&json);
}

static void check_line(const msgpack_object *events, const msgpack_object *line)
{
    AUTO_FREE char *given = text_of(member(line, "given"));
    AUTO_FREE char *name = text_of(member(line, "event"));
    AUTO_FREE char *refused = text_of(member(line, "refused"));
    struct expression *expression = NULL;
    struct error error = { 0 };
    struct given event = { { read_member, NULL }, name != NULL ? member(events, name) : NULL, { 0 } };

    int status = expression_compile((struct bytes){ given, strlen(given) }, &expression, &error);
    if (refused != NULL) {
        cr_expect(status == -EINVAL && strcmp(error.text, refused) == 0, "%s: '%s', not '%s'", given, error.text, refused);
        return;
    }
    cr_assert_eq(status, 0, "%s: %s", given, error.text);
    check_value(given, expression, &(struct expression_scope){ name != NULL ? &event.base : NULL, NULL, NOW_MS }, line);
    expression_destroy(expression);
}

Test(expression, gives_what_each_line_of_the_corpus_says)
{
    FILE *file = fopen(STEPD_TEST_DATA_DIR "/codec/expressions.jsonl", "re");
    const msgpack_object *events = NULL;
    char *line = NULL;
    size_t room = 0, count = 0;

    cr_assert_not_null(file);
    for (ssize_t size; (size = getline(&line, &room, file)) > 0; count++) {
        char *kept = msgpack_zone_malloc(&zone, (size_t)size + 1);
        const msgpack_object *object = decode(strcpy(kept, line));
        if (events == NULL)
            events = member(object, "events");
        else
            check_line(events, object);
    }
    cr_assert_geq(count, 1500);
    free(line);
    (void)fclose(file);
}

/* ---- limits ------------------------------------------------------------------------------------------------ */

static char *repeated(const char *piece, int count, const char *middle, const char *closing)
{
    char *text = xcalloc(1, (strlen(piece) + strlen(closing)) * (size_t)count + strlen(middle) + 1);

    for (int i = 0; i < count; i++)
        strcat(text, piece);
    strcat(text, middle);
    for (int i = 0; i < count; i++)
        strcat(text, closing);
    return text;
}

Test(expression, may_be_64_deep_and_no_deeper)
{
    static const char *const pairs[][2] = { { "(", ")" }, { "[", "]" }, { "size([", "])" }, { "-(", ")" } };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int per_level = i < 2 ? 1 : 2;
        AUTO_FREE char *fits = repeated(pairs[i][0], 64 / per_level, "1", pairs[i][1]);
        AUTO_FREE char *too_deep = repeated(pairs[i][0], 64 / per_level + 1, "1", pairs[i][1]);
        expression_destroy(compile(fits));
        cr_expect(strstr(refusal_of(too_deep), "nested deeper than 64") != NULL, "%s: %s", too_deep, refusal_of(too_deep));
    }
    AUTO_FREE char *far_too_deep = repeated("(", 2000, "1", ")");
    cr_expect(strstr(refusal_of(far_too_deep), "nested deeper than 64") != NULL);
}

Test(expression, that_is_long_but_not_deep_is_taken)
{
    AUTO_FREE char *sum = repeated("1 + ", 900, "1", "");
    AUTO_FREE char *path = repeated("", 900, "event", ".a");
    AUTO_FREE char *signs = repeated("!", 900, "true", "");
    AUTO_FREE char *any = repeated("event.a == 1 || ", 200, "true", "");

    cr_expect_str_eq(value_of(sum, NULL, NULL), "901");
    cr_expect_str_eq(value_of(path, NULL, NULL), "null");
    cr_expect_str_eq(value_of(signs, NULL, NULL), "true");
    cr_expect_str_eq(value_of(any, NULL, NULL), "true");
}

Test(expression, has_4096_bytes_at_most)
{
    AUTO_FREE char *fits = repeated(" ", 4095, "1", "");
    AUTO_FREE char *too_long = repeated(" ", 4096, "1", "");

    expression_destroy(compile(fits));
    cr_expect(strstr(refusal_of(too_long), "4097 bytes") != NULL);
}

#define TEN "[1,2,3,4,5,6,7,8,9,10]"
#define HUNDREDS(body) TEN ".all(a, " TEN ".all(b, " TEN ".all(c, " TEN ".all(d, " TEN ".all(e, " body ")))))"

Test(expression, ends_after_100000_steps_whatever_is_beside_it)
{
    cr_expect(strstr(value_of(HUNDREDS("a > 0"), NULL, NULL), "100000 steps") != NULL);
    cr_expect(strstr(value_of(HUNDREDS("a > 0") " || true", NULL, NULL), "100000 steps") != NULL);
    cr_expect(strstr(value_of("!(" HUNDREDS("a > 0") ") || true", NULL, NULL), "100000 steps") != NULL);
    cr_expect_str_eq(value_of(TEN ".all(a, " TEN ".all(b, " TEN ".all(c, a > 0)))", NULL, NULL), "true");
}

Test(expression, builds_1_mib_at_most)
{
    cr_expect(strstr(value_of("['0123456789abcdef'].map(a, a+a+a+a+a+a+a+a).map(b, b+b+b+b+b+b+b+b).map(c, c+c+c+c+c+c+c+c)"
                              ".map(d, d+d+d+d+d+d+d+d).map(e, e+e+e+e+e+e+e+e).map(f, f+f+f+f+f+f+f+f).size()",
                              NULL, NULL),
                     "1 MiB") != NULL);
    cr_expect(strstr(value_of("['0123456789abcdef'].map(a, a+a+a+a+a+a+a+a).map(b, b+b+b+b+b+b+b+b).map(c, c+c+c+c+c+c+c+c)"
                              ".map(d, d+d+d+d+d+d+d+d).map(e, e+e+e+e+e+e+e+e).map(f, f+f+f+f+f+f+f+f).size() == 1 || true",
                              NULL, NULL),
                     "1 MiB") != NULL);
}

Test(expression, names_the_place_by_line_and_character)
{
    cr_expect_str_eq(refusal_of("event.data.a == 1 &&\n  'é' == nobody"), "2:10: unknown variable nobody");
    cr_expect_str_eq(
        refusal_of("'\\q'"),
        "1:2: unknown escape: \\\\ \\' \\\" \\` \\? \\a \\b \\f \\n \\r \\t \\v \\xHH \\uHHHH \\UHHHHHHHH \\OOO are those there are");
    cr_expect_str_eq(refusal_of("size(1, 2)"), "1:1: size() takes 1 argument, not 2");
    cr_expect_str_eq(refusal_of("startsWith('a', 'b')"), "1:1: startsWith() is called on a value: VALUE.startsWith(…)");
    cr_expect_str_eq(refusal_of("'1'.int()"), "1:5: int() is not called on a value: int(…)");
    cr_expect_str_eq(refusal_of("[3].exists(e, )"), "1:15: syntax: ')' stands where a condition should");
    cr_expect_str_eq(refusal_of("\xff"), "1:1: syntax: it is not UTF-8");
    cr_expect(strstr(refusal_of(""), "1:1: syntax") != NULL);
}

/* ---- events ------------------------------------------------------------------------------------------------- */

Test(expression, asks_an_event_for_nothing_that_it_does_not_name)
{
    struct given event = given_event("{\"name\": \"n\", \"data\": {\"a\": 1}}");
    struct expression *expression = compile("event.name == 'other' && event.data.a == 1");
    struct error error;

    cr_assert_eq(expression_holds(expression, &(struct expression_scope){ .event = &event.base }, &error), 0);
    cr_assert_eq(event.reads[EXPRESSION_NAME], 1);
    cr_assert_eq(event.reads[EXPRESSION_DATA], 0);
    expression_destroy(expression);
}

Test(expression, takes_a_missing_field_for_null_in_both_events)
{
    cr_expect_str_eq(value_of("async.data.id == event.data.id", "{\"data\": {}}", "{\"data\": {}}"), "true");
    cr_expect_str_eq(value_of("async.data.id == event.data.id", "{\"data\": {\"id\": 1}}", "{\"data\": {}}"), "false");
    cr_expect_str_eq(value_of("async.data.id == event.data.id", "{\"data\": {\"id\": 1}}", "{\"data\": {\"id\": 1.0}}"), "true");
    cr_expect_str_eq(value_of("async.data.id", NULL, NULL), "null");
    cr_expect_str_eq(value_of("event", "{\"id\": \"x\", \"data\": {\"a\": [1]}}", NULL), "{\"id\":\"x\",\"data\":{\"a\":[1]}}");
    cr_expect_str_eq(value_of("has(event.user) || has(event.nothing) || has(async.data)", "{\"data\": 1}", NULL), "false");
    cr_expect_str_eq(value_of("has(event.data)", "{\"data\": null}", NULL), "true");
    cr_expect_str_eq(value_of("event.data.text.length", "{\"data\": {\"text\": \"abc\"}}", NULL), "null");
}

Test(expression, keeps_whole_numbers_exact_and_makes_doubles_of_the_rest)
{
    const char *event = "{\"data\": {\"n\": 3, \"f\": 1.5, \"big\": 9007199254740993, \"most\": 18446744073709551615, \"w\": 1000000.0}}";

    cr_expect_str_eq(value_of("event.data.n / 2", event, NULL), "1.5");
    cr_expect_str_eq(value_of("event.data.n + 1", event, NULL), "4");
    cr_expect_str_eq(value_of("event.data.n % 2", event, NULL), "1");
    cr_expect_str_eq(value_of("event.data.big * 2 == 18014398509481986", event, NULL), "true");
    cr_expect_str_eq(value_of("event.data.big + 1.0 == 9007199254740994", event, NULL), "true");
    cr_expect_str_eq(value_of("event.data.most == 18446744073709551615u", event, NULL), "true");
    cr_expect_str_eq(value_of("event.data.most + 1", event, NULL), "error: integer overflow");
    cr_expect_str_eq(value_of("'' + event.data.w", event, NULL), "\"1000000\"");
    cr_expect_str_eq(value_of("'' + event.data.f * 2", event, NULL), "\"3\"");
    cr_expect_str_eq(value_of("event.data.f % 2", event, NULL), "error: no such overload: _%_ of numbers that are not whole");
    cr_expect_str_eq(value_of("1 + 18446744073709551614u", event, NULL), "18446744073709551615");
    cr_expect_str_eq(value_of("string(event.data.n / 0)", event, NULL), "\"+Inf\"");
}

Test(expression, turns_letters_of_all_alphabets)
{
    cr_expect_str_eq(value_of("lowercase('ÄÉΩ')", NULL, NULL), "\"äéω\"");
    cr_expect_str_eq(value_of("uppercase('äéω')", NULL, NULL), "\"ÄÉΩ\"");
}

Test(expression, reads_an_event_of_kafka_with_its_headers_in_any_case)
{
    static const struct event_header headers[] = { { "X-Tenant", { "a", 1 } }, { "x-tenant", { "b", 1 } }, { "none", { NULL, 0 } } };
    static const char value[] = "{\"name\": \"order/made\", \"id\": \"7\", \"data\": {\"total\": 12}, \"ts\": 1795890839027}";
    static const char *const conditions[] = {
        "event.headers['x-TENANT'] == 'b'",
        "has(event.headers.none) && event.headers.none == null",
        "event.data.total > 10",
        "event.topic == 't'",
        "event.key == 'k'",
        "event.ts == 1795890839027",
        "event.id == '7'",
        "!has(event.user)",
        "size(event.headers) == 2",
    };
    struct event event = { 0 };
    struct event_fields fields;
    struct error error = { 0 };

    event_init(&event, "t", 0, 0, 1, (struct bytes){ "k", 1 }, (struct bytes){ value, sizeof(value) - 1 }, headers, 3);
    cr_assert_eq(event_find_name(&event, &error), 0);
    event_fields_init(&fields, &event);
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        struct expression *expression = compile(conditions[i]);
        int answer = expression_holds(expression, &(struct expression_scope){ .event = &fields.base }, &error);
        cr_expect_eq(answer, 1, "%s: %s", conditions[i], answer < 0 ? error.text : "false");
        expression_destroy(expression);
    }
    event_done(&event);
}

/* ---- as conditions, keys, numbers ---------------------------------------------------------------------------- */

static int holds(const char *text, const char *event)
{
    struct given given = given_event(event);
    struct expression *expression = compile(text);
    struct error error = { 0 };
    int answer = expression_holds(expression, &(struct expression_scope){ .event = &given.base, .now_ms = NOW_MS }, &error);

    cr_expect(answer >= 0 || error.text[0] != '\0');
    expression_destroy(expression);
    return answer;
}

Test(expression, holds_if_it_is_true_and_no_other_value)
{
    cr_expect_eq(holds("event.data.n > 1", "{\"data\": {\"n\": 2}}"), 1);
    cr_expect_eq(holds("event.data.n > 1", "{\"data\": {}}"), 0);
    cr_expect_eq(holds("event.data.n", "{\"data\": {\"n\": 2}}"), -EINVAL);
    cr_expect_eq(holds("event.data.n", "{\"data\": {}}"), -EINVAL);
    cr_expect_eq(holds("1 / 0 == 1", "{}"), -EINVAL);
    cr_expect_eq(holds("!(1 / 0 == 1)", "{}"), -EINVAL);
}

static const char *key_of(const char *text, const char *event)
{
    static char result[500];
    struct given given = given_event(event);
    struct expression *expression = compile(text);
    msgpack_sbuffer key;

    msgpack_sbuffer_init(&key);
    int status = expression_key(expression, &(struct expression_scope){ .event = &given.base }, &key, NULL);
    (void)snprintf(result, sizeof(result),
                   status == 0         ? "%.*s"
                   : status == -ENOENT ? "none%.*s"
                                       : "failed%.*s",
                   (int)key.size, key.data != NULL ? key.data : "");
    msgpack_sbuffer_destroy(&key);
    expression_destroy(expression);
    return result;
}

Test(expression, is_a_key_by_its_text)
{
    const char *event =
        "{\"data\": {\"n\": 1000000, \"s\": \"\", \"b\": false, \"l\": [1, null, \"x\"], \"o\": {\"b\": 1, \"a\": {\"c\": 2.5}}}}";

    cr_expect_str_eq(key_of("event.data.n", event), "1000000");
    cr_expect_str_eq(key_of("event.data.s", event), "");
    cr_expect_str_eq(key_of("event.data.b", event), "false");
    cr_expect_str_eq(key_of("event.data.l", event), "[1 <nil> x]");
    cr_expect_str_eq(key_of("event.data.o", event), "map[a:map[c:2.5] b:1]");
    cr_expect_str_eq(key_of("event.data.gone", event), "none");
    cr_expect_str_eq(key_of("1 / 0", event), "failed");
    cr_expect_str_eq(key_of("1000000.0", event), "1e+06");
    cr_expect_str_eq(key_of("timestamp(0)", event), "1970-01-01T00:00:00Z");
}

Test(expression, is_a_priority_if_it_is_any_number)
{
    struct given event = given_event("{\"data\": {\"vip\": true}}");
    const struct expression_scope scope = { .event = &event.base };
    static const struct {
        const char *text;
        double number;
        int status;
    } cases[] = {
        { "event.data.vip ? 120 : 0", 120, 0 },
        { "-0.5", -0.5, 0 },
        { "7u", 7, 0 },
        { "'7'", 0, -EINVAL },
        { "null", 0, -EINVAL },
        { "0.0 / 0.0", 0, -EINVAL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct expression *expression = compile(cases[i].text);
        double number = 0;
        cr_expect_eq(expression_number(expression, &scope, &number, NULL), cases[i].status, "%s", cases[i].text);
        cr_expect_eq(number, cases[i].number, "%s", cases[i].text);
        expression_destroy(expression);
    }
}

/* ---- equalities ------------------------------------------------------------------------------------------------ */

/* "LATER = EARLIER", or "none". */
static const char *equality_of(const char *text)
{
    static char result[500];
    struct expression *expression = compile(text);
    struct expression_equality equality;
    msgpack_sbuffer later, earlier;

    msgpack_sbuffer_init(&later);
    msgpack_sbuffer_init(&earlier);
    (void)strcpy(result, "none");
    if (expression_find_equality(expression, &equality)) {
        expression_equality_name(equality.later, &later);
        expression_equality_name(equality.earlier, &earlier);
        (void)snprintf(result, sizeof(result), "%.*s = %.*s", (int)later.size, later.data, (int)earlier.size, earlier.data);
    }
    msgpack_sbuffer_destroy(&later);
    msgpack_sbuffer_destroy(&earlier);
    expression_destroy(expression);
    return result;
}

Test(expression, finds_the_equality_that_must_hold)
{
    cr_expect_str_eq(equality_of("async.data.id == event.data.id"), "async.data.id = event.data.id");
    cr_expect_str_eq(equality_of("event.data.id == async.data.id && async.data.ok"), "async.data.id = event.data.id");
    cr_expect_str_eq(equality_of("async.data.ok == true && (event.data.a + 1 == lowercase(async.data.b))"),
                     "lowercase(async.data.b) = event.data.a + 1");
    cr_expect_str_eq(equality_of("async.data.kind == 'paid'"), "async.data.kind = 'paid'");
    cr_expect_str_eq(equality_of("async.data.id == event.data.id || async.data.all"), "none");
    cr_expect_str_eq(equality_of("!(async.data.id == event.data.id)"), "none");
    cr_expect_str_eq(equality_of("async.data.id != event.data.id"), "none");
    cr_expect_str_eq(equality_of("async.data.id > event.data.id"), "none");
    cr_expect_str_eq(equality_of("async.data.id == async.data.other"), "none");
    cr_expect_str_eq(equality_of("event.data.id == event.data.other"), "none");
    cr_expect_str_eq(equality_of("async.data.id + event.data.id == event.data.x"), "none");
    cr_expect_str_eq(equality_of("timestamp(async.data.at) == now()"), "none");
}

static const char *identity_of(const char *text)
{
    static char results[2][300];
    static int turn;
    char *result = results[turn++ % 2];
    AUTO_FREE char *equality_text = xasprintf("async == %s", text);
    struct expression *expression = compile(equality_text);
    struct expression_equality equality;
    msgpack_sbuffer identity;

    cr_assert(expression_find_equality(expression, &equality));
    msgpack_sbuffer_init(&identity);
    int status = expression_equality_write(equality.earlier, &(struct expression_scope){ 0 }, &identity, NULL);
    (void)snprintf(result, 300, status == 0 ? "%.*s" : status == -ENOENT ? "none%.*s" : "failed%.*s", (int)identity.size, identity.data);
    msgpack_sbuffer_destroy(&identity);
    expression_destroy(expression);
    return result;
}

Test(expression, writes_equal_values_alike_and_different_ones_differently)
{
    static const char *const equal[][2] = {
        { "1", "1.0" },
        { "1", "1u" },
        { "-0.0", "0" },
        { "[1, 2u]", "[1.0, 2]" },
        { "{'a': 1, 'b': 2}", "{'b': 2.0, 'a': 1u}" },
        { "9223372036854775808u", "9223372036854775808.0" },
        { "event.data.gone", "null" },
        { "timestamp(0)", "timestamp('1970-01-01T01:00:00+01:00')" },
    };
    static const char *const different[][2] = {
        { "1", "'1'" },
        { "'a'", "b'a'" },
        { "true", "'true'" },
        { "null", "''" },
        { "[1]", "['1']" },
        { "['a', 'b']", "['ab']" },
        { "['a']", "'a'" },
        { "1.5", "1" },
        { "9007199254740993", "9007199254740992" },
        { "{'a': 1}", "['a', 1]" },
        { "duration('1s')", "'1s'" },
        { "[['a'], 'b']", "[['a', 'b']]" },
        { "int", "'int'" },
    };

    for (size_t i = 0; i < sizeof(equal) / sizeof(equal[0]); i++)
        cr_expect_str_eq(identity_of(equal[i][0]), identity_of(equal[i][1]), "%s, %s", equal[i][0], equal[i][1]);
    for (size_t i = 0; i < sizeof(different) / sizeof(different[0]); i++)
        cr_expect_str_neq(identity_of(different[i][0]), identity_of(different[i][1]), "%s, %s", different[i][0], different[i][1]);
    cr_expect_str_eq(identity_of("0.0 / 0.0"), "none");
    cr_expect_str_eq(identity_of("1 / 0"), "failed");
}
