/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/gateway.h"

#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/json.h"
#include "codec/packed.h"
#include "sdk/object.h"
#include "sdk/settle.h"

#define TIMEOUT_MS (INT64_C(2) * 3600000) /* of a function that has none of its own */

/* ---- what is asked --------------------------------------------------------------------------------- */

/* Owned by the errand, until it is sent. */
static struct gateway *gateway_create(struct sdk_errand *errand, const char *name, const msgpack_object *options)
{
    struct gateway *gateway = xcalloc(1, sizeof(*gateway));

    memcpy(gateway->name, name, strnlen(name, sizeof(gateway->name) - 1));
    gateway->url = object_find_text(options, "url");
    gateway->method = object_find_text(options, "method");
    msgpack_sbuffer_init(&gateway->body);
    gateway->next = errand->gateways;
    errand->gateways = gateway;
    return gateway;
}

static void add_header(struct gateway *gateway, const char *name, const char *value)
{
    /* With a semicolon curl sends a header that is empty. */
    AUTO_FREE char *line = value[0] != '\0' ? xasprintf("%s: %s", name, value) : xasprintf("%s;", name);

    if (strpbrk(line, "\r\n") != NULL)
        return;
    gateway->headers = curl_slist_append(gateway->headers, line);
    if (gateway->headers == NULL)
        abort();
}

static void add_headers(struct gateway *gateway, const msgpack_object *headers)
{
    for (uint32_t i = 0; headers != NULL && headers->type == MSGPACK_OBJECT_MAP && i < headers->via.map.size; i++) {
        AUTO_FREE char *name = object_text(&headers->via.map.ptr[i].key);
        AUTO_FREE char *value = object_text(&headers->via.map.ptr[i].val);
        if (name != NULL && value != NULL && name[0] != '\0')
            add_header(gateway, name, value);
    }
    gateway->headers = curl_slist_append(gateway->headers, "Expect:");
}

static void add_body(struct gateway *gateway, const msgpack_object *body)
{
    if (!object_is_given(body))
        return;
    if (body->type == MSGPACK_OBJECT_STR)
        msgpack_sbuffer_write(&gateway->body, body->via.str.ptr, body->via.str.size);
    else
        json_write(&gateway->body, body);
}

/* As each provider wants its key. False: nobody here knows how. */
static bool add_key(struct gateway *gateway, const msgpack_object *options)
{
    AUTO_FREE char *format = object_find_text(options, "format");
    AUTO_FREE char *key = object_find_text(options, "auth_key");
    AUTO_FREE char *bearer = xasprintf("Bearer %s", key != NULL ? key : "");
    const char *given = format != NULL ? format : "";

    if (strcmp(given, "anthropic") == 0) {
        add_header(gateway, "x-api-key", key != NULL ? key : "");
        return true;
    }
    if (strncmp(given, "openai", 6) != 0)
        return false;
    if (key != NULL && key[0] != '\0')
        add_header(gateway, "Authorization", bearer);
    return true;
}

static struct gateway **find(struct sdk_errand *errand, const char *name)
{
    struct gateway **link = &errand->gateways;

    while (*link != NULL && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    return link;
}

static bool is_web(const char *url)
{
    return url != NULL && (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0);
}

enum stepd_status gateway_take(struct sdk_attempt *turn, const struct op *op)
{
    struct branch *branch = branches_add(&turn->errand->branches, op->name);

    if (*find(turn->errand, op->name) != NULL || branch->is_called)
        return STEPD_OK;
    struct gateway *gateway = gateway_create(turn->errand, op->name, op->options);
    branch->is_outside = true;
    if (!is_web(gateway->url))
        return stepd_non_retriable(turn->ctx, "InvalidURL", "step '%s' asks for what is no URL of HTTP", op->name);
    add_headers(gateway, packed_find(op->options, "headers"));
    add_body(gateway, packed_find(op->options, "body"));
    gateway->is_of_model = op->kind == OP_MODEL;
    if (!gateway->is_of_model)
        return STEPD_OK;
    add_header(gateway, "Content-Type", "application/json");
    if (add_key(gateway, op->options))
        return STEPD_OK;
    AUTO_FREE char *format = object_find_text(op->options, "format");
    return stepd_non_retriable(turn->ctx, "UnsupportedStep", "step '%s' asks a model in the format '%s', which stepd does not have",
                               op->name, format != NULL ? format : "");
}

bool gateway_send(struct sdk_attempt *turn, struct branch *branch)
{
    const struct function *function = &turn->function->base;
    struct gateway **link = find(turn->errand, branch->name), *gateway = *link;

    if (gateway == NULL)
        return false;
    struct sdk_call *call = sdk_call_create(turn->errand, branch->name);
    assert(branch->is_outside && !branch->is_called);
    call->is_outside = true;
    call->is_of_model = gateway->is_of_model;
    call->call->url = xstrdup(gateway->url);
    call->call->method = xstrdup(gateway->method != NULL && gateway->method[0] != '\0' ? gateway->method
                                 : gateway->is_of_model                                ? "POST"
                                                                                       : "GET");
    call->call->timeout_ms = function->timeout_ms > 0 ? function->timeout_ms : TIMEOUT_MS;
    call->call->headers = gateway->headers;
    gateway->headers = NULL;
    call->call->body = gateway->body;
    msgpack_sbuffer_init(&gateway->body);
    *link = gateway->next;
    gateway_destroy(gateway);
    branch->is_called = true;
    sdk_errand_send(turn->errand, call);
    return true;
}

/* ---- what it came to ------------------------------------------------------------------------------- */

static void add(msgpack_sbuffer *text, const char *what)
{
    msgpack_sbuffer_write(text, what, strlen(what));
}

static void add_string(msgpack_sbuffer *text, const char *what)
{
    json_write_string(text, (struct bytes){ what, strlen(what) });
}

/* "content-type" is told as "Content-Type". */
static char *canonical(const char *name)
{
    char *text = xstrdup(name);
    bool is_first = true;

    for (char *at = text; *at != '\0'; at++) {
        *at = (char)(is_first ? toupper((unsigned char)*at) : tolower((unsigned char)*at));
        is_first = *at == '-';
    }
    return text;
}

static const char *value_of(const char *name)
{
    return name + strlen(name) + 1;
}

static const char *next_of(const char *name)
{
    const char *value = value_of(name);

    return value + strlen(value) + 1;
}

static bool stood_before(const msgpack_sbuffer *told, const char *name)
{
    for (const char *other = told->data; other < name; other = next_of(other)) {
        if (strcasecmp(other, name) == 0)
            return true;
    }
    return false;
}

/* All values of one name, with commas between them. */
static void add_values(msgpack_sbuffer *text, const msgpack_sbuffer *told, const char *name)
{
    AUTO_FREE char *values = xstrdup(value_of(name));

    for (const char *other = next_of(name); other < told->data + told->size; other = next_of(other)) {
        if (strcasecmp(other, name) != 0)
            continue;
        char *longer = xasprintf("%s,%s", values, value_of(other));
        free(values);
        values = longer;
    }
    add_string(text, values);
}

static void add_told(msgpack_sbuffer *text, const msgpack_sbuffer *told)
{
    bool is_first = true;

    for (const char *name = told->data; name != NULL && name < told->data + told->size; name = next_of(name)) {
        if (stood_before(told, name))
            continue;
        AUTO_FREE char *canon = canonical(name);
        add(text, is_first ? "" : ",");
        add_string(text, canon);
        add(text, ":");
        add_values(text, told, name);
        is_first = false;
    }
}

/* {status_code, headers, body, url}; as long as the attempt lasts. */
static const msgpack_object *response_of(struct stepd_ctx *ctx, const struct call *call)
{
    AUTO_FREE char *status = xasprintf(",\"status_code\":%d,\"url\":", call->status);
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    add(&text, "{\"body\":");
    json_write_string(&text, (struct bytes){ call->reply.data, call->reply.size });
    add(&text, ",\"headers\":{");
    add_told(&text, &call->told);
    add(&text, "}");
    add(&text, status);
    add_string(&text, call->url);
    add(&text, "}");
    const msgpack_object *response = stepd_from_json(ctx, text.data, text.size);
    msgpack_sbuffer_destroy(&text);
    return response;
}

static void fail(struct stepd_ctx *ctx, struct op *op, const char *name, const char *what, const char *why)
{
    AUTO_FREE char *message = xasprintf("%s: %s", what, why);

    op->kind = OP_ERROR;
    op->error.name = name;
    op->error.message = context_strdup(ctx, message, strlen(message));
}

static void read_fetched(struct stepd_ctx *ctx, const struct call *call, struct op *op)
{
    if (call->status == 0)
        fail(ctx, op, "GatewayError", "Error making gateway request", call->error.text);
    else if ((op->data = response_of(ctx, call)) == NULL)
        fail(ctx, op, "GatewayError", "Error making gateway request", "the response is not kept: it is too large");
}

static void read_model(struct stepd_ctx *ctx, const struct call *call, struct op *op)
{
    AUTO_FREE char *status = xasprintf("unsuccessful status code: %d", call->status);

    op->data = call->status != 0 ? stepd_from_json(ctx, call->reply.data, call->reply.size) : NULL;
    if (call->status == 0)
        fail(ctx, op, "AIGatewayError", "Error making AI request", call->error.text);
    else if (call->status >= 400)
        fail(ctx, op, "AIGatewayError", "Error making AI request", status);
    else if (op->data == NULL)
        fail(ctx, op, "AIGatewayError", "Error making AI request", "the response is no JSON");
    if (op->kind == OP_ERROR)
        op->error.data = op->data;
}

enum stepd_status gateway_settle(struct sdk_attempt *turn, const struct sdk_call *call)
{
    struct op op = { .kind = OP_RESULT };

    assert(call->is_outside);
    memcpy(op.name, call->name, sizeof(op.name));
    turn->advice = (struct retry_advice){ .is_retriable = true };
    if (call->is_of_model)
        read_model(turn->ctx, call->call, &op);
    else
        read_fetched(turn->ctx, call->call, &op);
    return settle_beside(turn, &op);
}
