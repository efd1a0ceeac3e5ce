/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/state.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "sdk/answer.h"
#include "sdk/request.h"
#include "sdk/signature.h"

#define STEPS_PART "/actions"
#define EVENTS_PART "/batch"

struct asked {
    bool wants_steps;
    msgpack_sbuffer text;
};

static void take(void *context, const struct stepd_event *const *events, size_t count, const struct checkpoints *steps,
                 enum run_phase phase)
{
    struct asked *asked = context;

    if (asked->wants_steps)
        request_write_steps(steps, phase, clock_wall_ms(), &asked->text);
    else
        request_write_events(events, count, &asked->text);
}

/* False: the path asks for nothing there is. */
static bool read_path(const char *path, struct run_id *ret_id, bool *ret_wants_steps)
{
    const char *id = path + strlen(STATE_PATH);
    const char *part = strchr(id, '/');

    if (part == NULL || part - id != RUN_ID_LENGTH)
        return false;
    memcpy(ret_id->text, id, RUN_ID_LENGTH);
    ret_id->text[RUN_ID_LENGTH] = '\0';
    *ret_wants_steps = strcmp(part, STEPS_PART) == 0;
    return run_id_is_valid(ret_id->text) && (*ret_wants_steps || strcmp(part, EVENTS_PART) == 0);
}

void state_answer(void *context, const struct web_request *request, struct web_reply *reply)
{
    const struct inngest_settings *settings = context;
    struct asked asked = { 0 };
    struct run_id id;

    if (!signing_key_admits(settings->signing_key, request->header(request, "Authorization"))) {
        answer_error(reply, 401, "the signing key is not the configured one");
        return;
    }
    if (!read_path(request->path, &id, &asked.wants_steps)) {
        answer_error(reply, 404, "of a run there are /actions and /batch");
        return;
    }
    msgpack_sbuffer_init(&asked.text);
    int status = settings->runs.read(settings->runs.context, id.text, take, &asked);
    if (status != 0) {
        msgpack_sbuffer_destroy(&asked.text);
        answer_error(reply, status == -ENOENT ? 404 : 503, status == -ENOENT ? "there is no such run" : "the run can't be read now");
        return;
    }
    reply->size = asked.text.size;
    reply->body = msgpack_sbuffer_release(&asked.text);
}
