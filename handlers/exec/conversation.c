/* SPDX-License-Identifier: Apache-2.0 */
#include "conversation.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/payload.h"
#include "conversation_internal.h"
#include "request.h"

#define LEAVE_PATIENCE_MS 5000 /* for a program that has to go */
#define SUSPEND "{\"suspend\":true}\n"

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

    program_tell(conversation->program, "\"failed\":{\"name\":");
    tell_text(conversation, error != NULL ? error->name : "Error");
    program_tell(conversation->program, ",\"message\":");
    tell_text(conversation, error != NULL ? error->message : "");
    program_tell(conversation->program, "}");
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

static void end(struct conversation *conversation, enum stepd_status status)
{
    conversation->is_over = true;
    conversation->status = status;
}

/* The run waits in the store; the program has a moment to go, and is told the same whatever it asks. */
static void suspend(struct conversation *conversation)
{
    program_tell(conversation->program, SUSPEND);
    hosted_dismiss(conversation->hosted, SUSPEND, LEAVE_PATIENCE_MS);
    end(conversation, stepd_reports_status(conversation->reports));
}

static void tell_result(struct conversation *conversation, const char *name)
{
    program_tell(conversation->program, "\"result\":");
    tell_json(conversation, stepd_report_result(conversation->ctx, name));
}

/* Between the braces. `has_result`: of what is on record, or came from elsewhere. */
static void tell_answer(struct conversation *conversation, const char *name, enum report_answer answer, bool has_result)
{
    char run[64];
    const struct running *running = &conversation->running[conversation->count - 1];

    conversation->failed[0] = '\0';
    switch (answer) {
    case REPORT_DONE:
        if (has_result)
            tell_result(conversation, name);
        else
            program_tell(conversation->program, "\"ok\":true");
        return;
    case REPORT_FAILED:
        (void)snprintf(conversation->failed, sizeof(conversation->failed), "%s", name);
        tell_failed(conversation);
        return;
    case REPORT_LATER:
        program_tell(conversation->program, "\"later\":true");
        return;
    case REPORT_RUN:
        (void)snprintf(run, sizeof(run), "\"run\":true,\"attempt\":%d", running->attempt);
        program_tell(conversation->program, run);
        return;
    case REPORT_PARKED:
    case REPORT_OVER:
        return;
    }
}

/* A line of its own. */
static void answer_with(struct conversation *conversation, const char *name, enum report_answer answer, bool has_result)
{
    if (answer == REPORT_PARKED) {
        suspend(conversation);
    } else if (answer == REPORT_OVER) {
        end(conversation, stepd_reports_status(conversation->reports));
    } else {
        program_tell(conversation->program, "{");
        tell_answer(conversation, name, answer, has_result);
        program_tell(conversation->program, "}\n");
    }
}

/* ---- a step ----------------------------------------------------------------------------------- */

struct settled {
    struct conversation *conversation;
    const struct request *request;
};

static enum stepd_status step_fail(struct conversation *conversation, const struct request *request)
{
    struct stepd_ctx *ctx = conversation->ctx;

    if (!request->is_retriable)
        return stepd_non_retriable(ctx, request->error_name, "%s", request->message);
    if (request->retry_after_ms >= 0)
        return stepd_retry_after(ctx, request->retry_after_ms, request->error_name, "%s", request->message);
    return stepd_error(ctx, request->error_name, "%s", request->message);
}

static enum stepd_status step_settle(struct stepd_ctx *ctx, const void *arg)
{
    const struct settled *settled = arg;

    if (settled->request->kind == REQUEST_ERROR)
        return step_fail(settled->conversation, settled->request);
    stepd_pack(ctx, stepd_output(ctx), settled->request->value);
    return STEPD_OK;
}

static struct running *find_running(const struct conversation *conversation, const char *name)
{
    for (size_t i = 0; i < conversation->count; i++) {
        if (strcmp(conversation->running[i].name, name) == 0)
            return &conversation->running[i];
    }
    for (size_t i = 0; i < conversation->count; i++) {
        if (strcmp(conversation->running[i].id, name) == 0)
            return &conversation->running[i];
    }
    return NULL;
}

static void running_remove(struct conversation *conversation, struct running *running)
{
    *running = conversation->running[--conversation->count];
}

static void running_add(struct conversation *conversation, const char *id, const char *name, bool is_beside, int attempt)
{
    for (size_t i = 0; i < conversation->count; i++)
        conversation->running[i].is_beside = true;
    if (conversation->count == conversation->room) {
        conversation->room = 2 * conversation->room + 4;
        conversation->running = realloc(conversation->running, conversation->room * sizeof(*conversation->running));
        if (conversation->running == NULL)
            abort();
    }
    struct running *running = &conversation->running[conversation->count++];
    *running = (struct running){
        .attempt = attempt, .is_beside = is_beside, .begun_ms = stepd_store_ms(conversation->ctx), .left_ms = conversation->timeout_ms
    };
    (void)snprintf(running->name, sizeof(running->name), "%s", name);
    (void)snprintf(running->id, sizeof(running->id), "%s", id);
}

static void report_running(struct conversation *conversation, struct running *running, const struct request *request)
{
    const struct settled settled = { conversation, request };
    const struct running step = *running;

    running_remove(conversation, running);
    const struct step_report report = running_report(&step, step_settle, &settled);
    answer_with(conversation, step.name, stepd_report_step(conversation->ctx, conversation->reports, &report), false);
}

/* ---- what it may ask -------------------------------------------------------------------------- */

/* *ret_name: its name, with room for STEP_ID_SIZE. */
static enum report_answer ask(struct conversation *conversation, const struct request *request, bool is_beside, bool has_more,
                              char *ret_name)
{
    struct stepd_ctx *ctx = conversation->ctx;
    struct reports *reports = conversation->reports;
    const struct stepd_wait wait = { .event = request->name, .when = request->when, .timeout_ms = request->delay_ms };
    int attempt = 0;

    stepd_reports_name(reports, request->id, ret_name);
    switch (request->kind) {
    case REQUEST_STEP: {
        enum report_answer answer = stepd_report_asked(ctx, reports, ret_name, is_beside, &attempt);
        if (answer == REPORT_RUN)
            running_add(conversation, request->id, ret_name, is_beside, attempt);
        return answer;
    }
    case REQUEST_SLEEP:
        return stepd_report_sleep(ctx, reports, ret_name, is_beside, stepd_store_ms(ctx) + request->delay_ms);
    case REQUEST_SEND:
        return stepd_report_send(ctx, reports, ret_name, request->name, request->value);
    case REQUEST_WAIT:
        return stepd_report_wait(ctx, reports, ret_name, is_beside, has_more, &wait);
    case REQUEST_INVOKE:
        return stepd_report_invoke(ctx, reports, ret_name, is_beside, request->name, request->value, request->delay_ms);
    case REQUEST_RESULT:
    case REQUEST_ERROR:
    case REQUEST_OUTPUT:
    case REQUEST_STEPS:
    case REQUEST_SUSPEND:
        break;
    }
    return REPORT_OVER;
}

static bool has_result(const struct request *request)
{
    return request->kind != REQUEST_SLEEP && request->kind != REQUEST_SEND;
}

static void ask_one(struct conversation *conversation, const struct request *request)
{
    char name[STEP_ID_SIZE];
    enum report_answer answer = ask(conversation, request, conversation->count > 0, false, name);

    if (answer == REPORT_RUN)
        conversation->running[conversation->count - 1].is_single = true;
    answer_with(conversation, name, answer, has_result(request));
}

/* So that a race is won by the same again. */
static void tell_position(struct conversation *conversation, const char *name, enum report_answer answer)
{
    char position[32];

    if (answer != REPORT_DONE && answer != REPORT_FAILED)
        return;
    (void)snprintf(position, sizeof(position), ",\"position\":%d", stepd_report_position(conversation->ctx, name));
    program_tell(conversation->program, position);
}

static bool is_same(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

/* Whether another of them waits for the same, and is asked after this one. */
static bool has_more(struct conversation *conversation, const struct request *steps, size_t index, const struct request *wait)
{
    struct request other;

    for (size_t i = index + 1; i < request_count(steps) && wait->kind == REQUEST_WAIT; i++) {
        request_at(conversation->ctx, steps, i, &other);
        if (other.kind == REQUEST_WAIT && is_same(wait->name, other.name) && is_same(wait->when, other.when))
            return true;
    }
    return false;
}

/* Each has its answer in one line; what ends the call ends it for all. */
static void ask_several(struct conversation *conversation, const struct request *steps)
{
    bool is_beside = conversation->count > 0 || request_count(steps) > 1;
    char name[STEP_ID_SIZE];
    struct request request;

    program_tell(conversation->program, "{\"steps\":[");
    for (size_t i = 0; i < request_count(steps); i++) {
        request_at(conversation->ctx, steps, i, &request);
        enum report_answer answer = ask(conversation, &request, is_beside, has_more(conversation, steps, i, &request), name);
        if (answer == REPORT_PARKED || answer == REPORT_OVER) {
            program_untell(conversation->program);
            answer_with(conversation, name, answer, false);
            return;
        }
        program_tell(conversation->program, i > 0 ? ",{\"id\":" : "{\"id\":");
        tell_text(conversation, name);
        program_tell(conversation->program, ",");
        tell_answer(conversation, name, answer, has_result(&request));
        tell_position(conversation, name, answer);
        program_tell(conversation->program, "}");
    }
    program_tell(conversation->program, "]}\n");
}

/* What runs beside others lost a race. */
static void ask_to_suspend(struct conversation *conversation)
{
    conversation->count = 0;
    if (stepd_reports_suspend(conversation->ctx, conversation->reports))
        suspend(conversation);
    else
        break_off(conversation, "nothing waits that the program could be suspended for");
}

static void keep_output(struct conversation *conversation, const msgpack_object *value)
{
    msgpack_packer packer;

    msgpack_sbuffer_clear(&conversation->output);
    msgpack_packer_init(&packer, &conversation->output, msgpack_sbuffer_write);
    stepd_pack(conversation->ctx, &packer, value);
    answer_with(conversation, "", REPORT_DONE, false);
}

static void serve(struct conversation *conversation, const struct request *request)
{
    struct running *running = request->id != NULL ? find_running(conversation, request->id) : NULL;
    bool is_report = request->kind == REQUEST_RESULT || request->kind == REQUEST_ERROR;

    if (is_report && running != NULL)
        report_running(conversation, running, request);
    else if (conversation->count > 0 && (is_report || conversation->running[0].is_single))
        break_off(conversation, "a step is running: its result or its error has to come first");
    else if (is_report)
        break_off(conversation, "no step is running that this could be the outcome of: ask for it first");
    else if (request->kind == REQUEST_STEPS)
        ask_several(conversation, request);
    else if (request->kind == REQUEST_SUSPEND)
        ask_to_suspend(conversation);
    else if (request->kind == REQUEST_OUTPUT)
        keep_output(conversation, request->value);
    else
        ask_one(conversation, request);
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
    const char *fault = request_read(conversation->ctx, line, size, &request);
    if (fault != NULL)
        break_off(conversation, fault);
    else if (is_worth_serving(conversation, &request))
        serve(conversation, &request);
}

/* ---- from stay to stay ------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pass(int64_t *left_ms, int64_t passed_ms)
{
    if (*left_ms != INT64_MAX)
        *left_ms = *left_ms > passed_ms ? *left_ms - passed_ms : 0;
}

/* Its time goes by while the run is away: what stepd takes is not its own. */
static void pass_time(struct conversation *conversation)
{
    int64_t passed_ms = now_ms() - conversation->left_at_ms;

    if (conversation->count == 0)
        pass(&conversation->left_ms, passed_ms);
    for (size_t i = 0; i < conversation->count; i++)
        pass(&conversation->running[i].left_ms, passed_ms);
}

static enum stepd_status leave(struct conversation *conversation)
{
    int64_t left_ms = conversation->count == 0 ? conversation->left_ms : INT64_MAX;

    for (size_t i = 0; i < conversation->count; i++) {
        if (conversation->running[i].left_ms < left_ms)
            left_ms = conversation->running[i].left_ms;
    }
    program_allow(conversation->program, left_ms);
    conversation->left_at_ms = now_ms();
    return stepd_reports_leave(conversation->ctx, conversation->reports, &conversation->hosted->errand);
}

struct conversation *conversation_create(struct stepd_ctx *ctx, const struct exec_options *options, struct hosted *hosted)
{
    struct conversation *conversation = calloc(1, sizeof(*conversation));

    if (conversation == NULL)
        abort();
    conversation->options = options;
    conversation->hosted = hosted;
    conversation->program = hosted->program;
    conversation->reports = stepd_reports_create(ctx);
    conversation->timeout_ms = conversation->left_ms = hosted->timeout_ms;
    conversation->left_at_ms = hosted->begun_at_ms;
    msgpack_sbuffer_init(&conversation->output);
    return conversation;
}

void conversation_destroy(struct conversation *conversation)
{
    stepd_reports_destroy(conversation->reports);
    msgpack_sbuffer_destroy(&conversation->output);
    free(conversation->running);
    free(conversation);
}

enum stepd_status conversation_go_on(struct stepd_ctx *ctx, struct conversation *conversation)
{
    const char *line;
    size_t size;

    conversation->ctx = ctx;
    pass_time(conversation);
    while (!conversation->is_over) {
        enum program_news news = program_look(conversation->program, &line, &size);
        if (news == PROGRAM_QUIET)
            return leave(conversation);
        if (news == PROGRAM_SAID)
            hear(conversation, line, size);
        else if (news == PROGRAM_TOO_LONG)
            break_off(conversation, "a line is too long, or they are too many");
        else
            return outcome_settle(conversation, news);
    }
    return conversation->status;
}
