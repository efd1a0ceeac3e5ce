/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/checkpoint.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "sdk/answer.h"
#include "sdk/calls.h"
#include "sdk/open_calls.h"
#include "sdk/signature.h"

/* False: the path asks for nothing there is. */
static bool read_path(const char *path, struct run_id *ret_id)
{
    const char *id = path + strlen(CHECKPOINT_PATH);

    assert(strncmp(path, CHECKPOINT_PATH, strlen(CHECKPOINT_PATH)) == 0); /* its route */
    if (strnlen(id, RUN_ID_LENGTH) < RUN_ID_LENGTH || strcmp(id + RUN_ID_LENGTH, "/async") != 0)
        return false;
    memcpy(ret_id->text, id, RUN_ID_LENGTH);
    ret_id->text[RUN_ID_LENGTH] = '\0';
    return run_id_is_valid(ret_id->text);
}

/* An app that is told 409 stops that call; told any other error, it asks again a few times, and then tells
 * of the steps in its reply. */
static void answer_end(enum report_end end, struct web_reply *reply)
{
    if (end == REPORT_STALE)
        answer_error(reply, 409, "this call of the run is over: another has taken its place, or will");
    else if (end == REPORT_ELSEWHERE)
        answer_error(reply, 503, "this daemon does not hold that call");
}

void checkpoint_answer(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct calls_settings *calls = context;
    struct report *report = NULL;
    struct error error = { 0 };
    struct run_id run;

    if (!signing_key_admits(calls->signing_key, request->header(request, "Authorization"))) {
        answer_error(reply, 401, "the signing key is not the configured one");
        return;
    }
    if (!read_path(request->path, &run)) {
        answer_error(reply, 404, "steps are recorded at " CHECKPOINT_PATH "RUN/async");
        return;
    }
    if (report_create(request->body, &report, &error) != 0) {
        answer_error(reply, 400, error.text);
        return;
    }
    answer_end(open_calls_deliver(calls->open_calls, &run, report), reply);
    report_release(report);
}
