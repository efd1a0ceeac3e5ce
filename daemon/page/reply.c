/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "page/page_internal.h"

#define READERS_MOST 16

const struct web_header page_headers[] = {
    { "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
                                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { NULL, NULL },
};

void reply_json(struct web_reply *reply, struct json_out *out)
{
    assert(reply->body == NULL && reply->stream == NULL); /* one answer */
    reply->type = "application/json";
    reply->headers = page_headers;
    reply->body = xmemdup(out->buffer.data, out->buffer.size);
    reply->size = out->buffer.size;
    json_out_done(out);
}

void reply_error(struct web_reply *reply, unsigned status, const char *format, ...)
{
    struct json_out out;
    va_list arguments;

    assert(status >= 400);
    va_start(arguments, format);
    AUTO_FREE char *text = xvasprintf(format, arguments);
    va_end(arguments);
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "error", text);
    json_out_close(&out, '{');
    reply_json(reply, &out);
    reply->status = status;
}

/* ---- who asks ------------------------------------------------------------------------------------ */

/* Takes as long wherever they differ. */
static bool is_same_secret(const char *given, const char *secret)
{
    size_t length = strlen(given);
    unsigned difference = 0;

    if (length != strlen(secret))
        return false;
    for (size_t i = 0; i < length; i++)
        difference |= (unsigned)(given[i] ^ secret[i]);
    return difference == 0;
}

/* `http://HOST` and the Host header say the same. */
static bool is_same_origin(const char *origin, const char *host)
{
    const char *place = strstr(origin, "://");

    return place != NULL && host != NULL && strcmp(place + 3, host) == 0;
}

/* An address, or localhost: no name that somebody else's server could lead here. */
static bool is_plain_host(const char *host)
{
    struct in_addr address;
    size_t length = host[0] == '[' ? 0 : strcspn(host, ":");
    char name[64];

    if (host[0] == '[')
        return true;
    (void)snprintf(name, sizeof(name), "%.*s", (int)(length < sizeof(name) ? length : 0), host);
    return strcmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address) == 1;
}

bool request_may_read(const struct page *page, const struct web_request *request, struct web_reply *reply)
{
    const char *site = request->header(request, "Sec-Fetch-Site");
    const char *host = request->header(request, "Host");

    if (site != NULL && strcmp(site, "cross-site") == 0)
        reply_error(reply, 403, "another site asks");
    else if (page->settings.config->http_without_token && (host == NULL || !is_plain_host(host)))
        reply_error(reply, 403, "without a token this is served by address only, not as %.100s", host != NULL ? host : "(no host)");
    else
        return true;
    return false;
}

static bool has_token(const struct page *page, const struct web_request *request, struct web_reply *reply)
{
    const struct config *config = page->settings.config;
    const char *given = request->header(request, "Authorization");

    if (config->http_without_token)
        return true;
    if (config->http_token[0] == '\0') {
        reply_error(reply, 403, "changes are off: set http.token in the config");
        return false;
    }
    if (given != NULL && strncmp(given, "Bearer ", 7) == 0 && is_same_secret(given + 7, config->http_token))
        return true;
    reply_error(reply, 401, given == NULL ? "this needs the token, http.token of the config" : "the token is wrong");
    return false;
}

bool request_may_change(const struct page *page, const struct web_request *request, struct web_reply *reply)
{
    const char *origin = request->header(request, "Origin");
    const char *type = request->header(request, "Content-Type");

    if (!request_may_read(page, request, reply))
        return false;
    if (origin != NULL && !is_same_origin(origin, request->header(request, "Host"))) {
        reply_error(reply, 403, "another site asks");
        return false;
    }
    /* What a form of another site can't send without asking first. */
    if (type == NULL || strncmp(type, "application/json", 16) != 0) {
        reply_error(reply, 415, "the content type is to be application/json");
        return false;
    }
    return has_token(page, request, reply);
}

/* ---- Redis --------------------------------------------------------------------------------------- */

bool store_enter(struct page *page, struct web_reply *reply)
{
    if (!store_is_up(page->store)) {
        reply_error(reply, 503, "Redis does not answer now; nothing is lost, runs that need it wait");
        return false;
    }
    if (atomic_fetch_add(&page->readers, 1) < READERS_MOST)
        return true;
    store_leave(page);
    reply_error(reply, 503, "too many ask at once");
    return false;
}

void store_leave(struct page *page)
{
    assert(page->readers > 0);
    (void)atomic_fetch_sub(&page->readers, 1);
}
