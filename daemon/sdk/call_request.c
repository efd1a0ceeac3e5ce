/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/call_request.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "run/trace.h"
#include "sdk/calls_settings.h"
#include "sdk/signature.h"
#include "sdk/step_name.h"

#define CALL_TIMEOUT_MS (INT64_C(2) * 3600000) /* of a function that has no timeout of its own */
#define WHOLE_FUNCTION "step"                  /* the step id that means: go on until something is found */
#define BODY_MAX ((size_t)4 << 20)             /* more than that the app asks for by itself */

static void add_header(struct call *call, const char *name, const char *value)
{
    AUTO_FREE char *line = xasprintf("%s: %s", name, value);

    call->headers = curl_slist_append(call->headers, line);
    if (call->headers == NULL)
        abort();
}

static void add_headers(struct stepd_ctx *ctx, struct call *call, const char *step_id, const struct request *request)
{
    char room[TRACE_PARENT_SIZE];
    const char *trace = trace_parent_text(ctx, room) ? room : stepd_event(ctx)->traceparent;
    AUTO_FREE char *version = xasprintf("%d", request->version > 0 ? request->version : -1);
    AUTO_FREE char *generation = xasprintf("%d", request->attempt + 1);

    add_header(call, "Content-Type", "application/json");
    add_header(call, "User-Agent", "stepd");
    add_header(call, "X-Inngest-Req-Version", version);
    add_header(call, "X-Inngest-Step-Id", step_id);
    add_header(call, "X-Run-Id", stepd_run_id(ctx));
    if (request->token != NULL) {
        add_header(call, "X-Request-Id", request->token);
        add_header(call, "X-Inngest-Generation-Id", generation);
    }
    if (trace != NULL)
        add_header(call, "Traceparent", trace);
    call->headers = curl_slist_append(call->headers, "Expect:"); /* no waiting for a go-ahead */
}

static void sign(struct call *call, const char *key)
{
    signature_canonicalize(&call->body);
    AUTO_FREE char *signature = signature_make(key, (struct bytes){ call->body.data, call->body.size }, time(NULL));
    add_header(call, "X-Inngest-Signature", signature);
}

/* What the store does not know of yet can't be asked for. */
static void write_body(struct stepd_ctx *ctx, const struct request *request, msgpack_sbuffer *body)
{
    struct request smaller = *request;

    request_write(ctx, request, body);
    if (body->size <= BODY_MAX || ctx->run->epoch == 0)
        return;
    smaller.leaves_state = true;
    msgpack_sbuffer_clear(body);
    request_write(ctx, &smaller, body);
}

/* What is only to be planned is told in the reply. */
static bool may_report(const struct sdk_function *function, const struct request *request)
{
    return !request->plans_alone && clock_monotonic_ns() >= atomic_load(function->silent_until_ns);
}

void call_request_send(struct stepd_ctx *ctx, const struct sdk_function *function, struct sdk_errand *errand, const char *name,
                       const struct request *request)
{
    const struct step_hash hash = step_name_hash(name);
    const char *step_id = name[0] != '\0' ? hash.text : WHOLE_FUNCTION;
    const char *key = function->settings->signing_key;
    struct sdk_call *sdk_call = sdk_call_create(errand, name);
    struct call *call = sdk_call->call;
    struct request told = *request;

    assert(function->url != NULL && !function->is_gone);
    call->url = xasprintf("%s%s", function->url, step_id);
    call->timeout_ms = function->base.timeout_ms > 0 ? function->base.timeout_ms : CALL_TIMEOUT_MS;
    sdk_call->attempt = request->attempt;
    if (may_report(function, request))
        told.token = sdk_call_open(sdk_call, &ctx->run->id);
    add_headers(ctx, call, step_id, &told);
    write_body(ctx, &told, &call->body);
    if (key != NULL)
        sign(call, key);
    sdk_errand_send(errand, sdk_call);
}

struct retry_advice call_request_advice(const struct sdk_call *call)
{
    const char *no_retry = call->call->values[CALL_NO_RETRY];
    bool is_final = no_retry != NULL && strcasecmp(no_retry, "true") == 0;

    return (struct retry_advice){ !is_final, call->call->values[CALL_RETRY_AFTER] };
}

void call_request_error(struct stepd_ctx *ctx, const struct sdk_function *function, const struct sdk_call *sdk_call,
                        struct op_error *ret_error)
{
    const struct call *call = sdk_call->call;

    if (call->status != 0) {
        op_error_read(ctx, call->status, stepd_from_json(ctx, call->reply.data, call->reply.size), ret_error);
        return;
    }
    AUTO_FREE char *message = xasprintf("%s: %s", function->url, call->error.text);
    ret_error->name = call->error.code == ETIMEDOUT ? "CallTimeout" : "CallFailed";
    ret_error->message = context_strdup(ctx, message, strlen(message));
}
