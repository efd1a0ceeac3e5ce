/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 2026-11-24 15:26:29.914 UTC */
#define WALL_MS 1795533989914

static const struct log_fields retried = {
    .run_id = "3f2a9c1e00112233445566778899aabb",
    .function = "click-recorder",
    .attempt = 1,
    .outcome = "retry",
    .due_in_ms = 15000,
    .topic = "events",
    .partition = 2,
    .offset = 7,
    .trace_id = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
};

static void check_line(enum log_format format, bool has_colour, enum log_level level, const struct log_fields *fields, const char *text,
                       const char *expected)
{
    AUTO_FREE char *line = log_line(format, has_colour, level, WALL_MS, fields, text);

    cr_assert_str_eq(line, expected);
}

Test(log, writes_text_with_its_fields)
{
    check_line(LOG_FORMAT_TEXT, false, LOG_LEVEL_WARN, &retried, "DatabaseError: insert failed",
               "2026-11-24T15:26:29.914Z warn  DatabaseError: insert failed function=click-recorder "
               "run=3f2a9c1e00112233445566778899aabb attempt=1 outcome=retry due_in_ms=15000 topic=events partition=2 "
               "offset=7 trace=0af7651916cd43dd8448eb211c80319c\n");
    check_line(LOG_FORMAT_TEXT, false, LOG_LEVEL_INFO, NULL, "plain", "2026-11-24T15:26:29.914Z info  plain\n");
}

Test(log, quotes_a_field_that_is_no_word)
{
    struct log_fields fields = LOG_FIELDS_NONE;

    fields.step = "send \"it\"\n";
    check_line(LOG_FORMAT_TEXT, false, LOG_LEVEL_INFO, &fields, "x", "2026-11-24T15:26:29.914Z info  x step=\"send \\\"it\\\"\\n\"\n");
}

Test(log, keeps_a_message_on_one_line_and_harmless)
{
    check_line(LOG_FORMAT_TEXT, false, LOG_LEVEL_INFO, NULL, "a\nb\033[2J\n", "2026-11-24T15:26:29.914Z info  a\\nb\\x1b[2J\n");
}

Test(log, writes_json_that_parses)
{
    AUTO_FREE char *line = log_line(LOG_FORMAT_JSON, false, LOG_LEVEL_ERROR, WALL_MS, &retried, "a \"quoted\"\nline \xff");
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);

    cr_assert_not_null(object, "%s", error.text);
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
    cr_assert_str_eq(json_string_value(json_object_get(object, "message")), "a \"quoted\"\nline ?");
    cr_assert_str_eq(json_string_value(json_object_get(object, "level")), "error");
    cr_assert_eq(json_integer_value(json_object_get(object, "offset")), 7);
    cr_assert_str_eq(json_string_value(json_object_get(object, "trace_id")), "0af7651916cd43dd8448eb211c80319c");
    cr_assert_null(json_object_get(object, "step"));
    json_decref(object);
}

Test(log, shows_a_run_at_a_glance_in_dev)
{
    (void)setenv("TZ", "UTC", 1);
    check_line(LOG_FORMAT_DEV, false, LOG_LEVEL_INFO, &retried, "DatabaseError: insert failed",
               "15:26:29.914 ↻ click-recorder         3f2a9c1e  attempt 1  retry     in 15 s  DatabaseError: insert failed\n");
    check_line(LOG_FORMAT_DEV, false, LOG_LEVEL_WARN, NULL, "redis is away", "15:26:29.914 ! redis is away\n");
}

Test(log, says_in_the_journal_what_the_message_is_about)
{
    struct log_fields sleeping = retried, read = LOG_FIELDS_NONE;

    sleeping.outcome = "sleeping";
    sleeping.step = "nap\n";
    read.topic = "events";
    read.partition = 3;
    check_line(LOG_FORMAT_JOURNAL, false, LOG_LEVEL_WARN, &retried, "DatabaseError: insert failed",
               "click-recorder 3f2a9c1e, attempt 1: retry in 15 s: DatabaseError: insert failed\n");
    check_line(LOG_FORMAT_JOURNAL, false, LOG_LEVEL_INFO, &sleeping, "2 ms",
               "click-recorder 3f2a9c1e, attempt 1, step nap: sleeping for 15 s: 2 ms\n");
    check_line(LOG_FORMAT_JOURNAL, false, LOG_LEVEL_INFO, &read, "can't be read now", "events [3]: can't be read now\n");
    check_line(LOG_FORMAT_JOURNAL, false, LOG_LEVEL_INFO, NULL, "plain", "plain\n");
}

Test(log, colours_only_when_told)
{
    AUTO_FREE char *plain = log_line(LOG_FORMAT_DEV, false, LOG_LEVEL_INFO, WALL_MS, &retried, "x");
    AUTO_FREE char *coloured = log_line(LOG_FORMAT_DEV, true, LOG_LEVEL_INFO, WALL_MS, &retried, "x");

    cr_assert_null(strchr(plain, '\033'));
    cr_assert_not_null(strchr(coloured, '\033'));
}

Test(log, says_durations_for_people)
{
    char text[LOG_DURATION_SIZE];

    cr_assert_str_eq(log_duration(0, text), "0 ms");
    cr_assert_str_eq(log_duration(250, text), "250 ms");
    cr_assert_str_eq(log_duration(1500, text), "1.5 s");
    cr_assert_str_eq(log_duration(15000, text), "15 s");
    cr_assert_str_eq(log_duration(15300, text), "15 s");
    cr_assert_str_eq(log_duration(60000, text), "1 m");
    cr_assert_str_eq(log_duration(90000, text), "1 m 30 s");
    cr_assert_str_eq(log_duration(7200000, text), "2 h");
    cr_assert_str_eq(log_duration(90000000, text), "1 d 1 h");
    cr_assert_str_eq(log_duration(59999, text), "1 m");
}

Test(log, knows_its_names)
{
    cr_assert_str_eq(LOG_LEVEL_NAMES[LOG_LEVEL_DEBUG], "debug");
    cr_assert_null(LOG_LEVEL_NAMES[LOG_LEVEL_DEBUG + 1]);
    cr_assert_str_eq(LOG_FORMAT_NAMES[LOG_FORMAT_DEV], "dev");
    cr_assert_null(LOG_FORMAT_NAMES[LOG_FORMAT_DEV + 1]);
}

/* Runs `write_lines` with standard error in a file and gives what was written. */
static char *captured(void (*write_lines)(void))
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    char *text = xcalloc(1, 1 << 20);

    (void)dup2(fileno(file), STDERR_FILENO);
    write_lines();
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    rewind(file);
    size_t size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void repeat_a_line(void)
{
    log_open(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < 1000; i++)
        log_error("the same %d", i);
    log_debug("not shown");
    log_close();
}

Test(log, holds_back_a_call_site_that_repeats_itself)
{
    AUTO_FREE char *text = captured(repeat_a_line);

    /* The loop may cross into a second or two, each with lines of its own. */
    cr_assert_geq(count_lines(text), LOG_LINES_PER_SECOND + 1);
    cr_assert_leq(count_lines(text), 3 * LOG_LINES_PER_SECOND);
    cr_assert_not_null(strstr(text, "left out"));
    cr_assert_null(strstr(text, "not shown"));
}

static void *write_many(void *argument)
{
    for (int i = 0; i < 200; i++)
        log_event(LOG_LEVEL_INFO, (const struct log_fields *)argument, "%0200d", i);
    return NULL;
}

static void write_from_threads(void)
{
    pthread_t threads[4];

    log_open(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_create(&threads[i], NULL, write_many, (void *)&retried);
    for (size_t i = 0; i < 4; i++)
        (void)pthread_join(threads[i], NULL);
}

Test(log, never_mixes_lines_of_threads)
{
    AUTO_FREE char *text = captured(write_from_threads);
    size_t lines = 0;

    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        json_t *object = json_loads(line, 0, NULL);
        cr_assert_not_null(object, "%s", line);
        json_decref(object);
    }
    cr_assert_eq(lines, 800);
}
