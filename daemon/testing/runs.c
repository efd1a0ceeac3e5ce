/* SPDX-License-Identifier: Apache-2.0 */
/* Runs come to be: from an event as it was given to a message, and from that to the functions it starts. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "codec/packed.h"
#include "event/event.h"
#include "event/event_fields.h"
#include "run/attempt.h"
#include "run/flow_ask.h"
#include "run/wait_event.h"
#include "testing/test_internal.h"
#include "testing/text.h"

#define ZONE_CHUNK_SIZE 1024

/* ---- messages ------------------------------------------------------------------------------------ */

static struct bytes keep(struct stepd_test *test, const void *data, size_t size)
{
    char *copy = zone_take(test->zone, size + 1);

    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return (struct bytes){ copy, size };
}

struct bytes test_keep_text(struct stepd_test *test, const char *text)
{
    return text != NULL ? keep(test, text, strlen(text)) : (struct bytes){ 0 };
}

static void write_text(msgpack_sbuffer *json, const char *text)
{
    (void)msgpack_sbuffer_write(json, text, strlen(text));
}

static void write_string(msgpack_sbuffer *json, const char *name, const char *text)
{
    if (text == NULL)
        return;
    write_text(json, json->size > 1 ? "," : "");
    json_write_string(json, (struct bytes){ name, strlen(name) });
    write_text(json, ":");
    json_write_string(json, (struct bytes){ text, strlen(text) });
}

static void write_value(msgpack_sbuffer *json, const char *name, const char *given)
{
    AUTO_FREE char *text = given != NULL ? text_to_json(given) : NULL;

    if (text == NULL)
        return;
    write_text(json, json->size > 1 ? "," : "");
    json_write_string(json, (struct bytes){ name, strlen(name) });
    write_text(json, ":");
    write_text(json, text);
}

/* The JSON envelope of an event that was given by its parts. */
static struct bytes envelope_of(struct stepd_test *test, const struct stepd_test_event *given, const char *name)
{
    msgpack_sbuffer json;

    msgpack_sbuffer_init(&json);
    write_text(&json, "{");
    write_string(&json, "name", name);
    write_string(&json, "id", given->id);
    if (given->ts_ms != 0) {
        /* As text in seconds: a small number would be taken for those. */
        const char *sign = given->ts_ms < 0 ? "-" : "";
        AUTO_FREE char *ts = xasprintf("%s%lld.%03d", sign, llabs(given->ts_ms / 1000), abs((int)(given->ts_ms % 1000)));
        write_string(&json, "ts", ts);
    }
    write_value(&json, "data", given->data);
    write_value(&json, "user", given->user);
    write_text(&json, "}");
    struct bytes value = keep(test, json.data, json.size);
    msgpack_sbuffer_destroy(&json);
    return value;
}

static const struct event_header *headers_of(struct stepd_test *test, const struct stepd_test_event *given, size_t *ret_count)
{
    size_t count = 0;

    while (given->headers != NULL && given->headers[count] != NULL)
        count++;
    struct event_header *headers = zone_take(test->zone, (count / 2 + 1) * sizeof(*headers));
    for (size_t i = 0; i + 1 < count; i += 2)
        headers[i / 2] = (struct event_header){ test_keep_text(test, given->headers[i]).data, test_keep_text(test, given->headers[i + 1]) };
    *ret_count = count / 2;
    return headers;
}

static const char *topic_of(const struct stepd_test *test, const struct stepd_test_event *given, const struct function *function)
{
    if (given->topic != NULL)
        return given->topic;
    return function != NULL && function->topic != NULL ? function->topic : test->config->topics[0];
}

/* A prefix is no name. */
static const char *name_of(const struct stepd_test_event *given, const struct function *function)
{
    if (given->name != NULL || function == NULL || function->event == NULL)
        return given->name;
    return strchr(function->event, '*') == NULL ? function->event : NULL;
}

/* One message more on its topic; all of it lives as long as the test. `function` NULL: of none in
 * particular. */
struct message_view {
    const char *topic;
    int64_t offset;
    struct bytes key;
    struct bytes value;
    const struct event_header *headers;
    size_t header_count;
    uint32_t part; /* as of struct event */
};

static struct message_view message_of(struct stepd_test *test, const struct stepd_test_event *given, const struct function *function)
{
    struct message_view message = {
        .topic = test_keep_text(test, topic_of(test, given, function)).data,
        .offset = test->next_offset++,
        .key = test_keep_text(test, given->key),
        .value = given->raw != NULL ? keep(test, given->raw, given->raw_len) : envelope_of(test, given, name_of(given, function)),
    };

    message.headers = headers_of(test, given, &message.header_count);
    return message;
}

static void event_begin(struct event *event, const struct message_view *message, int64_t now_ms)
{
    event_init(event, message->topic, message->offset < 0 ? -1 : 0, message->offset, now_ms, message->key, message->value, message->headers,
               message->header_count);
    event->part = message->part;
}

/* ---- runs ---------------------------------------------------------------------------------------- */

/* Within its window a key that the function has seen starts nothing. */
static bool is_repeated(struct stepd_test_run *run)
{
    struct stepd_test *test = run->test;
    const struct run identity = { .function = &run->observed->function, .event = &run->event, .id = run->id };
    enum dedupe_answer answer = DEDUPE_FIRST;

    struct flow_troubles troubles = { 0 };
    struct dedupe_id id;

    if (run->observed->function.dedupe_ms == 0 ||
        !flow_dedupe_id(&run->observed->function, &run->event, test->store.now_ms, &id, &troubles))
        return false;
    int status = test->store.port.ops->remember(&test->store.port, &identity, &id, run->observed->function.dedupe_ms, &answer);
    return status == 0 && answer == DEDUPE_DUPLICATE;
}

/* Whose run it is that no message makes. */
enum origin { OF_MESSAGE, OF_CALL, OF_TICK };

/* `id`: of OF_CALL and OF_TICK. */
static struct stepd_test_run *run_create_as(struct stepd_test *test, const struct observed *observed, const struct message_view *message,
                                            enum origin origin, const struct run_id *id)
{
    struct stepd_test_run *run = xcalloc(1, sizeof(*run));
    struct error error = { 0 };

    assert((origin == OF_MESSAGE) == (id == NULL));
    run->test = test;
    run->observed = observed;
    run->started_ms = test->store.now_ms;
    run->views = msgpack_zone_new(ZONE_CHUNK_SIZE);
    if (run->views == NULL)
        abort();
    event_begin(&run->event, message, test->store.now_ms);
    if (event_find_name(&run->event, &error) != 0 && observed->function.topic == NULL)
        test_die("function %s can't be given this message: %s", observed->function.id, error.text);
    run->is_invoked = origin == OF_CALL;
    run->is_ticked = origin == OF_TICK;
    run->id = id != NULL ? *id : run_id_of(&observed->function, &run->event);
    run->is_duplicate = !run->is_ticked && is_repeated(run);
    test->runs = xrealloc(test->runs, (test->run_count + 1) * sizeof(*test->runs));
    test->runs[test->run_count++] = run;
    limits_admit(run);
    return run;
}

static struct stepd_test_run *run_create(struct stepd_test *test, const struct observed *observed, const struct message_view *message)
{
    return run_create_as(test, observed, message, OF_MESSAGE, NULL);
}

void run_destroy(struct stepd_test_run *run)
{
    for (size_t i = 0; i < run->note_count; i++)
        free(run->notes[i]);
    free(run->notes);
    free(run->bundle.events);
    msgpack_zone_free(run->views);
    event_done(&run->event);
    free(run);
}

void run_forget_views(struct stepd_test_run *run)
{
    msgpack_zone_clear(run->views);
    run->steps = (struct steps_view){ .is_read = false };
}

static const struct observed *function_find(const struct stepd_test *test, const char *id)
{
    for (size_t i = 0; i < test->functions.count; i++) {
        if (strcmp(test->observed[i].function.id, id) == 0)
            return &test->observed[i];
    }
    test_die("module %s has no function '%s'", test->declared->name, id);
}

struct stepd_test_run *stepd_test_start(struct stepd_test *test, const char *function_id, const struct stepd_test_event *event)
{
    static const struct stepd_test_event nothing = { .name = NULL };

    test_prepare(test);
    const struct observed *observed = function_find(test, function_id);
    const struct message_view message = message_of(test, event != NULL ? event : &nothing, &observed->function);
    return run_create(test, observed, &message);
}

/* What no function can be given. */
static void write_letter(struct stepd_test *test, const struct event *event, const char *name, const char *why)
{
    (void)!attempt_reject(&test->outbox.port, test->settings.dead_letter_topic, event, name, why, test->store.now_ms);
}

static size_t reject(struct stepd_test *test, struct event *event, const char *name, const char *why)
{
    write_letter(test, event, name, why);
    event_done(event);
    return 0;
}

/* Whether a later event is what the run's function cancels its runs by, or expects. */
static bool is_wished(struct stepd_test_run *run, const struct flow_wish *wish, struct event *later)
{
    const struct function *function = &run->observed->function;
    struct event_fields own, async;
    struct error error;

    if (strcmp(wish->event, later->view.name) != 0 || event_find_name(&run->event, &error) != 0)
        return false;
    if (wish->expression == NULL)
        return true;
    (function->topic != NULL ? event_fields_init_of_row : event_fields_init)(&own, &run->event);
    event_fields_init(&async, later);
    const struct expression_scope scope = { .event = &own.base, .async = &async.base, .now_ms = run->test->store.now_ms };
    return expression_holds(wish->expression, &scope, &error) == 1;
}

static void fulfil_wishes(struct stepd_test_run *run, struct event *later)
{
    const struct flow_settings *flow = run->observed->function.flow;
    msgpack_sbuffer outcome;

    if (flow == NULL || status_is_end(stepd_test_status(run)))
        return;
    for (size_t i = 0; i < flow->wishes.count; i++) {
        const struct flow_wish *wish = &flow->wishes.items[i];
        if (!is_wished(run, wish, later))
            continue;
        if (wish->kind == FLOW_WISH_CANCEL) {
            (void)stepd_test_cancel(run);
            continue;
        }
        msgpack_sbuffer_init(&outcome);
        wait_event_pack(&outcome, event_view(later));
        memory_store_keep(&run->test->store, &run->id, wish->event, later->view.offset, (struct bytes){ outcome.data, outcome.size });
        msgpack_sbuffer_destroy(&outcome);
    }
}

/* The waits that it ends. */
static size_t match(struct stepd_test *test, struct event *event)
{
    size_t ended = 0;

    memory_store_watch(&test->store, test->matching.watches);
    (void)!matching_match(&test->matching, event, &ended);
    for (size_t i = 0; i < test->run_count; i++)
        fulfil_wishes(test->runs[i], event);
    for (size_t i = 0; i < test->run_count && ended > 0; i++)
        run_forget_views(test->runs[i]);
    return ended;
}

/* A run of each function whose `when` holds for the event. */
static size_t start_all(struct stepd_test *test, const struct function *const *functions, size_t count, struct event *event,
                        const struct message_view *message)
{
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        struct flow_troubles troubles = { 0 };
        if (!flow_wants(functions[i], event, test->store.now_ms, &troubles))
            continue;
        (void)run_create(test, (const struct observed *)functions[i], message); /* its first member */
        made++;
    }
    return made;
}

/* Whether functions by event would have had what can't be read. */
static bool is_missed(const struct stepd_test *test, const struct event *malformed)
{
    return routes_take_name(test->routes, malformed->said_name);
}

/* An event of a batch, whose bytes are the batch's. */
static size_t send_part(struct stepd_test *test, struct event *part, const struct message_view *batch)
{
    AUTO_FREE const struct function **functions = xcalloc(routes_function_count(test->routes) + 1, sizeof(*functions));
    struct message_view message = *batch;
    struct event_header *headers = zone_take(test->zone, (part->header_count + 1) * sizeof(*headers));
    struct error error = { 0 };

    for (size_t i = 0; i < part->header_count; i++)
        headers[i] = (struct event_header){ part->headers[i].name, keep(test, part->headers[i].value.data, part->headers[i].value.size) };
    message.value = keep(test, part->view.raw, part->view.raw_len);
    message.headers = headers;
    message.header_count = part->header_count;
    message.part = part->part;
    bool is_read = event_find_name(part, &error) == 0;
    size_t count =
        routes_match(test->routes, message.topic, is_read ? part->view.name : NULL, functions, routes_function_count(test->routes));
    if (!is_read && (count == 0 || is_missed(test, part)))
        write_letter(test, part, "MalformedEvent", error.text);
    if (is_read)
        (void)match(test, part);
    return start_all(test, functions, count, part, &message);
}

static size_t send_parts(struct stepd_test *test, struct event *batch, const struct message_view *message)
{
    size_t count = 0;

    assert(batch->parts != NULL);
    for (size_t i = 0; i < batch->parts->count; i++)
        count += send_part(test, &batch->parts->events[i], message);
    event_done(batch);
    return count;
}

size_t stepd_test_event(struct stepd_test *test, const struct stepd_test_event *given)
{
    struct event event = { .has_zone = false };
    struct error error = { 0 };
    size_t ended = 0;

    test_prepare(test);
    const struct message_view message = message_of(test, given, NULL);
    event_begin(&event, &message, test->store.now_ms);
    bool is_read = event_find_name(&event, &error) == 0;
    for (size_t i = 0; event.parts != NULL && i < event.parts->count; i++) {
        if (event_find_name(&event.parts->events[i], &error) == 0)
            ended += match(test, &event.parts->events[i]);
    }
    if (event.parts == NULL && is_read)
        ended = match(test, &event);
    event_done(&event);
    return ended;
}

size_t stepd_test_send(struct stepd_test *test, const struct stepd_test_event *given)
{
    struct event event = { .has_zone = false };
    struct error error = { 0 };
    char text[96];

    test_prepare(test);
    const size_t largest = (size_t)test->config->limits.event_bytes;
    const struct message_view message = message_of(test, given, NULL);
    AUTO_FREE const struct function **functions = xcalloc(routes_function_count(test->routes) + 1, sizeof(*functions));
    event_begin(&event, &message, test->store.now_ms);
    if (message.value.size > largest) {
        (void)snprintf(text, sizeof(text), "%zu bytes, more than limits.event (%zu)", message.value.size, largest);
        return reject(test, &event, "EventTooLarge", text);
    }
    bool is_read = event_find_name(&event, &error) == 0;
    if (event.parts != NULL)
        return send_parts(test, &event, &message);
    size_t count =
        routes_match(test->routes, message.topic, is_read ? event.view.name : NULL, functions, routes_function_count(test->routes));
    if (!is_read && count == 0)
        return reject(test, &event, "MalformedEvent", error.text);
    if (!is_read && is_missed(test, &event))
        write_letter(test, &event, "MalformedEvent", error.text);
    if (is_read)
        (void)match(test, &event);
    size_t made = start_all(test, functions, count, &event, &message);
    event_done(&event);
    return made;
}

struct stepd_test_run *stepd_test_tick(struct stepd_test *test, const char *function_id)
{
    msgpack_sbuffer value;
    struct tick tick;

    test_prepare(test);
    const struct observed *observed = function_find(test, function_id);
    const struct flow_settings *flow = observed->function.flow;
    if (flow == NULL || flow->schedule == NULL)
        test_die("function %s has no .cron", function_id);
    if (!schedule_next(flow->schedule, test->store.now_ms, &tick))
        return NULL;
    stepd_test_advance(test, tick.at_ms - test->store.now_ms);
    const struct run_id id = run_id_of_tick(&observed->function, tick.at_ms);
    msgpack_sbuffer_init(&value);
    schedule_write_event(&value, id.text, &tick);
    const struct message_view message = {
        .topic = test->config->topics[0],
        .offset = -1,
        .value = keep(test, value.data, value.size),
    };
    msgpack_sbuffer_destroy(&value);
    return run_create_as(test, observed, &message, OF_TICK, &id);
}

size_t stepd_test_run_count(const struct stepd_test *test)
{
    return test->run_count;
}

struct stepd_test_run *stepd_test_run_at(const struct stepd_test *test, size_t index)
{
    return index < test->run_count ? test->runs[index] : NULL;
}

/* ---- order --------------------------------------------------------------------------------------- */

static bool shares_strand(const struct stepd_test_run *one, const struct stepd_test_run *other)
{
    const struct stepd_event *a = &one->event.view;
    const struct stepd_event *b = &other->event.view;

    return one->observed == other->observed && a->key != NULL && b->key != NULL && strcmp(a->topic, b->topic) == 0 &&
           a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

bool run_is_behind(const struct stepd_test_run *run)
{
    const struct stepd_test *test = run->test;

    if (run->observed->function.ordering != STEPD_BY_KEY)
        return false;
    for (size_t i = 0; i < test->run_count && test->runs[i] != run; i++) {
        if (shares_strand(test->runs[i], run) && !status_is_end(stepd_test_status(test->runs[i])))
            return true;
    }
    return false;
}

void run_invoke(struct stepd_test *test, struct memory_call *call)
{
    const struct message_view message = {
        .topic = test->config->topics[0],
        .offset = -1,
        .value = call->value,
        .headers = call->headers,
        .header_count = call->header_count,
    };

    assert(call->is_begun);
    (void)run_create_as(test, function_find(test, call->function_id), &message, OF_CALL, &call->callee);
}
