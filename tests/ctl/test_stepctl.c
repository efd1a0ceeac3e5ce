/* SPDX-License-Identifier: Apache-2.0 */
/* The program itself on a private Redis and a mock of Kafka's brokers. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "store/redis/redis_fixture.h"

static struct redis_fixture redis;
static char config[128];
static char said[65536]; /* by the program: standard output and error */

static void write_config(const char *bootstrap)
{
    FILE *file = fopen(config, "w");

    cr_assert_not_null(file);
    fprintf(file,
            "kafka: {bootstrap.servers: \"%s\", group.id: g}\ntopics: [events]\nhistory: all\n"
            "redis: {url: \"%s\", prefix: t, timeout: 1s}\n",
            bootstrap, redis.url);
    cr_assert_eq(fclose(file), 0);
}

static void setup(void)
{
    redis_fixture_start(&redis);
    struct store_settings settings = redis_fixture_settings(&redis);
    settings.history = HISTORY_ALL;
    redis.store = redis_fixture_open_with(&settings);
    (void)snprintf(config, sizeof(config), "%s/stepd.yaml", redis.folder);
    write_config("127.0.0.1:1");
}

static void teardown(void)
{
    redis_fixture_stop(&redis);
}

TestSuite(stepctl, .init = setup, .fini = teardown, .timeout = 60);

/* Its exit status; what it says is in `said`. */
static int stepctl(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int stepctl(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *rest = xvasprintf(format, arguments);
    va_end(arguments);
    AUTO_FREE char *command = xasprintf(STEPD_TEST_BUILD_DIR "/bin/stepctl --config %s %s 2>&1", config, rest);
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    said[fread(said, 1, sizeof(said) - 1, pipe)] = '\0';
    int status = pclose(pipe);
    cr_assert(WIFEXITED(status), "%s", said);
    return WEXITSTATUS(status);
}

static json_t *parsed(void)
{
    json_error_t error;
    json_t *json = json_loads(said, 0, &error);

    cr_assert_not_null(json, "%s in: %s", error.text, said);
    return json;
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "(none)";
}

static void advance(struct run *run, const struct transition *transition)
{
    struct store *port = store_port(redis.store);
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, run, transition, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
    run->epoch = reply.epoch;
    run->owner = reply.owner;
    run->notes = reply.notes;
}

static void end_with(struct sample *sample, enum transition_kind kind, const char *failure_name, struct bytes output)
{
    struct failure failure = { .attempt = 2 };
    struct attempt_entry entry = {
        .started_ms = 1700000000000, .duration_ms = 12, .attempt = 2, .failure = failure_name != NULL ? &failure : NULL
    };
    msgpack_sbuffer tail;

    if (failure_name != NULL)
        (void)snprintf(failure.name, sizeof(failure.name), "%s", failure_name);
    (void)snprintf(failure.message, sizeof(failure.message), "attempt 2");
    msgpack_sbuffer_init(&tail);
    attempt_log_pack(&tail, (struct bytes){ 0 }, &entry, output, (struct bytes){ 0 });
    advance(&sample->run, &(struct transition){ .kind = kind, .attempt = 2, .tail = { tail.data, tail.size } });
    msgpack_sbuffer_destroy(&tail);
}

static void park(struct sample *sample, enum run_status status, int64_t delay_ms)
{
    advance(&sample->run,
            &(struct transition){ .kind = TRANSITION_PARK, .status = status, .attempt = 1, .delay_ms = delay_ms, .tail = { "", 0 } });
}

static void add_step(struct sample *sample, size_t position, const struct checkpoint *checkpoint)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    checkpoint_pack(&buffer, checkpoint);
    advance(&sample->run,
            &(struct transition){
                .kind = TRANSITION_CHECKPOINT, .position = position, .checkpoint = { buffer.data, buffer.size }, .tail = { "", 0 } });
    msgpack_sbuffer_destroy(&buffer);
}

Test(stepctl, lists_runs_newest_first)
{
    struct sample first, second, third;
    sample_init(&first, 1);
    sample_init(&second, 2);
    sample_init(&third, 3);
    park(&second, RUN_SLEEPING, 60000);
    end_with(&third, TRANSITION_FINISH, NULL, (struct bytes){ "\x15", 1 });
    end_with(&first, TRANSITION_BURY, "Doomed", (struct bytes){ 0 });

    cr_assert_eq(stepctl("--json runs"), 0, "%s", said);
    json_t *runs = parsed();
    cr_assert_eq(json_array_size(runs), 3);
    cr_assert_str_eq(text_at(json_array_get(runs, 0), "status"), "completed");
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(runs, 0), "output")), 21);
    cr_assert(json_is_null(json_object_get(json_array_get(runs, 0), "error")));
    cr_assert_str_eq(text_at(json_array_get(runs, 1), "status"), "sleeping");
    cr_assert(json_is_integer(json_object_get(json_array_get(runs, 1), "due_ms")));
    cr_assert_str_eq(text_at(json_array_get(runs, 2), "status"), "failed");
    cr_assert_str_eq(text_at(json_object_get(json_array_get(runs, 2), "error"), "name"), "Doomed");
    cr_assert_str_eq(text_at(json_object_get(json_array_get(runs, 2), "event"), "name"), "app/x");
    json_decref(runs);
}

Test(stepctl, lists_what_was_asked_for)
{
    struct sample samples[30];

    for (int i = 0; i < 30; i++) {
        sample_init(&samples[i], i);
        if (i % 3 == 0)
            samples[i].function.id = "other";
        if (i % 2 == 0)
            park(&samples[i], RUN_DELAYED, 60000);
        else
            end_with(&samples[i], TRANSITION_BURY, "Doomed", (struct bytes){ 0 });
    }
    const struct {
        const char *asked;
        size_t count;
    } CASES[] = {
        { "runs", 30 },
        { "runs --limit 7", 7 },
        { "runs --status delayed", 15 },
        { "runs --status failed --function other", 5 },
        { "runs --function f --limit 100000", 20 },
        { "runs --status completed", 0 },
        { "runs --status running", 0 },
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        cr_assert_eq(stepctl("--json %s", CASES[i].asked), 0, "%s", said);
        json_t *runs = parsed();
        cr_assert_eq(json_array_size(runs), CASES[i].count, "%s: %zu", CASES[i].asked, json_array_size(runs));
        json_decref(runs);
    }
    cr_assert_eq(stepctl("runs --status faild"), 2);
}

Test(stepctl, lists_what_waits_in_the_lines_of_a_function)
{
    static const struct {
        const char *asked;
        size_t count;
    } CASES[] = { { "runs --status queued", 7 },
                  { "runs --status queued --function other", 2 },
                  { "runs --status queued --function nobody", 0 } };

    for (int i = 0; i < 7; i++) {
        struct sample sample;
        sample_init(&sample, i);
        if (i % 3 == 2)
            sample.function.id = "other";
        advance(&sample.run, &(struct transition){
                                 .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .waits_in_line = true, .tail = { "", 0 } });
    }
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        cr_assert_eq(stepctl("--json %s", CASES[i].asked), 0, "%s", said);
        json_t *runs = parsed();
        cr_assert_eq(json_array_size(runs), CASES[i].count, "%s: %zu", CASES[i].asked, json_array_size(runs));
        json_decref(runs);
    }
    cr_assert_eq(stepctl("runs --function nobody"), 0);
    cr_assert_not_null(strstr(said, "No daemon has had a function 'nobody' within a day"), "%s", said);
}

Test(stepctl, shows_a_run_by_the_beginning_of_its_id)
{
    struct sample sample;
    struct failure failure = { .name = "Declined", .message = "no funds", .attempt = 4 };
    sample_init(&sample, 1);
    add_step(&sample, 0, &(struct checkpoint){ .id = "flaky", .executions = 2, .value = { "\x81\xa1n\x14", 4 } });
    add_step(&sample, 1, &(struct checkpoint){ .id = "nap", .kind = CHECKPOINT_SLEEP, .until_ms = 1700000000000 });
    add_step(&sample, 2, &(struct checkpoint){ .id = "charge", .kind = CHECKPOINT_FAILED, .executions = 5, .failure = &failure });

    cr_assert_eq(stepctl("--json show %.6s", sample.run.id.text), 0, "%s", said);
    json_t *run = parsed();
    cr_assert_str_eq(text_at(run, "id"), sample.run.id.text);
    cr_assert_str_eq(text_at(run, "status"), "running");
    json_t *steps = json_object_get(run, "steps");
    cr_assert_eq(json_array_size(steps), 3);
    cr_assert_str_eq(text_at(json_array_get(steps, 0), "id"), "flaky");
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(steps, 0), "attempts")), 2);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(json_array_get(steps, 0), "output"), "n")), 20);
    cr_assert_str_eq(text_at(json_array_get(steps, 1), "status"), "completed");
    cr_assert_str_eq(text_at(json_object_get(json_array_get(steps, 2), "error"), "name"), "Declined");
    json_decref(run);

    cr_assert_eq(stepctl("show %s", sample.run.id.text), 0);
    cr_assert_not_null(strstr(said, "Declined: no funds"), "%s", said);
    cr_assert_eq(stepctl("show ffffffffffffffffffffffffffffffff"), 3);
    cr_assert_eq(stepctl("show abcdef0123"), 3);
    cr_assert_eq(stepctl("show xyz"), 2);
}

Test(stepctl, says_when_several_runs_share_a_beginning)
{
    struct sample first, second;
    sample_init_ordered(&first, 1, "k");
    sample_init_ordered(&second, 2, "k");
    park(&first, RUN_DELAYED, 60000);
    park(&second, RUN_DELAYED, 60000);

    cr_assert_eq(stepctl("show %.4s", first.run.id.text), 2);
    cr_assert_not_null(strstr(said, first.run.id.text), "%s", said);
    cr_assert_not_null(strstr(said, second.run.id.text), "%s", said);
}

Test(stepctl, retries_what_failed_and_nothing_else)
{
    struct sample failed, parked;
    sample_init(&failed, 1);
    sample_init(&parked, 2);
    end_with(&failed, TRANSITION_BURY, "Doomed", (struct bytes){ 0 });
    park(&parked, RUN_DELAYED, 60000);

    cr_assert_eq(stepctl("retry %s", failed.run.id.text), 0, "%s", said);
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:dead"), "0");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "2");
    cr_assert_eq(stepctl("retry %s", parked.run.id.text), 1);
    cr_assert_not_null(strstr(said, "is delayed"), "%s", said);
    cr_assert_eq(stepctl("retry"), 2);
}

Test(stepctl, retries_all_that_failed_of_a_function)
{
    struct sample samples[6];

    for (int i = 0; i < 6; i++) {
        sample_init(&samples[i], i);
        if (i < 2)
            samples[i].function.id = "other";
        end_with(&samples[i], TRANSITION_BURY, "Doomed", (struct bytes){ 0 });
    }
    cr_assert_eq(stepctl("--json retry --all-failed --function other"), 0, "%s", said);
    cr_assert_str_eq(said, "{\"retried\":2}\n");
    cr_assert_eq(stepctl("retry --all-failed"), 0);
    cr_assert_str_eq(said, "4 runs begin anew.\n");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:delayed"), "6");
}

/* Of `f` 4 failed as Doomed and 2 as Late, of `other` 2 as Doomed; 3 of `f` sleep. Events are app/x, numbered from 0. */
static void fill_for_filters(void)
{
    for (int i = 0; i < 11; i++) {
        struct sample sample;
        sample_init(&sample, i);
        sample.run.created_ms = clock_wall_ms();
        if (i == 6 || i == 7)
            sample.function.id = "other";
        if (i >= 8)
            park(&sample, RUN_SLEEPING, 60000);
        else
            end_with(&sample, TRANSITION_BURY, i == 4 || i == 5 ? "Late" : "Doomed", (struct bytes){ 0 });
    }
}

Test(stepctl, retries_what_filters_choose)
{
    fill_for_filters();
    const struct {
        const char *filters;
        const char *said;
    } cases[] = {
        { "--function f --error Doomed --dry-run", "{\"dry_run\":true,\"found\":4,\"retried\":0}\n" },
        { "--event 'app/*' --dry-run", "{\"dry_run\":true,\"found\":8,\"retried\":0}\n" },
        { "--event app/y", "{\"retried\":0}\n" },
        { "--error Late --until -2h", "{\"retried\":0}\n" },
        { "--where 'event.name == \"app/y\"'", "{\"retried\":0}\n" },
        { "--error Late --since -2h --where 'event.name.startsWith(\"app\")'", "{\"retried\":2}\n" },
        { "--error Late", "{\"retried\":0}\n" },
        { "--status failed --function other", "{\"retried\":2}\n" },
        { "--status cancelled", "{\"retried\":0}\n" },
        { "--all-failed", "{\"retried\":4}\n" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(stepctl("--json retry %s", cases[i].filters), 0, "%s: %s", cases[i].filters, said);
        cr_assert_str_eq(said, cases[i].said, "%s: %s", cases[i].filters, said);
    }
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:dead"), "0");
    cr_assert_eq(stepctl("retry --error Late"), 0);
    cr_assert_str_eq(said, "none\n");
}

Test(stepctl, cancels_what_filters_choose_and_nothing_that_has_ended)
{
    fill_for_filters();

    cr_assert_eq(stepctl("cancel --function f --dry-run"), 0, "%s", said);
    cr_assert_str_eq(said, "3 runs would be cancelled.\n");
    cr_assert_eq(stepctl("--json cancel --function f"), 0, "%s", said);
    cr_assert_str_eq(said, "{\"cancelled\":3}\n");
    cr_assert_eq(stepctl("cancel --function f"), 0, "%s", said);
    cr_assert_str_eq(said, "stepctl: no daemon has a function 'f'; `stepctl functions` lists them\nnone\n");
    cr_assert_str_eq(redis_says(redis.store, "ZCARD t{0}:dead"), "8");
}

Test(stepctl, many_are_changed_by_a_filter_alone)
{
    static const char *const refused[] = {
        "retry",
        "cancel",
        "retry --dry-run",
        "cancel --dry-run",
        "retry abcdef01 --function f",
        "cancel abcdef01 --error E",
        "retry --status completed",
        "retry --status sleeping",
        "cancel --status failed",
        "cancel --status cancelled",
        "retry --since soon",
        "retry --until 25:00",
        "retry --since 2h",
        "retry --since 2026-13-01",
        "cancel --since 2026-02-30",
        "retry --where 'event.'",
        "cancel --where 'events.data == 1'",
        "retry --all-failed --status cancelled",
        "retry --limit 3",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        cr_assert_eq(stepctl("%s", refused[i]), 2, "%s: %s", refused[i], said);
}

Test(stepctl, lists_what_filters_choose)
{
    fill_for_filters();
    const struct {
        const char *filters;
        size_t count;
    } cases[] = {
        { "--error Doomed", 6 },
        { "--error Doomed --function other", 2 },
        { "--event app/x --status sleeping", 3 },
        { "--since -1h", 11 },
        { "--until -1h", 0 },
        { "--since 2020-01-01 --until 2020-01-02T10:00", 0 },
        { "--since 00:00 --until 23:59", 11 },
        { "--where 'event.topic == \"events\"'", 11 },
        { "--where 'event.data.gone > 1'", 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(stepctl("--json runs %s", cases[i].filters), 0, "%s", said);
        json_t *runs = parsed();
        cr_assert_eq(json_array_size(runs), cases[i].count, "%s: %zu", cases[i].filters, json_array_size(runs));
        json_decref(runs);
    }
}

Test(stepctl, says_for_how_many_runs_an_expression_failed)
{
    fill_for_filters();

    cr_assert_eq(stepctl("retry --where 'event.name + 1 > 2' --error Late"), 0, "%s", said);
    cr_assert_not_null(strstr(said, "--where failed for 2 runs, which are left out: "), "%s", said);
    cr_assert_not_null(strstr(said, "none\n"), "%s", said);
}

/* Larger than what a list reads of a record. */
Test(stepctl, a_large_event_is_chosen_as_a_small_one)
{
    AUTO_FREE char *value = xasprintf("{\"name\":\"app/large\",\"data\":{\"n\":7,\"text\":\"%0*d\"}}", 40000, 0);
    struct sample sample;

    sample_init(&sample, 1);
    event_init(&sample.event, "events", 0, 1, 1700000000000, (struct bytes){ 0 }, (struct bytes){ value, strlen(value) }, NULL, 0);
    end_with(&sample, TRANSITION_BURY, "Doomed", (struct bytes){ 0 });
    cr_assert_eq(stepctl("--json retry --where 'event.data.n == 7' --event app/large --error Doomed"), 0, "%s", said);
    cr_assert_str_eq(said, "{\"retried\":1}\n");
}

Test(stepctl, cancels_what_waits)
{
    struct sample parked, owned;
    sample_init(&parked, 1);
    sample_init(&owned, 2);
    park(&parked, RUN_SLEEPING, 60000);
    add_step(&owned, 0, &(struct checkpoint){ .id = "a", .value = { "\x01", 1 } });

    cr_assert_eq(stepctl("cancel %s", parked.run.id.text), 0, "%s", said);
    cr_assert_not_null(strstr(said, "once a daemon has brought its stepd/function.cancelled out"), "%s", said);
    parked.run.tell_by_ms = atoll(redis_says(redis.store, "ZSCORE t{0}:untold %s", parked.run.id.text)); /* as if it had been given to us */
    cr_assert_eq(store_port(redis.store)->ops->told(store_port(redis.store), &parked.run), 0);
    cr_assert_eq(stepctl("--json runs --status cancelled"), 0);
    json_t *runs = parsed();
    cr_assert_eq(json_array_size(runs), 1);
    json_decref(runs);
    cr_assert_eq(stepctl("--json cancel %s", owned.run.id.text), 0);
    cr_assert_not_null(strstr(said, "\"cancelled\":false"), "its worker is asked: %s", said);
    cr_assert_not_null(strstr(redis_says(redis.store, "KEYS t{0}:asked:*"), "asked"));
    cr_assert_eq(stepctl("cancel %s", parked.run.id.text), 0, "again: the same");
}

Test(stepctl, counts)
{
    struct sample parked, failed;
    sample_init(&parked, 1);
    sample_init(&failed, 2);
    park(&parked, RUN_DELAYED, 60000);
    end_with(&failed, TRANSITION_BURY, "Doomed", (struct bytes){ 0 });
    (void)redis_says(redis.store, "HSET t{0}:stats events_consumed 10 runs_started 9 runs_failed 1");
    (void)redis_says(redis.store, "ZADD t{0}:workers 99999999999999 abc");
    (void)redis_says(redis.store, "HSET t{0}:stats:abc events_consumed 5");

    cr_assert_eq(stepctl("--json stats"), 0, "%s", said);
    json_t *stats = parsed();
    const struct {
        const char *name;
        int value;
    } WANTED[] = {
        { "events_consumed", 15 },  { "runs_started", 9 }, { "runs_completed", 0 }, { "runs_failed", 1 },
        { "retries_scheduled", 0 }, { "delayed", 1 },      { "dead", 1 },
    };
    for (size_t i = 0; i < sizeof(WANTED) / sizeof(WANTED[0]); i++)
        cr_assert_eq(json_integer_value(json_object_get(stats, WANTED[i].name)), WANTED[i].value, "%s", WANTED[i].name);
    json_decref(stats);
}

static void assert_why(const struct sample *sample, const char *reason)
{
    cr_assert_eq(stepctl("--json why %s", sample->run.id.text), 0, "%s", said);
    json_t *why = parsed();
    cr_assert_str_eq(text_at(why, "reason"), reason, "%s", said);
    json_decref(why);
}

Test(stepctl, looks_at_the_top_as_often_as_told)
{
    struct sample sample;
    sample_init(&sample, 1);
    park(&sample, RUN_DELAYED, 60000);

    (void)redis_says(redis.store, "HSET t{0}:stats events_consumed 10");
    cr_assert_eq(stepctl("--json top --limit 2"), 0, "%s", said);
    char *second = strchr(said, '\n');
    cr_assert_not_null(second, "%s", said);
    cr_assert_eq(strchr(second + 1, '\n')[1], '\0', "%s", said);
    *second = '\0';
    json_t *look = parsed();
    cr_assert_eq(json_integer_value(json_object_get(look, "events_consumed")), 10);
    cr_assert_eq(json_integer_value(json_object_get(look, "delayed")), 1);
    cr_assert_eq(json_integer_value(json_object_get(json_object_get(look, "per_second"), "events_consumed")), 0);
    json_decref(look);
    cr_assert_eq(stepctl("top --limit 1"), 0);
    cr_assert_not_null(strstr(said, "0 daemons alive   1 delayed (the next is due in "), "%s", said);
    AUTO_FREE char *shortened = xstrndup(sample.run.id.text, 12);
    cr_assert_not_null(strstr(said, shortened), "%s", said);
    cr_assert_null(strchr(said, '\033'), "no terminal: %s", said);
}

Test(stepctl, gives_the_terminal_back_after_the_top)
{
    AUTO_FREE char *command =
        xasprintf("script -qec '" STEPD_TEST_BUILD_DIR "/bin/stepctl --config %s top --limit 1' /dev/null </dev/null", config);
    FILE *pipe = popen(command, "r");

    cr_assert_not_null(pipe);
    said[fread(said, 1, sizeof(said) - 1, pipe)] = '\0';
    cr_assert_eq(pclose(pipe), 0, "%s", said);
    const char *taken = strstr(said, "\033[?1049h");
    cr_assert_not_null(taken, "%s", said);
    cr_assert_not_null(strstr(taken, "events_consumed"));
    cr_assert_not_null(strstr(taken, "\033[?25h\033[?1049l"), "%s", said);
}

Test(stepctl, says_why_a_run_does_not_move)
{
    struct sample due, asleep, late, head, behind, owned, failed;
    sample_init(&due, 1);
    sample_init(&asleep, 2);
    sample_init(&late, 3);
    sample_init_ordered(&head, 4, "k");
    sample_init_ordered(&behind, 5, "k");
    sample_init(&owned, 6);
    sample_init(&failed, 7);
    park(&due, RUN_DELAYED, 60000);
    park(&asleep, RUN_SLEEPING, 60000);
    park(&late, RUN_DELAYED, 0);
    park(&head, RUN_DELAYED, 60000);
    park(&behind, RUN_DELAYED, 60000);
    add_step(&owned, 0, &(struct checkpoint){ .id = "a", .value = { "\x01", 1 } });
    end_with(&failed, TRANSITION_BURY, "Doomed", (struct bytes){ 0 });

    assert_why(&due, "due");
    assert_why(&asleep, "sleeping");
    assert_why(&late, "late");
    assert_why(&behind, "order");
    cr_assert_not_null(strstr(said, head.run.id.text), "%s", said);
    assert_why(&owned, "owned");
    assert_why(&failed, "ended");
    (void)redis_says(redis.store, "ZREM t{0}:delayed %s", due.run.id.text);
    assert_why(&due, "lost");
}

Test(stepctl, sends_no_command_of_an_event_to_the_terminal)
{
    struct sample sample;
    sample_init(&sample, 1);
    sample.event.view.raw = "{\"name\":\"a\\u001b[31m\\u009bx\"}";
    sample.event.view.raw_len = strlen(sample.event.view.raw);
    park(&sample, RUN_DELAYED, 60000);

    cr_assert_eq(stepctl("runs"), 0);
    cr_assert_null(strchr(said, '\033'), "%s", said);
    cr_assert_eq(stepctl("show %s", sample.run.id.text), 0);
    cr_assert_null(strchr(said, '\033'), "%s", said);
    cr_assert_null(strstr(said, "\xc2\x9b"), "%s", said);
}

Test(stepctl, sends_an_event_and_waits_for_it)
{
    char text[64];
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text));
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, 1);
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "events", 1, 1), 0);
    write_config(rd_kafka_mock_cluster_bootstraps(cluster));

    cr_assert_eq(stepctl("--json send app/x '{\"n\":9007199254740993}' --key k --id i1"), 0, "%s", said);
    cr_assert_str_eq(said, "{\"topic\":\"events\",\"partition\":0,\"offset\":0}\n");
    cr_assert_eq(stepctl("send app/x"), 0);
    cr_assert_str_eq(said, "app/x is in events, partition 0, offset 1\n");
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "evnets", 1, 1), 0);
    cr_assert_eq(stepctl("send app/x --topic evnets"), 0);
    cr_assert_str_eq(said, "app/x is in evnets, which this config does not read, partition 0, offset 0\n");
    cr_assert_eq(stepctl("send app/x '{n}'"), 2);
    cr_assert_eq(stepctl("send"), 2);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(host);
}

Test(stepctl, says_what_it_cannot_reach)
{
    cr_assert_eq(stepctl("send app/x"), 4);
    cr_assert_not_null(strstr(said, "Connection refused"), "%s", said);
    redis_fixture_kill(&redis);
    cr_assert_eq(stepctl("runs"), 4);
    cr_assert_not_null(strstr(said, "redis.url"), "%s", said);
}

Test(stepctl, doctor_says_what_is_set_up_wrong)
{
    struct sample lost, behind, head;
    sample_init(&lost, 1);
    sample_init_ordered(&head, 2, "k");
    sample_init_ordered(&behind, 3, "k");
    park(&lost, RUN_DELAYED, 60000);
    park(&head, RUN_DELAYED, 60000);
    park(&behind, RUN_DELAYED, 60000);

    cr_assert_eq(stepctl("doctor"), 4);
    cr_assert_not_null(strstr(said, "fault    kafka"), "%s", said);
    cr_assert_not_null(strstr(said, "3 runs looked at, none is in no list"), "%s", said);
    cr_assert_not_null(strstr(said, "append-only file: on"), "%s", said);
    cr_assert_not_null(strstr(said, "zset-max-listpack-value: 64"), "%s", said);
    (void)redis_says(redis.store, "CONFIG SET maxmemory-policy allkeys-lru");
    (void)redis_says(redis.store, "ZREM t{0}:delayed %s", lost.run.id.text);
    cr_assert_eq(stepctl("--json doctor"), 4);
    cr_assert_not_null(strstr(said, "allkeys-lru"), "%s", said);
    cr_assert_not_null(strstr(said, lost.run.id.text), "%s", said);
    json_decref(parsed());
}

static void configure_a_program_and_an_app(void)
{
    FILE *file = fopen(config, "a");

    cr_assert_not_null(file);
    fprintf(file, "programs: {media: {command: [/bin/true]}}\n"
                  "http: {listen: \"127.0.0.1:0\"}\ninngest: {apps: [\"http://127.0.0.1:1/api/inngest\"]}\n");
    cr_assert_eq(fclose(file), 0);
}

Test(stepctl, what_apps_and_programs_declared_is_read_from_one_store_by_one_config)
{
    configure_a_program_and_an_app();
    cr_assert_eq(stepctl("functions"), 0, "%s", said); /* and under a sanitizer nothing is left behind */
    cr_assert_not_null(strstr(said, "No functions"), "%s", said);
}

Test(stepctl, a_function_without_a_name_is_not_paused)
{
    configure_a_program_and_an_app();
    cr_assert_eq(stepctl("pause ''"), 2, "%s", said);
    cr_assert_not_null(strstr(said, "which function?"), "%s", said);
}

Test(stepctl, evaluates_an_expression_on_a_given_event)
{
    cr_assert_eq(stepctl("eval 'event.data.total > 100' --event '{\"data\": {\"total\": 120}}'"), 0, "%s", said);
    cr_assert_str_eq(said, "true\n");
    cr_assert_eq(
        stepctl("--json eval 'event.data.id == async.data.id' --event '{\"data\": {\"id\": 7}}' --async '{\"data\": {\"id\": 8}}'"), 0,
        "%s", said);
    json_t *shown = parsed();
    cr_assert_str_eq(text_at(shown, "type"), "bool");
    cr_assert(json_is_false(json_object_get(shown, "value")), "%s", said);
    json_decref(shown);
    cr_assert_eq(stepctl("eval '1 / 0'"), 1, "%s", said);
    cr_assert_eq(stepctl("eval '1 +'"), 2, "%s", said);
    cr_assert_not_null(strstr(said, "1:"), "%s", said);
    cr_assert_eq(stepctl("eval true --event '[]'"), 2, "%s", said);
}
