/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/call.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX ((size_t)64 << 20) /* a run's own limits are lower */
#define CONNECT_TIMEOUT_MS 10000L

static const char *const header_names[CALL_HEADERS] = { "X-Inngest-No-Retry", "Retry-After", "X-Inngest-Req-Version" };

static_assert(offsetof(struct call, base) == 0, "prepare(), finish() and done() are given the http call");

/* ---- on the http_pool's thread ---------------------------------------------------------------------- */

static size_t take_reply(char *data, size_t size, size_t count, void *context)
{
    struct call *call = context;

    if (call->reply.size + size * count > REPLY_MAX || msgpack_sbuffer_write(&call->reply, data, size * count) != 0)
        return 0;
    return size * count;
}

/* One that is not of an app: whatever it is asked for. */
static void prepare_any(const struct call *call, void *curl)
{
    bool is_usual = strcmp(call->method, call->body.size > 0 ? "POST" : "GET") == 0;

    if (strcmp(call->method, "HEAD") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else if (!is_usual) /* else a redirect may make another of it */
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
}

static void prepare(struct http_call *base, void *curl)
{
    struct call *call = (struct call *)base;

    assert(call->url != NULL);
    (void)curl_easy_setopt(curl, CURLOPT_URL, call->url);
    if (call->method == NULL || call->body.size > 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.data);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
    }
    if (call->method != NULL)
        prepare_any(call, curl);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_reply);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
}

static void read_headers(struct call *call, CURL *curl)
{
    struct curl_header *header = NULL;

    for (size_t i = 0; i < CALL_HEADERS; i++) {
        if (curl_easy_header(curl, header_names[i], 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
            call->values[i] = xstrdup(header->value);
    }
}

static void read_all_headers(struct call *call, CURL *curl)
{
    struct curl_header *header = NULL;

    while ((header = curl_easy_nextheader(curl, CURLH_HEADER, -1, header)) != NULL) {
        msgpack_sbuffer_write(&call->told, header->name, strlen(header->name) + 1);
        msgpack_sbuffer_write(&call->told, header->value, strlen(header->value) + 1);
    }
}

static void finish(struct http_call *base, void *curl, int code)
{
    struct call *call = (struct call *)base;
    long status = 0;

    if (code != CURLE_OK) {
        (void)error_set(&call->error, code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO, "%s", curl_easy_strerror((CURLcode)code));
        return;
    }
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    read_headers(call, curl);
    if (call->method != NULL)
        read_all_headers(call, curl);
    call->status = (int)status;
}

static void done(struct http_call *base)
{
    struct call *call = (struct call *)base;

    if (base->is_broken_off && call->status == 0 && call->error.code == 0)
        (void)error_set(&call->error, ECANCELED, "the call was broken off");
    call->done(call);
}

static const struct http_call_ops OPS = { prepare, finish, done };

/* ---- its life --------------------------------------------------------------------------------------- */

struct call *call_create(void (*done_fn)(struct call *call), void *context)
{
    struct call *call = xcalloc(1, sizeof(*call));

    assert(done_fn != NULL);
    call->base.ops = &OPS;
    call->base.share = HTTP_OF_APPS;
    call->done = done_fn;
    call->context = context;
    msgpack_sbuffer_init(&call->body);
    msgpack_sbuffer_init(&call->reply);
    msgpack_sbuffer_init(&call->told);
    return call;
}

void call_destroy(struct call *call)
{
    if (call == NULL)
        return;
    for (size_t i = 0; i < CALL_HEADERS; i++)
        free(call->values[i]);
    curl_slist_free_all(call->headers);
    msgpack_sbuffer_destroy(&call->body);
    msgpack_sbuffer_destroy(&call->reply);
    msgpack_sbuffer_destroy(&call->told);
    free(call->method);
    free(call->url);
    free(call);
}
