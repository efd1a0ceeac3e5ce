/* SPDX-License-Identifier: Apache-2.0 */
/* What the end of a program makes of its attempt. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/text.h"
#include "conversation_internal.h"

#define WORDS_SIZE 700

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

/* ---- the outcome ------------------------------------------------------------------------------ */

static enum stepd_status finish(struct conversation *conversation)
{
    struct stepd_ctx *ctx = conversation->ctx;
    msgpack_packer *packer = stepd_output(ctx);
    const char *output;
    size_t size;
    bool is_whole = program_output(conversation->program, &output, &size);

    if (conversation->output.size > 0) {
        (void)packer->callback(packer->data, conversation->output.data, conversation->output.size);
        return STEPD_OK;
    }
    while (size > 0 && output[size - 1] == '\n')
        size--;
    if (is_whole) {
        text_pack_json(ctx, packer, output, size);
        return STEPD_OK;
    }
    stepd_log(ctx, STEPD_LOG_WARN,
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

    return conversation->failed[0] != '\0' && status > 0 && status != EX_TEMPFAIL;
}

static enum stepd_status died(struct conversation *conversation, enum program_news news)
{
    if (news != PROGRAM_ENDED)
        return give_up(conversation, news);
    if (program_exit_status(conversation->program) == 0)
        return stepd_error(conversation->ctx, "StepUnfinished", "the program ended before it reported the step");
    return fail(conversation);
}

struct death {
    struct conversation *conversation;
    enum program_news news;
};

static enum stepd_status step_died(struct stepd_ctx *ctx, const void *arg)
{
    const struct death *death = arg;

    (void)ctx;
    return died(death->conversation, death->news);
}

/* Each step that ran has failed with it. One that fails for good is the run's error: nobody is there to handle it. */
static enum stepd_status settle_running(struct conversation *conversation, enum program_news news)
{
    const struct death death = { conversation, news };
    struct stepd_ctx *ctx = conversation->ctx;
    struct reports *reports = conversation->reports;
    const char *failed = NULL;

    for (size_t i = 0; i < conversation->count; i++) {
        const struct running *step = &conversation->running[i];
        const struct step_report report = running_report(step, step_died, &death);
        enum report_answer answer = stepd_report_step(ctx, reports, &report);
        if (answer == REPORT_PARKED || answer == REPORT_OVER)
            return stepd_reports_status(reports);
        if (answer == REPORT_FAILED && failed == NULL)
            failed = step->name;
    }
    stepd_reports_keep(ctx, reports);
    if (failed != NULL && stepd_report_raise(ctx, failed))
        return STEPD_FAILED;
    (void)stepd_reports_suspend(ctx, reports);
    return stepd_reports_status(reports);
}

/* It ended of its own, and so not of one of the steps that run beside each other: what it did not wait for lost a race, or
 * is asked for again. */
static bool is_dropping(const struct conversation *conversation, enum program_news news)
{
    return news == PROGRAM_ENDED && program_exit_status(conversation->program) >= 0 && conversation->running[0].is_beside;
}

enum stepd_status outcome_settle(struct conversation *conversation, enum program_news news)
{
    struct stepd_ctx *ctx = conversation->ctx;

    if (conversation->fault != NULL)
        return stepd_non_retriable(ctx, "ProtocolError", "%s", conversation->fault);
    if (conversation->count > 0 && !is_dropping(conversation, news))
        return settle_running(conversation, news);
    stepd_reports_keep(ctx, conversation->reports);
    if (news != PROGRAM_ENDED)
        return give_up(conversation, news);
    if (is_step_error_returned(conversation) && stepd_report_raise(ctx, conversation->failed))
        return STEPD_FAILED;
    return program_exit_status(conversation->program) == 0 ? finish(conversation) : fail(conversation);
}
