/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http: makes functions of a config's entries that hand their events to a server. What it answers
 * says whether the run is done, retried, or failed.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <stepd/stepd.h>

#include "common/payload.h"
#include "common/text.h"
#include "exchange.h"
#include "run/ask.h"
#include "signature.h"
#include "statuses.h"

#define DEFAULT_TIMEOUT_MS 30000
#define RESERVE_MOST_MS 200 /* of the attempt's time, kept back to say that the server was too slow */
#define HEADER_SIZE 512

struct options {
    const char *url, *method, *body, *secret;
    const char *const *headers;
    const char *const *pass_headers; /* names of the message's, with * as in a shell */
    const char *const *done_on, *const *retry_on, *const *retry_after_on;
    int64_t connect_timeout_ms;
    int64_t response_most;
    const char *ca_file, *certificate, *private_key;
    bool verifies;
};

/* ---- the module ------------------------------------------------------------------------------- */

static int init(const void *options, void **ret_shared)
{
    (void)options;
    *ret_shared = NULL;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

static void at_exit(void *shared)
{
    (void)shared;
    curl_global_cleanup();
}

/* ---- options ---------------------------------------------------------------------------------- */

static bool url_is_valid(const char *text)
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    bool is_valid = url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                    (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

    curl_free(scheme);
    curl_url_cleanup(url);
    return is_valid;
}

/* RFC 9110's token: what names of headers and methods are made of. */
static bool is_token(const char *text)
{
    size_t size = strspn(text, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    return size > 0 && text[size] == '\0';
}

/* Servers tell `put` from `PUT`; HEAD has no body, and its answer none either. */
static bool is_method(const char *text)
{
    return is_token(text) && strpbrk(text, "abcdefghijklmnopqrstuvwxyz") == NULL && strcmp(text, "HEAD") != 0;
}

/* Says where the body ends: another value would have its rest taken for the next request. */
static bool is_framing(const char *name)
{
    return strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0;
}

static const char *headers_find_wrong(const char *const *headers)
{
    for (; *headers != NULL; headers += 2) {
        if (!is_token(headers[0]) || is_framing(headers[0]) || strpbrk(headers[1], "\r\n") != NULL)
            return headers[0];
    }
    return NULL;
}

static int check_statuses(const char *name, const char *const *patterns, char *ret_why, size_t why_size)
{
    const char *wrong = statuses_find_wrong(patterns);

    if (wrong == NULL)
        return 0;
    return text_refuse(ret_why, why_size, "'%s' lists HTTP statuses, as in [2xx, 408], not '%s'", name, wrong);
}

/* What is told of the secret is that it is wrong, never what it is. */
static int check(const void *filled, char *ret_why, size_t why_size)
{
    const struct options *options = filled;
    const char *wrong_header = headers_find_wrong(options->headers);
    enum payload_form form;

    if (!url_is_valid(options->url))
        return text_refuse(ret_why, why_size, "'url' must be an http:// or https:// URL");
    if (!is_method(options->method))
        return text_refuse(ret_why, why_size, "'method' must be an HTTP method in capitals, such as PUT, that hands a body on; not '%s'",
                           options->method);
    if (!payload_form_parse(options->body, &form))
        return text_refuse(ret_why, why_size, "'body' must be cloudevent, event, data or raw, not '%s'", options->body);
    if (wrong_header != NULL)
        return text_refuse(ret_why, why_size, "'headers' has '%s', whose name or value can't stand in a request", wrong_header);
    for (const char *const *at = options->pass_headers; *at != NULL; at++)
        if ((*at)[0] == '\0')
            return text_refuse(ret_why, why_size, "'pass_headers' has an empty entry, which fits nothing");
    if (options->secret[0] != '\0' && !signature_secrets_are_valid(options->secret))
        return text_refuse(ret_why, why_size, "'secret' must be whsec_ and the base64 of 24 to 64 bytes");
    if (check_statuses("done_on", options->done_on, ret_why, why_size) != 0 ||
        check_statuses("retry_on", options->retry_on, ret_why, why_size) != 0)
        return -EINVAL;
    return check_statuses("retry_after_on", options->retry_after_on, ret_why, why_size);
}

/* ---- headers ---------------------------------------------------------------------------------- */

static bool is_given(const struct options *options, const char *name)
{
    for (const char *const *at = options->headers; *at != NULL; at += 2) {
        if (strcasecmp(at[0], name) == 0)
            return true;
    }
    return false;
}

/* curl takes a header without a value as "name;". */
static bool header_add(struct curl_slist **list, const char *name, const char *value)
{
    size_t size = strlen(name) + strlen(value) + sizeof(": ");
    char *line = malloc(size);

    if (line == NULL)
        return false;
    (void)snprintf(line, size, value[0] != '\0' ? "%s: %s" : "%s;", name, value);
    struct curl_slist *longer = curl_slist_append(*list, line);
    free(line);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

/* One of ours, where the config has none of that name. */
static bool own_header_add(struct stepd_ctx *ctx, struct curl_slist **list, const char *name, const char *value)
{
    return value == NULL || is_given(stepd_options(ctx), name) || header_add(list, name, value);
}

static bool given_headers_add(const struct options *options, struct curl_slist **list)
{
    for (const char *const *at = options->headers; *at != NULL; at += 2) {
        if (!header_add(list, at[0], at[1]))
            return false;
    }
    return true;
}

/* What the request says of itself, or the connection; a message's header is neither. */
static bool is_the_requests(const char *name)
{
    static const char *const NAMES[] = { "content-type",
                                         "content-length",
                                         "content-encoding",
                                         "transfer-encoding",
                                         "host",
                                         "connection",
                                         "keep-alive",
                                         "te",
                                         "trailer",
                                         "upgrade",
                                         "expect",
                                         "user-agent",
                                         "traceparent",
                                         "stepd-attempt",
                                         "webhook-id",
                                         "webhook-timestamp",
                                         "webhook-signature" };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcasecmp(NAMES[i], name) == 0)
            return true;
    }
    return false;
}

static bool is_passed(const struct options *options, const char *name)
{
    for (const char *const *at = options->pass_headers; *at != NULL; at++) {
        if (fnmatch(*at, name, FNM_CASEFOLD) == 0)
            return !is_the_requests(name) && !is_given(options, name);
    }
    return false;
}

/* HTTP has no way to write the others. */
static bool can_be_sent(const struct stepd_header *header)
{
    static const char LETTERS[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *value = header->value;

    return header->name[0] != '\0' && header->name[strspn(header->name, LETTERS)] == '\0' && value != NULL &&
           text_is_plain(value, header->size) && memchr(value, '\n', header->size) == NULL && memchr(value, '\r', header->size) == NULL;
}

/* Of headers with one name the last counts. */
static bool is_repeated(const struct stepd_event *event, size_t index)
{
    for (size_t i = index + 1; i < event->header_count; i++) {
        if (strcasecmp(event->headers[i].name, event->headers[index].name) == 0)
            return true;
    }
    return false;
}

static bool passed_header_add(struct curl_slist **list, const struct stepd_header *header)
{
    char *value = strndup(header->value, header->size);
    bool is_added = value != NULL && header_add(list, header->name, value);

    free(value);
    return is_added;
}

static bool passed_headers_add(struct stepd_ctx *ctx, struct curl_slist **list)
{
    const struct stepd_event *event = stepd_event(ctx);

    for (size_t i = 0; i < event->header_count; i++) {
        const struct stepd_header *header = &event->headers[i];
        if (!is_passed(stepd_options(ctx), header->name) || is_repeated(event, i))
            continue;
        if (!can_be_sent(header))
            stepd_log(ctx, STEPD_LOG_INFO, "HTTP can't send the message's header '%s': the request goes without it", header->name);
        else if (!passed_header_add(list, header))
            return false;
    }
    return true;
}

static bool webhook_headers_add(struct stepd_ctx *ctx, struct curl_slist **list, const struct payload *payload)
{
    const struct options *options = stepd_options(ctx);
    int64_t unix_s = (int64_t)time(NULL);
    char timestamp[32];
    char *signature = NULL;

    (void)snprintf(timestamp, sizeof(timestamp), "%" PRId64, unix_s);
    if (options->secret[0] != '\0') {
        signature = signature_make(options->secret, stepd_run_id(ctx), unix_s, payload->bytes, payload->size);
        if (signature == NULL)
            return false;
    }
    bool is_done = header_add(list, "webhook-id", stepd_run_id(ctx)) && header_add(list, "webhook-timestamp", timestamp) &&
                   (signature == NULL || header_add(list, "webhook-signature", signature));
    free(signature);
    return is_done;
}

/* All headers of a request; curl_slist_free_all() them. NULL: out of memory. */
static struct curl_slist *headers_make(struct stepd_ctx *ctx, const struct payload *payload)
{
    struct curl_slist *list = NULL;
    char attempt[16];

    (void)snprintf(attempt, sizeof(attempt), "%d", stepd_attempt(ctx));
    if (own_header_add(ctx, &list, "content-type", payload->content_type) && own_header_add(ctx, &list, "user-agent", "stepd") &&
        own_header_add(ctx, &list, "stepd-attempt", attempt) && own_header_add(ctx, &list, "traceparent", stepd_event(ctx)->traceparent) &&
        webhook_headers_add(ctx, &list, payload) && given_headers_add(stepd_options(ctx), &list) && passed_headers_add(ctx, &list) &&
        curl_slist_append(list, "Expect:") != NULL) /* large bodies go without asking first */
        return list;
    curl_slist_free_all(list);
    return NULL;
}

/* ---- what an answer means --------------------------------------------------------------------- */

static enum stepd_status finish(struct stepd_ctx *ctx, const struct options *options, const struct answer *answer)
{
    msgpack_packer *output = stepd_output(ctx);

    (void)msgpack_pack_map(output, 2);
    (void)msgpack_pack_str_with_body(output, "status", strlen("status"));
    (void)msgpack_pack_int64(output, answer->status);
    (void)msgpack_pack_str_with_body(output, "body", strlen("body"));
    if (answer->is_cut) {
        stepd_log(ctx, STEPD_LOG_WARN,
                  "the server answered with more than max_response (%" PRId64 " bytes): the run's output has the text of its beginning",
                  options->response_most);
        text_pack_cut(output, answer->body, answer->body_size);
    } else if (answer->is_json) {
        text_pack_json(ctx, output, answer->body, answer->body_size);
    } else {
        text_pack(output, answer->body, answer->body_size);
    }
    return STEPD_OK;
}

static enum stepd_status fail(struct stepd_ctx *ctx, const struct options *options, const struct answer *answer)
{
    char name[32], said[800];

    (void)snprintf(name, sizeof(name), "Http%ld", answer->status);
    text_to_line(answer->body, answer->body_size, said, sizeof(said));
    const char *text = said[0] != '\0' ? said : "no body";
    if (!statuses_contain(options->retry_on, answer->status))
        return stepd_non_retriable(ctx, name, "%s", text);
    if (statuses_contain(options->retry_after_on, answer->status))
        return stepd_retry_after_http(ctx, answer->retry_after, name, "%s", text);
    return stepd_error(ctx, name, "%s", text);
}

static enum stepd_status judge(struct stepd_ctx *ctx, const struct answer *answer)
{
    const struct options *options = stepd_options(ctx);

    switch (answer->end) {
    case ANSWER_TIMED_OUT:
        return stepd_error(ctx, "HandlerTimeout", "%s", answer->problem);
    case ANSWER_NONE:
        return stepd_error(ctx, "Unreachable", "%s", answer->problem);
    case ANSWER_WHOLE:
        break;
    }
    return statuses_contain(options->done_on, answer->status) ? finish(ctx, options, answer) : fail(ctx, options, answer);
}

/* ---- the function ----------------------------------------------------------------------------- */

/* 0: no limit. Less than the attempt has, as the limit of a function that waits on its thread has to be. */
static int64_t timeout_of(struct stepd_ctx *ctx)
{
    int64_t left_ms = stepd_time_left_ms(ctx);

    if (left_ms == INT64_MAX)
        return 0;
    int64_t reserve_ms = left_ms / 10 < RESERVE_MOST_MS ? left_ms / 10 : RESERVE_MOST_MS;
    return left_ms - reserve_ms > 0 ? left_ms - reserve_ms : 1;
}

/* With a body of its own: what the payload points to ends with this stay of the run. NULL: out of memory. */
static struct exchange *exchange_make(struct stepd_ctx *ctx, const struct payload *payload)
{
    const struct options *options = stepd_options(ctx);
    struct request request = {
        .method = options->method,
        .url = options->url,
        .headers = headers_make(ctx, payload),
        .body = malloc(payload->size + 1),
        .body_size = payload->size,
        .timeout_ms = timeout_of(ctx),
        .connect_timeout_ms = options->connect_timeout_ms,
        .response_most = (size_t)options->response_most,
        .ca_file = options->ca_file,
        .certificate = options->certificate,
        .private_key = options->private_key,
        .skips_verification = !options->verifies,
    };
    struct exchange *exchange = request.headers != NULL && request.body != NULL ? exchange_create(&request) : NULL;

    if (exchange == NULL) {
        curl_slist_free_all(request.headers);
        free(request.body);
        return NULL;
    }
    memcpy(request.body, payload->bytes, payload->size);
    return exchange;
}

static void asked_prepare(void *asked, void *curl)
{
    exchange_prepare(asked, curl);
}

static void asked_finish(void *asked, void *curl, int code)
{
    exchange_finish(asked, curl, (CURLcode)code);
}

static void asked_destroy(void *asked)
{
    exchange_destroy(asked);
}

static const struct asked_ops ASKED_OPS = { asked_prepare, asked_finish, asked_destroy };

static enum stepd_status ask(struct stepd_ctx *ctx)
{
    const struct options *options = stepd_options(ctx);
    enum payload_form form = PAYLOAD_CLOUDEVENT;

    (void)payload_form_parse(options->body, &form);
    const struct payload payload = payload_make(ctx, form);
    struct exchange *exchange = exchange_make(ctx, &payload);
    if (exchange == NULL)
        return stepd_error(ctx, "OutOfMemory", "no memory for the request");
    return stepd_ask(ctx, options->url, &ASKED_OPS, exchange);
}

/* Entered to ask, and again once there is an answer, or somebody wants the run back. */
static enum stepd_status hand_on(struct stepd_ctx *ctx)
{
    struct exchange *answered = stepd_ask_answered(ctx);

    if (answered != NULL)
        return judge(ctx, exchange_answer(answered));
    return stepd_ask_is_open(ctx) ? stepd_ask(ctx, NULL, NULL, NULL) : ask(ctx);
}

#define OPTION(text, kind, field, ...) STEPD_OPTION(.name = (text), .type = (kind), .offset = offsetof(struct options, field), __VA_ARGS__)

STEPD_MODULE(
        .name = "http", .init = init, .exit = at_exit,
        .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(
                .id = "http", .template = true, .run = hand_on, .timeout_ms = DEFAULT_TIMEOUT_MS, .check = check,
                .options = STEPD_OPTIONS(
                    OPTION("url", STEPD_STRING, url, .help = "where events are sent to"),
                    OPTION("method", STEPD_STRING, method, .default_text = "POST", .help = "of the request"),
                    OPTION("body", STEPD_STRING, body, .default_text = "cloudevent",
                           .help = "cloudevent, event, data, or raw: the message's bytes"),
                    OPTION("headers", STEPD_STRING_MAP, headers, .default_text = "{}", .help = "more headers of the request"),
                    OPTION("pass_headers", STEPD_STRING_LIST, pass_headers, .default_text = "[]",
                           .help = "headers of the message that the request has too; * as in a shell"),
                    OPTION("secret", STEPD_STRING, secret, .default_text = "",
                           .help = "whsec_…: signs requests as Standard Webhooks has it"),
                    OPTION("done_on", STEPD_STRING_LIST, done_on, .default_text = "[2xx]", .help = "statuses of success"),
                    OPTION("retry_on", STEPD_STRING_LIST, retry_on, .default_text = "[408, 429, 5xx]",
                           .help = "statuses that are worth another attempt; any other fails the run now"),
                    OPTION("retry_after_on", STEPD_STRING_LIST, retry_after_on, .default_text = "[429, 503]",
                           .help = "of those, the ones whose Retry-After is obeyed"),
                    OPTION("connect_timeout", STEPD_DURATION, connect_timeout_ms, .default_text = "10s", .help = "for reaching the server"),
                    OPTION("max_response", STEPD_SIZE, response_most, .default_text = "64KiB", .help = "of the answer's body that is kept"),
                    OPTION("ca_file", STEPD_PATH, ca_file, .default_text = "", .help = "certificates to trust, PEM; the system's else"),
                    OPTION("certificate", STEPD_PATH, certificate, .default_text = "", .help = "the client's certificate, PEM"),
                    OPTION("private_key", STEPD_PATH, private_key, .default_text = "", .help = "its key, PEM"),
                    OPTION("verify", STEPD_BOOL, verifies, .default_text = "true", .help = "false: any certificate will do")),
                .options_size = sizeof(struct options))));
