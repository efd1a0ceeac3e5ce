/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/expression.h"
#include "codec/json.h"
#include "ctl/command.h"
#include "view/json_out.h"

/* An event as it was given on the command line: a JSON object. */
struct given_event {
    struct expression_event event; /* first: what an expression gets is this */
    msgpack_object object;
    msgpack_zone zone;
    bool has_zone;
};

static_assert(offsetof(struct given_event, event) == 0, "an expression is given its event");

static const msgpack_object *find_member(const msgpack_object *object, const char *name)
{
    const msgpack_object *found = NULL;

    for (uint32_t i = 0; object != NULL && object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
        const msgpack_object *key = &object->via.map.ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) && memcmp(key->via.str.ptr, name, strlen(name)) == 0)
            found = &object->via.map.ptr[i].val;
    }
    return found;
}

static bool read_field(const struct expression_event *event, enum expression_field field, msgpack_object *ret_object)
{
    static const char *const names[EXPRESSION_FIELD_COUNT] = { "id", "name", "data", "user", "ts", "v", "topic", "key", "headers" };
    const struct given_event *given = (const struct given_event *)event;
    const msgpack_object *member = find_member(&given->object, names[field]);

    if (member != NULL)
        *ret_object = *member;
    return member != NULL && (field != EXPRESSION_HEADERS || member->type == MSGPACK_OBJECT_MAP);
}

static bool read_header(const struct expression_event *event, size_t index, struct bytes *ret_name, msgpack_object *ret_value)
{
    const struct given_event *given = (const struct given_event *)event;
    const msgpack_object *headers = find_member(&given->object, "headers");

    if (index >= headers->via.map.size)
        return false;
    const msgpack_object_kv *header = &headers->via.map.ptr[index];
    *ret_name = (struct bytes){ header->key.via.str.ptr, header->key.via.str.size };
    *ret_value = header->val;
    return true;
}

/* `text` NULL: none is given. `*given` goes to given_done() in any case. */
static enum ctl_exit read_given(const struct ctl *ctl, const char *option, const char *text, struct given_event *given)
{
    struct error error = { 0 };

    assert(!given->has_zone);
    given->event = (struct expression_event){ read_field, read_header };
    if (text == NULL)
        return CTL_OK;
    if (!msgpack_zone_init(&given->zone, 4096))
        abort();
    given->has_zone = true;
    if (json_decode((struct bytes){ text, strlen(text) }, &given->zone, &given->object, &error) != 0)
        return ctl_misused(ctl, "--%s: %s", option, error.text);
    if (given->object.type != MSGPACK_OBJECT_MAP)
        return ctl_misused(ctl, "--%s wants a JSON object: '{\"data\": {\"total\": 100}}'", option);
    return CTL_OK;
}

static void given_done(struct given_event *given)
{
    if (given->has_zone)
        msgpack_zone_destroy(&given->zone);
}

static void print_value(const struct ctl *ctl, const char *type, struct bytes value)
{
    struct json_out out;

    if (!ctl->is_json) {
        (void)printf("%.*s\n", (int)value.size, (const char *)value.data);
        return;
    }
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "type", type);
    json_out_raw(&out, "value", value);
    json_out_close(&out, '{');
    json_out_print(&out);
}

static enum ctl_exit evaluate_given(const struct ctl *ctl, const struct expression *expression, const struct expression_scope *scope)
{
    struct error error = { 0 };
    msgpack_sbuffer value;
    const char *type;

    msgpack_sbuffer_init(&value);
    int status = expression_write(expression, scope, &value, &type, &error);
    if (status == 0)
        print_value(ctl, type, (struct bytes){ value.data, value.size });
    msgpack_sbuffer_destroy(&value);
    return status == 0 ? CTL_OK : ctl_fail(CTL_FAILED, "%s", error.text);
}

static enum ctl_exit run(struct ctl *ctl)
{
    struct given_event event = { 0 }, async = { 0 };
    struct expression *expression = NULL;
    struct error error = { 0 };

    if (ctl->word_count < 2)
        return ctl_misused(ctl, "which expression?");
    enum ctl_exit status = CTL_OK;
    if (expression_compile((struct bytes){ ctl->words[1], strlen(ctl->words[1]) }, &expression, &error) != 0)
        status = ctl_fail(CTL_USAGE, "%s", error.text);
    if (status == CTL_OK)
        status = read_given(ctl, "event", ctl->event, &event);
    if (status == CTL_OK)
        status = read_given(ctl, "async", ctl->async, &async);
    const struct expression_scope scope = { ctl->event != NULL ? &event.event : NULL, ctl->async != NULL ? &async.event : NULL,
                                            clock_wall_ms() };
    if (status == CTL_OK)
        status = evaluate_given(ctl, expression, &scope);
    given_done(&event);
    given_done(&async);
    expression_destroy(expression);
    return status;
}

const struct command COMMAND_EVAL = {
    .name = "eval",
    .arguments = "EXPR [--event JSON] [--async JSON]",
    .summary = "what an expression gives",
    .help = "Evaluates an expression as stepd does (when, keys, priority, waits), on an event that is given here, and\n"
            "prints its value as JSON; docs/expressions.md tells the language. `async` is the event that comes later.\n"
            "An error exits with 1; an expression that stepd refuses exits with 2 and names the place, LINE:COLUMN.\n\n"
            "  stepctl eval 'event.data.total > 100' --event '{\"data\": {\"total\": 120}}'\n"
            "  stepctl --json eval 'event.data.id == async.data.id' --event '{\"data\": {\"id\": 7}}' --async '{\"data\": {\"id\": 7}}'",
    .options = TAKES_EVENT | TAKES_ASYNC,
    .most_words = 1,
    .run = run,
};
