/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/payload.h"
#include "common/text.h"
#include "request.h"

#define LEAVE_PATIENCE_MS 5000 /* for a program that has to go */
#define WORDS_SIZE 700

struct conversation {
    struct stepd_ctx *ctx;
    const struct exec_options *options;
    struct program *program;
    const char *step_id; /* the step that was asked for, as the program calls it */
    bool step_was_run;
    bool died_in_step;
    bool is_suspended;
    bool step_failed;             /* the latest answer was that a step failed for good */
    const char *fault;            /* the program broke the protocol; NULL: not yet */
    const msgpack_object *output; /* that it reported, NULL: none */
};

/* ---- telling ---------------------------------------------------------------------------------- */

static void tell_json(struct conversation *conversation, const msgpack_object *value)
{
    program_tell(conversation->program, stepd_to_json(conversation->ctx, value));
}

static void tell_text(struct conversation *conversation, const char *text)
{
    msgpack_object value = { .type = MSGPACK_OBJECT_STR };

    value.via.str.ptr = text;
    value.via.str.size = (uint32_t)strlen(text);
    tell_json(conversation, &value);
}

static void tell_failed(struct conversation *conversation)
{
    const struct stepd_error *error = stepd_last_error(conversation->ctx);

    program_tell(conversation->program, "{\"failed\":{\"name\":");
    tell_text(conversation, error != NULL ? error->name : "Error");
    program_tell(conversation->program, ",\"message\":");
    tell_text(conversation, error != NULL ? error->message : "");
    program_tell(conversation->program, "}}\n");
}

/* Nothing more is done for it; it learns why, and has to go. */
static void break_off(struct conversation *conversation, const char *fault)
{
    conversation->fault = fault;
    program_tell(conversation->program, "{\"error\":");
    tell_text(conversation, fault);
    program_tell(conversation->program, "}\n");
    program_expect_end(conversation->program, LEAVE_PATIENCE_MS);
}

static void suspend(struct conversation *conversation)
{
    conversation->is_suspended = true;
    program_tell(conversation->program, "{\"suspend\":true}\n");
    program_expect_end(conversation->program, LEAVE_PATIENCE_MS);
}

/* ---- how a program ended ---------------------------------------------------------------------- */

/* "exit status 1: ValueError: no such user" */
static const char *end_words(const struct conversation *conversation, char *words, size_t size)
{
    const struct program *program = conversation->program;
    const char *last = program_last_words(program);
    char how[40], said[WORDS_SIZE];

    text_to_line(last, strlen(last), said, sizeof(said));
    if (program_exit_status(program) >= 0)
        (void)snprintf(how, sizeof(how), "exit status %d", program_exit_status(program));
    else if (sigabbrev_np(program_end_signal(program)) != NULL)
        (void)snprintf(how, sizeof(how), "killed by SIG%s", sigabbrev_np(program_end_signal(program)));
    else
        (void)snprintf(how, sizeof(how), "killed by signal %d", program_end_signal(program));
    (void)snprintf(words, size, "%s%s%s", how, said[0] != '\0' ? ": " : "", said);
    return words;
}

static bool is_failing_for_good(const struct conversation *conversation)
{
    int status = program_exit_status(conversation->program);

    for (const char *const *at = conversation->options->fail_on; status >= 0 && *at != NULL; at++) {
        if (strtol(*at, NULL, 10) == status)
            return true;
    }
    return false;
}

static enum stepd_status fail(struct conversation *conversation)
{
    char words[WORDS_SIZE + 100];
    const char *text = end_words(conversation, words, sizeof(words));
    const char *retry_after = program_retry_after(conversation->program);

    if (is_failing_for_good(conversation))
        return stepd_non_retriable(conversation->ctx, "ProgramFailed", "%s", text);
    return stepd_retry_after_http(conversation->ctx, retry_after, "ProgramFailed", "%s", text);
}

/* It was ended: past its time, or because the result will be ignored. */
static enum stepd_status give_up(struct conversation *conversation, enum program_news news)
{
    const char *last = program_last_words(conversation->program);
    char said[WORDS_SIZE];

    text_to_line(last, strlen(last), said, sizeof(said));
    if (news == PROGRAM_TIMED_OUT)
        return stepd_error(conversation->ctx, "HandlerTimeout", "the program took too long and was ended%s%s", said[0] != '\0' ? ": " : "",
                           said);
    return stepd_error(conversation->ctx, "Cancelled", "the program was ended");
}

/* ---- a step ----------------------------------------------------------------------------------- */

static enum stepd_status step_fail(struct conversation *conversation, const struct request *request)
{
    struct stepd_ctx *ctx = conversation->ctx;

    if (!request->is_retriable)
        return stepd_non_retriable(ctx, request->error_name, "%s", request->message);
    if (request->retry_after_ms >= 0)
        return stepd_retry_after(ctx, request->retry_after_ms, request->error_name, "%s", request->message);
    return stepd_error(ctx, request->error_name, "%s", request->message);
}

static enum stepd_status step_break_off(struct conversation *conversation, const char *fault)
{
    break_off(conversation, fault);
    return stepd_non_retriable(conversation->ctx, "ProtocolError", "%s", fault);
}

/* A line while the step runs can only be its report. */
static enum stepd_status step_report(struct conversation *conversation, const char *line, size_t size)
{
    struct stepd_ctx *ctx = conversation->ctx;
    struct request request;
    const char *fault = request_read(ctx, line, size, &request);

    if (fault != NULL)
        return step_break_off(conversation, fault);
    if ((request.kind != REQUEST_RESULT && request.kind != REQUEST_ERROR) || strcmp(request.id, conversation->step_id) != 0)
        return step_break_off(conversation, "a step is running: its result or its error has to come first");
    if (request.kind == REQUEST_ERROR)
        return step_fail(conversation, &request);
    stepd_pack(ctx, stepd_output(ctx), request.value);
    return STEPD_OK;
}

/* The step's function: the program does it, and reports. */
static enum stepd_status step_perform(struct stepd_ctx *ctx, const void *arg)
{
    struct conversation *conversation = (struct conversation *)(uintptr_t)arg;
    struct program *program = conversation->program;
    char go[64];
    const char *line;
    size_t size;

    conversation->step_was_run = true;
    (void)snprintf(go, sizeof(go), "{\"run\":true,\"attempt\":%d}\n", stepd_attempt(ctx));
    program_tell(program, go);
    enum program_news news = program_listen(program, &line, &size);
    switch (news) {
    case PROGRAM_SAID:
        return step_report(conversation, line, size);
    case PROGRAM_ENDED:
        conversation->died_in_step = true;
        if (program_exit_status(program) == 0)
            return stepd_error(ctx, "StepUnfinished", "the program ended before it reported the step");
        return fail(conversation);
    case PROGRAM_TOO_LONG:
        return step_break_off(conversation, "a line is too long, or they are too many");
    case PROGRAM_TIMED_OUT:
    case PROGRAM_CANCELLED:
    case PROGRAM_OVERDUE:
        break;
    }
    return give_up(conversation, news);
}

static void step_ask(struct conversation *conversation, const struct request *request)
{
    const msgpack_object *result = NULL;

    conversation->step_id = request->id;
    conversation->step_was_run = false;
    enum stepd_status status = stepd_step_run(conversation->ctx, request->id, step_perform, conversation, &result);
    conversation->step_failed = status == STEPD_FAILED;
    if (conversation->fault != NULL)
        return;
    if (status == STEPD_SUSPENDED) {
        suspend(conversation);
    } else if (status == STEPD_FAILED) {
        tell_failed(conversation);
    } else if (conversation->step_was_run) {
        program_tell(conversation->program, "{\"ok\":true}\n");
    } else {
        program_tell(conversation->program, "{\"result\":");
        tell_json(conversation, result);
        program_tell(conversation->program, "}\n");
    }
}

/* ---- what else it may ask --------------------------------------------------------------------- */

/* After a call that has no result. */
static void acknowledge(struct conversation *conversation, enum stepd_status status)
{
    conversation->step_failed = status == STEPD_FAILED;
    if (status == STEPD_SUSPENDED)
        suspend(conversation);
    else if (status == STEPD_FAILED)
        tell_failed(conversation);
    else
        program_tell(conversation->program, "{\"ok\":true}\n");
}

static enum stepd_status send_event(struct stepd_ctx *ctx, const struct request *request)
{
    msgpack_sbuffer data;
    msgpack_packer packer;

    if (request->value == NULL)
        return stepd_send_event(ctx, request->id, request->name, NULL);
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    stepd_pack(ctx, &packer, request->value);
    enum stepd_status status = stepd_send_event(ctx, request->id, request->name, &data);
    msgpack_sbuffer_destroy(&data);
    return status;
}

/* The event as the program's own one is told, or null once the time is over. */
static void wait_for_event(struct conversation *conversation, const struct request *request)
{
    const struct stepd_wait wait = { .event = request->name, .when = request->when, .timeout_ms = request->delay_ms };
    struct stepd_ctx *ctx = conversation->ctx;
    const struct stepd_event *event = NULL;

    enum stepd_status status = stepd_wait_for_event(ctx, request->id, &wait, &event);
    if (status != STEPD_OK) {
        acknowledge(conversation, status);
        return;
    }
    conversation->step_failed = false;
    program_tell(conversation->program, "{\"result\":");
    program_tell(conversation->program, event != NULL ? payload_event(ctx, event) : "null");
    program_tell(conversation->program, "}\n");
}

static void invoke(struct conversation *conversation, const struct request *request)
{
    struct stepd_ctx *ctx = conversation->ctx;
    const msgpack_object *result = NULL;
    msgpack_sbuffer data;
    msgpack_packer packer;

    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    if (request->value != NULL)
        stepd_pack(ctx, &packer, request->value);
    enum stepd_status status = stepd_invoke(ctx, request->id, request->name, &data, request->delay_ms, &result);
    msgpack_sbuffer_destroy(&data);
    if (status != STEPD_OK) {
        acknowledge(conversation, status);
        return;
    }
    conversation->step_failed = false;
    program_tell(conversation->program, "{\"result\":");
    tell_json(conversation, result);
    program_tell(conversation->program, "}\n");
}

static void serve(struct conversation *conversation, const struct request *request)
{
    switch (request->kind) {
    case REQUEST_STEP:
        step_ask(conversation, request);
        return;
    case REQUEST_RESULT:
    case REQUEST_ERROR:
        break_off(conversation, "no step is running that this could be the outcome of: ask for it first");
        return;
    case REQUEST_SLEEP:
        acknowledge(conversation, stepd_sleep(conversation->ctx, request->id, request->delay_ms));
        return;
    case REQUEST_INVOKE:
        invoke(conversation, request);
        return;
    case REQUEST_WAIT:
        wait_for_event(conversation, request);
        return;
    case REQUEST_SEND:
        acknowledge(conversation, send_event(conversation->ctx, request));
        return;
    case REQUEST_OUTPUT:
        conversation->output = request->value;
        acknowledge(conversation, STEPD_OK);
        return;
    }
}

/* What a program asks that has ended meanwhile can't be answered, and is not begun. */
static bool is_worth_serving(const struct conversation *conversation, const struct request *request)
{
    return !program_has_ended(conversation->program) || request->kind == REQUEST_OUTPUT || request->kind == REQUEST_SEND;
}

static void hear(struct conversation *conversation, const char *line, size_t size)
{
    struct request request;

    if (conversation->fault != NULL)
        return;
    if (conversation->is_suspended) {
        program_tell(conversation->program, "{\"suspend\":true}\n");
        return;
    }
    const char *fault = request_read(conversation->ctx, line, size, &request);
    if (fault != NULL)
        break_off(conversation, fault);
    else if (is_worth_serving(conversation, &request))
        serve(conversation, &request);
}

/* ---- the outcome ------------------------------------------------------------------------------ */

static enum stepd_status finish(struct conversation *conversation)
{
    msgpack_packer *packer = stepd_output(conversation->ctx);
    const char *output;
    size_t size;
    bool is_whole = program_output(conversation->program, &output, &size);

    if (conversation->output != NULL) {
        stepd_pack(conversation->ctx, packer, conversation->output);
        return STEPD_OK;
    }
    while (size > 0 && output[size - 1] == '\n')
        size--;
    if (is_whole) {
        text_pack_json(conversation->ctx, packer, output, size);
        return STEPD_OK;
    }
    stepd_log(conversation->ctx, STEPD_LOG_WARN,
              "the program printed more than max_output (%" PRId64 " bytes): the run's output is the text of its beginning",
              conversation->options->output_most);
    text_pack_cut(packer, output, size);
    return STEPD_OK;
}

/* It ended because a step had failed for good, which is the run's error then. One that wants to be
 * started again all the same says so. */
static bool is_step_error_returned(const struct conversation *conversation)
{
    int status = program_exit_status(conversation->program);

    return conversation->step_failed && (conversation->died_in_step || (status > 0 && status != EX_TEMPFAIL));
}

static enum stepd_status settle(struct conversation *conversation, enum program_news news)
{
    if (conversation->fault != NULL)
        return stepd_non_retriable(conversation->ctx, "ProtocolError", "%s", conversation->fault);
    if (conversation->is_suspended)
        return STEPD_SUSPENDED;
    if (news != PROGRAM_ENDED)
        return give_up(conversation, news);
    if (is_step_error_returned(conversation))
        return STEPD_FAILED;
    return program_exit_status(conversation->program) == 0 ? finish(conversation) : fail(conversation);
}

enum stepd_status conversation_hold(struct stepd_ctx *ctx, const struct exec_options *options, struct program *program)
{
    struct conversation conversation = { .ctx = ctx, .options = options, .program = program };
    const char *line;
    size_t size;

    for (;;) {
        enum program_news news = program_listen(program, &line, &size);
        if (news == PROGRAM_SAID)
            hear(&conversation, line, size);
        else if (news == PROGRAM_TOO_LONG)
            break_off(&conversation, "a line is too long, or they are too many");
        else
            return settle(&conversation, news);
    }
}
