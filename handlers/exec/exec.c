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
#include "host.h"
#include "run/reports.h"

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
        stepd_log(ctx, STEPD_LOG_WARN, "the program gets no variable %s: its %zu bytes are more than a variable can have (128 KiB)", name,
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

/* What its programs have complained of meanwhile. */
static void log_complaints(struct stepd_ctx *ctx, struct hosted *hosted)
{
    char text[LOG_LINE_SIZE];

    for (struct complaint *complaint; (complaint = hosted_take_complaint(hosted)) != NULL;) {
        text_to_line(complaint->line, strlen(complaint->line), text, sizeof(text));
        free(complaint);
        if (++hosted->logged_lines > LOG_LINES_MOST)
            stepd_log(ctx, STEPD_LOG_WARN, "the program writes more than %d lines to its standard error: the rest is not logged",
                      LOG_LINES_MOST);
        else
            stepd_log(ctx, STEPD_LOG_INFO, "%s", text);
    }
}

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size + 1);

    if (copy == NULL)
        abort();
    memcpy(copy, bytes, size);
    return copy;
}

/* What the run leaves for. A payload ends with this stay of the run, so the program has its own. */
static struct hosted *order(struct stepd_ctx *ctx, const struct exec_options *options)
{
    struct hosted *hosted = host_order(stepd_shared(ctx), stepd_attempt(ctx) > 0 || stepd_step_count(ctx) > 0);
    enum payload_form form = PAYLOAD_EVENT;

    (void)payload_form_parse(options->input, &form);
    const struct payload input = payload_make(ctx, form);
    hosted->input = copy_of(input.bytes, input.size);
    hosted->environment = environment_make(ctx, options);
    hosted->timeout_ms = stepd_time_left_ms(ctx);
    (void)snprintf(hosted->run_id, sizeof(hosted->run_id), "%s", stepd_run_id(ctx));
    hosted->spec.argv = (char *const *)(uintptr_t)options->command; /* execve() writes to none of them */
    hosted->spec.directory = options->directory;
    hosted->spec.input = hosted->input;
    hosted->spec.input_size = input.size;
    hosted->spec.output_most = (size_t)options->output_most;
    hosted->spec.line_most = (size_t)options->line_most;
    hosted->end = conversation_destroy;
    return hosted;
}

static enum stepd_status say_missing(struct stepd_ctx *ctx, const struct exec_options *options, int problem)
{
    return stepd_error(ctx, "ProgramMissing", "%s can't be run%s%s: %s", options->command[0], options->directory[0] != '\0' ? " in " : "",
                       options->directory, strerror(-problem));
}

/* Entered to order the program, and again whenever there is news of it, or somebody wants the run back. */
static enum stepd_status hand_on(struct stepd_ctx *ctx)
{
    const struct exec_options *options = stepd_options(ctx);
    struct hosted *hosted = (struct hosted *)(void *)stepd_errand(ctx);

    if (hosted == NULL)
        return stepd_leave(ctx, &order(ctx, options)->errand);
    if (hosted_has_come(hosted))
        stepd_begins_now(ctx);
    log_complaints(ctx, hosted);
    if (atomic_exchange(&hosted->is_wanted, false) && !stepd_may_go_on(ctx))
        return STEPD_SUSPENDED;
    if (hosted->problem != 0)
        return say_missing(ctx, options, hosted->problem);
    if (hosted->program == NULL)
        return stepd_leave(ctx, &hosted->errand);
    if (hosted->conversation == NULL && !stepd_reports_take(ctx))
        return STEPD_SUSPENDED;
    if (hosted->conversation == NULL)
        hosted->conversation = conversation_create(ctx, options, hosted);
    return conversation_go_on(ctx, hosted->conversation);
}

/* ---- the module ------------------------------------------------------------------------------- */

struct module_options {
    int64_t in_flight;
};

static int check_module(const void *filled, char *ret_why, size_t why_size)
{
    const struct module_options *options = filled;

    if (options->in_flight >= 1 && options->in_flight <= 100000)
        return 0;
    return text_refuse(ret_why, why_size, "'in_flight' must be 1 to 100000 programs at once, not %" PRId64, options->in_flight);
}

static int init(const void *filled, void **ret_shared)
{
    const struct module_options *options = filled;

    *ret_shared = host_create((int)options->in_flight);
    return 0;
}

static void at_exit(void *shared)
{
    host_destroy(shared);
}

#define OPTION(text, kind, field, ...) \
    STEPD_OPTION(.name = (text), .type = (kind), .offset = offsetof(struct exec_options, field), __VA_ARGS__)

STEPD_MODULE(
        .name = "exec", .init = init, .exit = at_exit, .check = check_module,
        .options = STEPD_OPTIONS(STEPD_OPTION(.name = "in_flight", .type = STEPD_INT, .offset = offsetof(struct module_options, in_flight),
                                              .default_text = "32", .help = "programs at once, of all its functions")),
        .options_size = sizeof(struct module_options),
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
                    OPTION("max_output", STEPD_SIZE, output_most, .default_text = "64KiB", .help = "of its standard output that is kept"),
                    OPTION("max_line", STEPD_SIZE, line_most, .default_text = "8MiB", .help = "of a line on descriptor 3")),
                .options_size = sizeof(struct exec_options))));
