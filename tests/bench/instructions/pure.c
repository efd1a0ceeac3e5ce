/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pure parts cost, to be counted in instructions: `pure NAME` does one thing TURNS times within
 * measured(), the only function that callgrind collects. No argument: lists the names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "intake/offsets.h"
#include "run/backoff.h"
#include "run/routes.h"
#include "run/run.h"
#include "run/trace.h"
#include "schema/schema.h"
#include "trace/span.h"

#define TURNS 1000
#define FUNCTIONS 100
#define TEXT_SIZE 3000

static const char json[] =
    "{\"name\":\"app/button.clicked\",\"id\":\"01HF3Z6Y8M2K4Q7R9T1V3X5Z7B\",\"ts\":1700000000123,\"data\":{\"user_id\":\"user-48213\","
    "\"button\":\"checkout\",\"page\":\"/cart/summary\",\"x\":412,\"y\":96,\"items\":[1,2,3],\"ok\":true}}";

static const char packed[] = "\x82\xa4name\xb2"
                             "app/button.clicked\xa4"
                             "data\x83\xa7user_id\xaauser-48213\xa6"
                             "button\xa8"
                             "checkout\xa1x\xcd\x01\x9c";

/* The same as the JSON's, by a schema. */
static const char record_schema[] =
    "{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"id\",\"type\":\"string\"},"
    "{\"name\":\"ts\",\"type\":\"long\"},{\"name\":\"data\",\"type\":{\"type\":\"record\",\"name\":\"D\",\"fields\":["
    "{\"name\":\"user_id\",\"type\":\"string\"},{\"name\":\"button\",\"type\":\"string\"},{\"name\":\"page\",\"type\":\"string\"},"
    "{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"y\",\"type\":\"int\"},{\"name\":\"items\",\"type\":{\"type\":\"array\",\"items\":"
    "\"int\"}},"
    "{\"name\":\"ok\",\"type\":\"boolean\"}]}}]}";
static const char record[] = "\0\0\0\0\x09\x24"
                             "app/button.clicked\x34"
                             "01HF3Z6Y8M2K4Q7R9T1V3X5Z7B\xf6\xa1\xab\xfe\xf9\x62\x14"
                             "user-48213\x10"
                             "checkout\x1a"
                             "/cart/summary\xb8\x06\xc0\x01\x06\x02\x04\x06\x00\x01";
#define CLOUD_EVENT \
    "{\"specversion\":\"1.0\",\"type\":\"app/button.clicked\",\"id\":\"01HF3Z6Y8M2K4Q7R9T1V3X5Z7B\",\"source\":\"/shop\"," \
    "\"data\":{\"user_id\":\"user-48213\",\"button\":\"checkout\",\"page\":\"/cart/" \
    "summary\",\"x\":412,\"y\":96,\"items\":[1,2,3],\"ok\":true}}"
#define BATCH 100
static const struct event_header structured[] = { { "content-type", { "application/cloudevents+json", 28 } } };
static const struct event_header batched[] = { { "content-type", { "application/cloudevents-batch+json", 34 } } };

static struct event event;
static struct schema *schema;
static char batch[BATCH * sizeof(CLOUD_EVENT) + 2];
static struct function functions[FUNCTIONS];
static _Alignas(64) char names[FUNCTIONS][32]; /* what strlen() takes depends on where they stand */
static const struct function *listed[FUNCTIONS];
static struct routes *routes;
static struct offsets *offsets;
static char text[TEXT_SIZE];
static size_t text_size;
static volatile int64_t kept; /* what the compiler must not leave out */

static void take(const char *value, size_t size)
{
    event_init(&event, "events", 3, 4711, 1700000000000, (struct bytes){ "key-17", 6 }, (struct bytes){ value, size }, NULL, 0);
}

static void name_of_json(int turn)
{
    struct error error;

    (void)turn;
    take(json, sizeof(json) - 1);
    kept = event_find_name(&event, &error);
}

static void data_of_json(int turn)
{
    struct error error;

    (void)turn;
    take(json, sizeof(json) - 1);
    kept = event_decode(&event, &error);
}

static void name_of_msgpack(int turn)
{
    struct error error;

    (void)turn;
    take(packed, sizeof(packed) - 1);
    kept = event_find_name(&event, &error);
}

static void data_of_msgpack(int turn)
{
    struct error error;

    (void)turn;
    take(packed, sizeof(packed) - 1);
    kept = event_decode(&event, &error);
}

static void prepare_record(void)
{
    const struct schema_key key = { .form = SCHEMA_BY_ID, .frame_size = FRAME_SIZE, .number = 9 };
    const struct bytes texts[] = { { record_schema, sizeof(record_schema) - 1 } };

    schema = schema_create_avro(&key, texts, 1);
}

static void data_of_avro(int turn)
{
    struct error error;

    (void)turn;
    take(record, sizeof(record) - 1);
    event_set_schema(&event, schema);
    kept = event_decode(&event, &error);
    if (kept != 0)
        abort();
}

static void data_of_cloud(int turn)
{
    struct error error;

    (void)turn;
    event_init(&event, "events", 3, 4711, 1700000000000, (struct bytes){ "key-17", 6 },
               (struct bytes){ CLOUD_EVENT, sizeof(CLOUD_EVENT) - 1 }, structured, 1);
    kept = event_decode(&event, &error);
}

static void prepare_batch(void)
{
    for (int i = 0; i < BATCH; i++) {
        strcat(batch, i == 0 ? "[" : ",");
        strcat(batch, CLOUD_EVENT);
    }
    strcat(batch, "]");
}

/* All of its events: as much as 100 turns of the one before. */
static void data_of_batch(int turn)
{
    struct error error;

    (void)turn;
    event_init(&event, "events", 3, 4711, 1700000000000, (struct bytes){ "key-17", 6 }, (struct bytes){ batch, strlen(batch) }, batched, 1);
    kept = event_find_name(&event, &error);
    for (size_t i = 0; i < event.parts->count; i++)
        kept = event_decode(&event.parts->events[i], &error);
}

static void delay(int turn)
{
    kept = backoff_delay_ms(&backoff_default, turn % 12, (uint64_t)turn * UINT64_C(0x9e3779b97f4a7c15));
}

static void prepare_routes(void)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), i % 10 == 0 ? "app/group%d.*" : "app/thing%d.done", i);
        functions[i] = (struct function){ .id = names[i], .event = names[i], .index = (size_t)i };
        listed[i] = &functions[i];
    }
    routes = routes_create(listed, FUNCTIONS);
}

static void route(int turn)
{
    const struct function *out[4];

    kept = (int64_t)routes_match(routes, "events", turn % 2 == 0 ? "app/thing77.done" : "app/group50.seen", out, 4);
}

static void id_of_run(int turn)
{
    event.view.offset = turn;
    kept = run_id_of(&functions[0], &event).text[7];
}

static void prepare_run(void)
{
    take(json, sizeof(json) - 1);
    functions[0] = (struct function){ .id = "click-recorder", .event = "app/button.clicked" };
}

static void prepare_offsets(void)
{
    offsets = offsets_create(0);
}

/* In flight: some hundred, done out of order. */
static void track(int turn)
{
    kept = offsets_start(offsets, turn);
    offsets_finish(offsets, turn < 256 ? 0 : (turn - 256) ^ 7);
    kept = offsets_committable(offsets);
}

static void prepare_bitmap(void)
{
    offsets = offsets_create(0);
    for (int64_t at = 0; at < 20000; at++)
        (void)offsets_start(offsets, at);
    for (int64_t at = 1; at < 20000; at++)
        if (at * 2654435761 % 97 != 0)
            offsets_finish(offsets, at);
    text_size = offsets_encode(offsets, text, sizeof(text));
}

static void write_bitmap(int turn)
{
    (void)turn;
    kept = (int64_t)offsets_encode(offsets, text, sizeof(text));
}

static void read_bitmap(int turn)
{
    struct error error;
    struct offsets *fresh = offsets_create(0);

    (void)turn;
    kept = offsets_decode(fresh, (struct bytes){ text, text_size }, 20000, &error);
    offsets_destroy(fresh);
}

static struct run run;
static msgpack_sbuffer spans;

static void prepare_trace(void)
{
    struct error error;

    prepare_run();
    if (event_find_name(&event, &error) != 0)
        abort();
    run = (struct run){ .function = &functions[0], .event = &event, .id = run_id_of(&functions[0], &event) };
    msgpack_sbuffer_init(&spans);
}

/* All that tracing asks of a run that is not traced. */
static void look_whether_traced(int turn)
{
    run.id.text[RUN_ID_LENGTH - 9] = "0123456789abcdef"[turn % 16];
    kept = trace_is_wanted(&run, UINT64_MAX / 100);
}

/* One with an attempt that completed. */
static void write_spans(int turn)
{
    const struct trace_place place = trace_place_of(&run);
    struct span span = {
        .place = &place,
        .run = &run,
        .kind = SPAN_INTERNAL,
        .id = (uint64_t)turn + 1,
        .parent = place.run,
        .verb = "attempt",
        .of = functions[0].id,
        .begun_ns = INT64_C(1700000000000000000),
        .ended_ns = INT64_C(1700000000000001000),
        .outcome = "completed",
    };

    spans.size = 0;
    span_write(&spans, &span);
    span.kind = SPAN_CONSUMER;
    span.verb = "process";
    span.of = event.view.name;
    span_write(&spans, &span);
    kept = (int64_t)spans.size;
}

static const struct question {
    const char *name;
    void (*prepare)(void);
    void (*turn)(int turn);
    int turns;
} questions[] = {
    { "envelope-json-name", NULL, name_of_json, TURNS },
    { "envelope-json-data", NULL, data_of_json, TURNS },
    { "envelope-msgpack-name", NULL, name_of_msgpack, TURNS },
    { "envelope-msgpack-data", NULL, data_of_msgpack, TURNS },
    { "record-avro-data", prepare_record, data_of_avro, TURNS },
    { "cloudevent-json-data", NULL, data_of_cloud, TURNS },
    { "cloudevents-100-data", prepare_batch, data_of_batch, TURNS / 50 },
    { "backoff-delay", NULL, delay, TURNS },
    { "routes-match", prepare_routes, route, TURNS },
    { "run-id", prepare_run, id_of_run, TURNS },
    { "offsets-start-finish", prepare_offsets, track, TURNS },
    { "offsets-encode", prepare_bitmap, write_bitmap, TURNS / 50 },
    { "offsets-decode", prepare_bitmap, read_bitmap, TURNS / 50 },
    { "trace-unwanted", prepare_trace, look_whether_traced, TURNS },
    { "trace-spans", prepare_trace, write_spans, TURNS },
};
#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

void measured(const struct question *question);

__attribute__((noinline)) void measured(const struct question *question)
{
    for (int turn = 0; turn < question->turns; turn++)
        question->turn(turn);
}

static void ask(const struct question *question)
{
    if (question->prepare != NULL)
        question->prepare();
    question->turn(0); /* what is done once: lazy binding, memory that is kept */
    measured(question);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (argc < 2)
            printf("%s %d\n", questions[i].name, questions[i].turns);
        else if (strcmp(argv[1], questions[i].name) == 0)
            ask(&questions[i]);
    }
    return EXIT_SUCCESS;
}
