/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: makes functions of a config's entries that run a program for each event, one process an
 * attempt. The program may cut its work into steps.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stepd/stepd.h>

#include "common/environment.h"
#include "common/payload.h"
#include "common/text.h"
#include "conversation.h"
#include "program.h"

#define DEFAULT_TIMEOUT_MS 300000
#define LOG_LINE_SIZE 900
#define STRING_MOST (128 * 1024 - 1) /* of a variable or an argument; more Linux refuses */
#define LOG_LINES_MOST 100           /* of standard error, an attempt */

/* ---- options ---------------------------------------------------------------------------------- */

static bool is_exit_status(const char *text)
{
    char *end;
    long status = strtol(text, &end, 10);

    return end != text && *end == '\0' && status >= 1 && status <= 255;
}

static int check(const void *filled, char *ret_why, size_t why_size)
{
    const struct exec_options *options = filled;
    enum payload_form form;

    if (options->command[0] == NULL || options->command[0][0] == '\0')
        return text_refuse(ret_why, why_size, "'command' must be a list: the program, then its arguments");
    if (!payload_form_parse(options->input, &form))
        return text_refuse(ret_why, why_size, "'input' must be event, cloudevent, data or raw, not '%s'", options->input);
    for (const char *const *at = options->environment; *at != NULL; at += 2) {
        if (at[0][0] == '\0' || strchr(at[0], '=') != NULL)
            return text_refuse(ret_why, why_size, "'env' has '%s', which can't be the name of a variable", at[0]);
        if (strlen(at[0]) + 1 + strlen(at[1]) > STRING_MOST)
            return text_refuse(ret_why, why_size, "'env' has more than 128 KiB for '%.100s', which no program can be given", at[0]);
    }
    for (const char *const *at = options->command; *at != NULL; at++) {
        if (strlen(*at) > STRING_MOST)
            return text_refuse(ret_why, why_size, "'command' has an argument of more than 128 KiB, which no program can be given");
    }
    for (const char *const *at = options->fail_on; *at != NULL; at++) {
        if (!is_exit_status(*at))
            return text_refuse(ret_why, why_size, "'fail_on' lists exit statuses from 1 to 255, not '%s'", *at);
    }
    if (options->line_most < 1024)
        return text_refuse(ret_why, why_size, "'max_line' must be at least 1KiB");
    return 0;
}

/* ---- the environment -------------------------------------------------------------------------- */

/* A value that comes with the event may be longer than a variable can be: the program finds it in its input. */
static void environment_add_told(struct environment *environment, struct stepd_ctx *ctx, const char *name, const char *value)
{
    if (strlen(name) + 1 + strlen(value) <= STRING_MOST)
        environment_add(environment, name, value);
    else
        stepd_log(ctx, STEPD_LOG_WARN, "the program gets no %s: its %zu bytes are more than a variable can have (128 KiB)", name,
                  strlen(value));
}

static struct environment environment_make(struct stepd_ctx *ctx, const struct exec_options *options)
{
    const struct stepd_event *event = stepd_event(ctx);
    struct environment environment = environment_create(options->inherits_environment, options->environment);

    environment_add(&environment, "STEPD_RUN_ID", stepd_run_id(ctx));
    environment_add(&environment, "STEPD_FUNCTION", stepd_function_id(ctx));
    environment_add_number(&environment, "STEPD_ATTEMPT", stepd_attempt(ctx));
    environment_add_number(&environment, "STEPD_MAX_ATTEMPTS", stepd_max_attempts(ctx));
    environment_add_told(&environment, ctx, "STEPD_EVENT_ID", event->id);
    environment_add_told(&environment, ctx, "STEPD_EVENT_NAME", event->name);
    environment_add(&environment, "STEPD_TOPIC", event->topic);
    environment_add_number(&environment, "STEPD_PARTITION", event->partition);
    environment_add_number(&environment, "STEPD_OFFSET", event->offset);
    if (event->traceparent != NULL)
        environment_add_told(&environment, ctx, "TRACEPARENT", event->traceparent);
    return environment;
}

/* ---- the function ----------------------------------------------------------------------------- */

struct attempt {
    struct stepd_ctx *ctx;
    int logged_lines;
};

static bool is_cancelled(void *context)
{
    const struct attempt *attempt = context;

    return stepd_is_cancelled(attempt->ctx);
}

static int64_t time_left_ms(void *context)
{
    const struct attempt *attempt = context;

    return stepd_time_left_ms(attempt->ctx);
}

static void complain(void *context, const char *line)
{
    struct attempt *attempt = context;
    char text[LOG_LINE_SIZE];

    if (attempt->logged_lines++ > LOG_LINES_MOST)
        return;
    text_to_line(line, strlen(line), text, sizeof(text));
    if (attempt->logged_lines > LOG_LINES_MOST)
        stepd_log(attempt->ctx, STEPD_LOG_WARN, "the program writes more than %d lines to its standard error: no more are told",
                  LOG_LINES_MOST);
    else
        stepd_log(attempt->ctx, STEPD_LOG_INFO, "%s", text);
}

static enum stepd_status run_program(struct stepd_ctx *ctx, const struct exec_options *options, const struct environment *environment)
{
    enum payload_form form = PAYLOAD_EVENT;
    struct attempt attempt = { .ctx = ctx };
    struct program *program;

    (void)payload_form_parse(options->input, &form);
    const struct payload input = payload_make(ctx, form);
    const struct program_spec spec = {
        .argv = (char *const *)(uintptr_t)options->command, /* execve() writes to none of them */
        .environment = environment->entries,
        .directory = options->directory,
        .input = input.bytes,
        .input_size = input.size,
        .output_most = (size_t)options->output_most,
        .line_most = (size_t)options->line_most,
        .is_cancelled = is_cancelled,
        .time_left_ms = time_left_ms,
        .complain = complain,
        .context = &attempt,
    };
    int status = program_start(&spec, &program);
    if (status != 0)
        return stepd_error(ctx, "ProgramMissing", "%s can't be run%s%s: %s", options->command[0],
                           options->directory[0] != '\0' ? " in " : "", options->directory, strerror(-status));
    enum stepd_status outcome = conversation_hold(ctx, options, program);
    program_destroy(program);
    return outcome;
}

static enum stepd_status hand_on(struct stepd_ctx *ctx)
{
    const struct exec_options *options = stepd_options(ctx);
    struct environment environment = environment_make(ctx, options);
    enum stepd_status status = run_program(ctx, options, &environment);

    environment_done(&environment);
    return status;
}

#define OPTION(text, kind, field, ...) \
    STEPD_OPTION(.name = (text), .type = (kind), .offset = offsetof(struct exec_options, field), __VA_ARGS__)

STEPD_MODULE(.name = "exec",
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(
                     .id = "exec", .template = true, .run = hand_on, .timeout_ms = DEFAULT_TIMEOUT_MS, .check = check,
                     .options = STEPD_OPTIONS(
                         OPTION("command", STEPD_STRING_LIST, command, .help = "the program and its arguments; no shell reads them"),
                         OPTION("env", STEPD_STRING_MAP, environment, .default_text = "{}", .help = "more variables of its environment"),
                         OPTION("inherit_env", STEPD_BOOL, inherits_environment, .default_text = "true",
                                .help = "false: of the daemon's variables it gets PATH alone"),
                         OPTION("directory", STEPD_PATH, directory, .default_text = "",
                                .help = "where it runs, counted from the config's folder; the daemon's own, else"),
                         OPTION("input", STEPD_STRING, input, .default_text = "event",
                                .help = "on its standard input: event, cloudevent, data, or raw: the message's bytes"),
                         OPTION("fail_on", STEPD_STRING_LIST, fail_on, .default_text = "[64, 65]",
                                .help = "exit statuses that fail the run now; others but 0 are retried"),
                         OPTION("max_output", STEPD_SIZE, output_most, .default_text = "64KiB",
                                .help = "of its standard output that is kept"),
                         OPTION("max_line", STEPD_SIZE, line_most, .default_text = "8MiB", .help = "of a line on descriptor 3")),
                     .options_size = sizeof(struct exec_options))));
