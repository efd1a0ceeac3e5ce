/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the scenarios of the module that it is linked with over stepd::testing, and compares what comes
 * of each with what it promises. With STEPD_CONFORMANCE_DUMP=FOLDER it also writes them there, a JSON
 * file each, for whoever plays them in a daemon.
 */
#include "scenario.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <jansson.h>

#include <stepd/testing.h>

#define LINE_SIZE 2048

static char folder[] = "/tmp/stepd-conformance-XXXXXX";
static char trace_path[128];

/* A list of texts, ended by NULL. */
struct lines {
    char *items[4096];
    size_t count;
};

static struct lines seen, times, steps, letters;

__attribute__((format(printf, 2, 3))) static void add(struct lines *lines, const char *format, ...)
{
    char text[LINE_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    cr_assert_lt(lines->count, sizeof(lines->items) / sizeof(lines->items[0]));
    lines->items[lines->count++] = strdup(text);
}

/* ---- playing -------------------------------------------------------------------------------------- */

static size_t event_count(const struct scenario_event *events)
{
    size_t count = 0;

    for (const struct scenario_event *at = events; at != NULL; at++) {
        if (at->name == NULL && at->data == NULL && at->key == NULL && at->id == NULL && at->topic == NULL && at->raw == NULL)
            break;
        count++;
    }
    return count;
}

/* One without data, where it has none of its own. */
static const struct scenario_event *events_of(const struct scenario *scenario)
{
    static const struct scenario_event plain[] = { { .topic = NULL }, { .name = NULL } };

    return scenario->events != NULL ? scenario->events : plain;
}

static size_t count_of(const struct scenario *scenario)
{
    return scenario->events != NULL ? event_count(scenario->events) : 1;
}

static const char *event_name(const struct scenario *scenario, const struct scenario_event *event)
{
    static char name[256];

    (void)snprintf(name, sizeof(name), "conformance/%s", scenario->name);
    return event->name != NULL ? event->name : name;
}

static void send_events(struct stepd_test *test, const struct scenario *scenario, const struct scenario_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct scenario_event *event = &events[i];
        (void)stepd_test_send(test, STEPD_TEST_EVENT(.name = event_name(scenario, event), .data = event->data, .key = event->key,
                                                     .id = event->id, .topic = event->topic, .raw = event->raw,
                                                     .raw_len = event->raw != NULL ? strlen(event->raw) : 0));
    }
}

/* The daemon reads what it sends. */
static void finish(struct stepd_test *test)
{
    static size_t delivered;

    stepd_test_finish_all(test);
    while (delivered < stepd_test_sent_count(test)) {
        (void)stepd_test_send(test, stepd_test_sent_at(test, delivered++));
        stepd_test_finish_all(test);
    }
}

static bool is_of(const struct scenario *scenario, const struct stepd_test_run *run)
{
    return strcmp(stepd_test_function_id(run), scenario->name) == 0;
}

static void act(struct stepd_test *test, const struct scenario *scenario)
{
    if (scenario->act == ACT_NOTHING)
        return;
    for (size_t i = 0; i < stepd_test_run_count(test); i++) {
        struct stepd_test_run *run = stepd_test_run_at(test, i);
        if (is_of(scenario, run))
            cr_assert(scenario->act == ACT_RETRY ? stepd_test_retry(run) : stepd_test_cancel(run), "%s", scenario->name);
    }
    finish(test);
}

static bool is_sent_sleeping(const struct scenario *scenario)
{
    return scenario->later_when != NULL && strcmp(scenario->later_when, "sleeping") == 0;
}

static void play(struct stepd_test *test, const struct scenario *scenario)
{
    send_events(test, scenario, events_of(scenario), count_of(scenario));
    if (scenario->dies_before != NULL)
        stepd_test_crash(stepd_test_run_at(test, 0), STEPD_TEST_BEFORE, scenario->dies_before);
    if (scenario->dies_after != NULL)
        stepd_test_crash(stepd_test_run_at(test, 0), STEPD_TEST_AFTER, scenario->dies_after);
    if (scenario->act == ACT_CANCEL || is_sent_sleeping(scenario))
        (void)stepd_test_attempt(stepd_test_run_at(test, 0));
    else
        finish(test);
    if (scenario->later != NULL) {
        send_events(test, scenario, scenario->later, event_count(scenario->later));
        finish(test);
    }
    act(test, scenario);
}

/* ---- what came of it ------------------------------------------------------------------------------ */

static void read_trace(const struct scenario *scenario)
{
    char line[LINE_SIZE];
    FILE *file = fopen(trace_path, "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *text = strchr(line, '\t');
        cr_assert_not_null(text);
        *text++ = '\0';
        text[strcspn(text, "\t\n")] = '\0';
        if (strcmp(line, scenario->name) == 0)
            add(&seen, "%s", text);
    }
    if (file != NULL)
        (void)fclose(file);
}

/* When the attempts of its first run were; the trace's own times are the real clock's. */
static void read_times(const struct stepd_test_run *run)
{
    int64_t since_ms = 0;

    for (size_t i = 0; i < stepd_test_attempt_count(run); i++) {
        since_ms += stepd_test_attempt_at(run, i)->delay_ms;
        add(&times, "%" PRId64, since_ms);
    }
}

static void read_steps(const struct stepd_test_run *run)
{
    for (size_t i = 0; i < stepd_test_step_count(run); i++) {
        const struct stepd_test_step *step = stepd_test_step_at(run, i);
        bool is_good = step->status == STEPD_STEP_COMPLETED;
        add(&steps, "%s %s %d %s", step->id, is_good ? "completed" : "failed", step->executions, is_good ? step->json : step->error->name);
    }
}

static void read_letters(const struct stepd_test *test)
{
    for (size_t i = 0; i < stepd_test_letter_count(test); i++) {
        const struct stepd_test_event *letter = stepd_test_letter_at(test, i);
        add(&letters, "%s %s", stepd_test_header(letter, "stepd-error-name"), stepd_test_header(letter, "stepd-attempts"));
    }
}

static const struct stepd_test_run *first_run(const struct stepd_test *test, const struct scenario *scenario)
{
    for (size_t i = 0; i < stepd_test_run_count(test); i++) {
        if (is_of(scenario, stepd_test_run_at(test, i)))
            return stepd_test_run_at(test, i);
    }
    return NULL;
}

static void expect_lines(const struct scenario *scenario, const char *what, const struct lines *have, const char *const *want)
{
    size_t i = 0;

    for (; want != NULL && want[i] != NULL; i++) {
        cr_expect_lt(i, have->count, "%s: no %s %zu: '%s'", scenario->name, what, i, want[i]);
        if (i < have->count)
            cr_expect_str_eq(have->items[i], want[i], "%s: %s %zu is '%s', not '%s'", scenario->name, what, i, have->items[i], want[i]);
    }
    for (; want != NULL && i < have->count; i++)
        cr_expect_fail("%s: one more %s: '%s'", scenario->name, what, have->items[i]);
}

/* Traces are compared key by key: of different keys nothing is promised. */
static const char *key_of(const char *line)
{
    static char key[LINE_SIZE];
    const char *end = strchr(line, '|');

    (void)snprintf(key, sizeof(key), "%.*s", end != NULL ? (int)(end - line) : 0, line);
    return key;
}

static int compare_keys(const void *one, const void *other)
{
    char key[LINE_SIZE];

    (void)snprintf(key, sizeof(key), "%s", key_of(*(char *const *)one));
    return strcmp(key, key_of(*(char *const *)other));
}

/* Stable, unlike qsort(). */
static void sort_by_key(struct lines *lines)
{
    for (size_t i = 1; i < lines->count; i++) {
        for (size_t at = i; at > 0 && compare_keys(&lines->items[at - 1], &lines->items[at]) > 0; at--) {
            char *line = lines->items[at];
            lines->items[at] = lines->items[at - 1];
            lines->items[at - 1] = line;
        }
    }
}

static void expect_end(const struct scenario *scenario, const struct stepd_test *test)
{
    for (size_t i = 0; i < stepd_test_run_count(test); i++) {
        const struct stepd_test_run *run = stepd_test_run_at(test, i);
        bool started_nothing = stepd_test_status(run) == STEPD_TEST_DUPLICATE || stepd_test_status(run) == STEPD_TEST_SKIPPED;
        if (!is_of(scenario, run) || started_nothing)
            continue;
        const struct stepd_error *error = stepd_test_error(run);
        char text[LINE_SIZE] = "";
        bool has_message = scenario->error != NULL && strchr(scenario->error, ':') != NULL;
        if (error != NULL)
            (void)snprintf(text, sizeof(text), has_message ? "%s: %s" : "%s", error->name, error->message);
        cr_expect_str_eq(stepd_test_status_name(stepd_test_status(run)), scenario->status, "%s", scenario->name);
        cr_expect_str_eq(text, scenario->error != NULL ? scenario->error : "", "%s: '%s'", scenario->name, text);
        if (scenario->output != NULL)
            cr_expect_str_eq(stepd_test_output_json(run), scenario->output, "%s: %s", scenario->name, stepd_test_output_json(run));
    }
}

static void compare(const struct stepd_test *test, const struct scenario *scenario)
{
    const struct stepd_test_run *run = first_run(test, scenario);
    struct lines entries = { .count = 0 }; /* the distinct times that the scenario promises */

    cr_expect_eq(run != NULL, scenario->status != NULL, "%s: a run, or none", scenario->name);
    read_trace(scenario);
    sort_by_key(&seen);
    expect_lines(scenario, "line", &seen, scenario->trace);
    read_letters(test);
    expect_lines(scenario, "letter", &letters, scenario->letters);
    if (run == NULL)
        return;
    read_times(run);
    for (size_t i = 0; scenario->times != NULL && scenario->times[i] != NULL; i++) {
        if (i == 0 || strcmp(scenario->times[i], scenario->times[i - 1]) != 0 || strncmp(scenario->trace[i], "function", 8) == 0)
            entries.items[entries.count++] = (char *)(uintptr_t)scenario->times[i];
    }
    entries.items[entries.count] = NULL;
    expect_lines(scenario, "time", &times, scenario->times != NULL ? (const char *const *)entries.items : NULL);
    read_steps(run);
    expect_lines(scenario, "step", &steps, scenario->steps);
    expect_end(scenario, test);
}

/* ---- for the daemon ------------------------------------------------------------------------------- */

static json_t *json_of(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static json_t *json_of_lines(const char *const *lines)
{
    json_t *array = lines != NULL ? json_array() : json_null();

    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++)
        (void)json_array_append_new(array, json_string(lines[i]));
    return array;
}

static json_t *json_of_events(const struct scenario *scenario, const struct scenario_event *events, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct scenario_event event = events[i];
        (void)json_array_append_new(array, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "name", event_name(scenario, &event), "data",
                                                     json_of(event.data), "key", json_of(event.key), "id", json_of(event.id), "topic",
                                                     json_of(event.topic), "raw", json_of(event.raw)));
    }
    return array;
}

static void dump(const struct scenario *scenario)
{
    static const char *const ACTS[] = { [ACT_NOTHING] = NULL, [ACT_RETRY] = "retry", [ACT_CANCEL] = "cancel" };
    const char *to = getenv("STEPD_CONFORMANCE_DUMP");
    char path[1024];

    if (to == NULL)
        return;
    seen.items[seen.count] = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s.json", to, scenario->name);
    json_t *all =
        json_pack("{s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "name", scenario->name, "settings",
                  SCENARIO_SETTINGS, "events", json_of_events(scenario, events_of(scenario), count_of(scenario)), "later",
                  json_of_events(scenario, scenario->later, event_count(scenario->later)), "later_when",
                  scenario->later_when != NULL ? scenario->later_when : "waiting", "trace", json_of_lines((const char *const *)seen.items),
                  "status", json_of(scenario->status), "output", json_of(scenario->output), "error", json_of(scenario->error), "steps",
                  json_of_lines(scenario->steps), "letters", json_of_lines(scenario->letters), "times", json_of_lines(scenario->times),
                  "dies", scenario->dies_before != NULL || scenario->dies_after != NULL, "act", json_of(ACTS[scenario->act]));
    cr_assert_not_null(all);
    cr_assert_eq(json_dump_file(all, path, JSON_INDENT(1)), 0);
    json_decref(all);
}

/* ---- the test ------------------------------------------------------------------------------------- */

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(trace_path, sizeof(trace_path), "%s/trace", folder);
    (void)setenv("STEPD_CONFORMANCE_TRACE", trace_path, 1);
    (void)setenv("STEPD_CONFORMANCE_IN_MEMORY", "1", 1);
}

static void tear_down(void)
{
    char command[256];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

/* By number: each test is a process of its own, where nothing stands at the same place. */
ParameterizedTestParameters(conformance, scenario)
{
    static size_t numbers[1000];
    size_t count = 0;

    for (; scenarios[count].name != NULL; count++)
        numbers[count] = count;
    return cr_make_param_array(size_t, numbers, count);
}

ParameterizedTest(const size_t *number, conformance, scenario, .init = set_up, .fini = tear_down, .timeout = 120)
{
    const struct scenario *scenario = &scenarios[*number];
    struct stepd_test *test = stepd_test_create(&stepd_module);

    stepd_test_configure(test, "%s", SCENARIO_SETTINGS "log: {level: error}\n");
    stepd_test_catch_crashes(test);
    play(test, scenario);
    compare(test, scenario);
    dump(scenario);
    stepd_test_destroy(test);
}
