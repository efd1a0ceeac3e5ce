/* SPDX-License-Identifier: Apache-2.0 */
/*
 * welcome-notification: tells a web service of each new user.
 *
 * Shows: what an HTTP answer means for a retry, a service that says when to come back, a connection
 * that is kept open for each worker thread, and on_failure.
 */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <stepd/stepd.h>

#define KEY_HEADER_SIZE 96

struct options {
    const char *url;
    int64_t timeout_ms;
};

/* A worker thread's own: curl keeps the connection open between requests. */
struct client {
    CURL *curl;
};

static int init(const void *options, void **ret_shared)
{
    *ret_shared = (void *)(uintptr_t)options;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

static void at_exit(void *shared)
{
    (void)shared;
    curl_global_cleanup();
}

static int thread_init(void *shared, void **ret_local)
{
    struct client *client = calloc(1, sizeof(*client));

    (void)shared;
    if (client == NULL)
        return -ENOMEM;
    client->curl = curl_easy_init();
    *ret_local = client;
    return client->curl != NULL ? 0 : -ENOMEM;
}

static void thread_exit(void *shared, void *local)
{
    struct client *client = local;

    (void)shared;
    curl_easy_cleanup(client->curl);
    free(client);
}

/* ---- the request ------------------------------------------------------------------------------ */

static size_t drop_body(char *body, size_t size, size_t count, void *unused)
{
    (void)body;
    (void)unused;
    return size * count;
}

static CURLcode post(struct stepd_ctx *ctx, CURL *curl, const char *json, long *ret_code)
{
    const struct options *options = stepd_shared(ctx);
    char idempotency_key[KEY_HEADER_SIZE];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

    /* The run's id is the same in each attempt: the service can tell a repeat. */
    (void)snprintf(idempotency_key, sizeof(idempotency_key), "Idempotency-Key: %s", stepd_run_id(ctx));
    headers = curl_slist_append(headers, idempotency_key);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, options->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* many threads: no alarm() */
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_body);
    CURLcode status = curl_easy_perform(curl);
    if (status == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_code);
    curl_slist_free_all(headers);
    return status;
}

/* The value of a header of the last answer, NULL: it had none. */
static const char *answer_header(CURL *curl, const char *name)
{
    struct curl_header *header;

    return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

/* ---- the function ----------------------------------------------------------------------------- */

static enum stepd_status welcome(struct stepd_ctx *ctx)
{
    const struct client *client = stepd_local(ctx);
    const msgpack_object *data = stepd_event(ctx)->data;
    long code = 0;
    json_t *user =
        json_pack("{s:s, s:s}", "user_id", stepd_get_str(ctx, data, "user_id", ""), "email", stepd_get_str(ctx, data, "email", ""));
    char *json = json_dumps(user, JSON_COMPACT);
    json_decref(user);
    if (json == NULL)
        return stepd_non_retriable(ctx, "BadUser", "user_id and email are no texts in UTF-8");
    CURLcode status = post(ctx, client->curl, json, &code);
    free(json);
    if (status != CURLE_OK) /* nobody there, or too slow: the schedule says when to try again */
        return stepd_error(ctx, "Unreachable", "%s", curl_easy_strerror(status));
    if (code == 429 || code == 503) /* it said when, in seconds or as a date; if not, the schedule does */
        return stepd_retry_after_http(ctx, answer_header(client->curl, "Retry-After"), "Busy", "HTTP status %ld", code);
    if (code >= 400 && code < 500) /* it will not like the same request better */
        return stepd_non_retriable(ctx, "Refused", "HTTP status %ld", code);
    if (code < 200 || code > 299)
        return stepd_error(ctx, "ServerError", "HTTP status %ld", code);
    return STEPD_OK;
}

static enum stepd_status say_that_it_failed(struct stepd_ctx *ctx)
{
    stepd_log(ctx, STEPD_LOG_WARN, "user %s was not welcomed: %s", stepd_get_str(ctx, stepd_event(ctx)->data, "user_id", "?"),
              stepd_last_error(ctx)->message);
    return STEPD_OK;
}

STEPD_MODULE(.name = "welcome-notification", .init = init, .exit = at_exit, .thread_init = thread_init, .thread_exit = thread_exit,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "url", .type = STEPD_STRING, .offset = offsetof(struct options, url),
                                                   .default_text = "http://127.0.0.1:8090/welcome",
                                                   .help = "where notifications are posted to"),
                                      STEPD_OPTION(.name = "timeout", .type = STEPD_DURATION,
                                                   .offset = offsetof(struct options, timeout_ms), .default_text = "10s",
                                                   .help = "of one request")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "welcome-notification", .event = "app/user.created", .run = welcome,
                                                         .on_failure = say_that_it_failed)));
