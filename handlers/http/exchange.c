/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OVERFLOW_MOST (1024 * 1024) /* of body read and dropped, so that the connection can be kept */
#define ROOM_LEAST 512
#define READ_SIZE 1024L /* at once; libcurl has such a buffer for each that is under way, of 16 KiB if not told */

struct exchange {
    CURL *curl; /* while it is under way */
    struct request request;
    struct answer answer;
    char *body;
    size_t body_size, body_room;
    size_t dropped;
    char *retry_after;
    char *problem; /* of CURL_ERROR_SIZE; NULL: it is not under way, or there is no memory */
};

struct exchange *exchange_create(const struct request *request)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    if (exchange != NULL)
        exchange->request = *request;
    return exchange;
}

void exchange_destroy(struct exchange *exchange)
{
    if (exchange == NULL)
        return;
    curl_slist_free_all(exchange->request.headers);
    free(exchange->request.body);
    free(exchange->body);
    free(exchange->retry_after);
    free(exchange->problem);
    free(exchange);
}

/* ---- the answer's body ------------------------------------------------------------------------ */

static bool body_reserve(struct exchange *exchange, size_t size)
{
    size_t room = exchange->body_room > 0 ? exchange->body_room : ROOM_LEAST;

    if (size <= exchange->body_room)
        return true;
    while (room < size)
        room *= 2;
    char *body = realloc(exchange->body, room);
    if (body == NULL)
        return false;
    exchange->body = body;
    exchange->body_room = room;
    return true;
}

static size_t take_body(char *part, size_t unit, size_t count, void *context)
{
    struct exchange *exchange = context;
    size_t size = unit * count;
    size_t left = exchange->request.response_most - exchange->body_size;
    size_t taken = size < left ? size : left;

    if (taken > 0 && !body_reserve(exchange, exchange->body_size + taken))
        taken = 0;
    if (taken > 0)
        memcpy(exchange->body + exchange->body_size, part, taken);
    exchange->body_size += taken;
    exchange->dropped += size - taken;
    return exchange->dropped > OVERFLOW_MOST ? 0 : size; /* 0 breaks it off */
}

/* ---- the answer's headers --------------------------------------------------------------------- */

/* With 204 and 304 there is no body. A server that tells of one there may send it, where the next answer is to stand. */
static bool is_body_announced(const char *line, size_t size)
{
    static const char LENGTH[] = "content-length:";
    size_t at = sizeof(LENGTH) - 1;

    if (size < at || strncasecmp(line, LENGTH, at) != 0)
        return false;
    while (at < size && (line[at] == ' ' || line[at] == '0'))
        at++;
    return at < size && line[at] >= '1' && line[at] <= '9';
}

static size_t take_header(char *line, size_t unit, size_t count, void *context)
{
    const struct exchange *exchange = context;
    long status = 0;

    if (!is_body_announced(line, unit * count))
        return unit * count;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 204 || status == 304)
        curl_easy_setopt(exchange->curl, CURLOPT_FORBID_REUSE, 1L);
    return unit * count;
}

/* ---- the request ------------------------------------------------------------------------------ */

static void set_tls(CURL *curl, const struct request *request)
{
    if (request->ca_file[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file);
    if (request->certificate[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_SSLCERT, request->certificate);
    if (request->private_key[0] != '\0')
        curl_easy_setopt(curl, CURLOPT_SSLKEY, request->private_key);
    if (request->skips_verification) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

void exchange_prepare(struct exchange *exchange, CURL *curl)
{
    const struct request *request = &exchange->request;

    exchange->curl = curl;
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, READ_SIZE);
    exchange->problem = calloc(1, CURL_ERROR_SIZE);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, exchange->problem);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    set_tls(curl, request);
}

/* ---- what came -------------------------------------------------------------------------------- */

static const char *header_of(CURL *curl, const char *name)
{
    struct curl_header *header;

    return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

static bool is_json(const char *content_type)
{
    if (content_type == NULL)
        return false;
    size_t size = strcspn(content_type, "; ");
    return (size == strlen("application/json") && strncasecmp(content_type, "application/json", size) == 0) ||
           (size > strlen("+json") && strncasecmp(content_type + size - strlen("+json"), "+json", strlen("+json")) == 0);
}

static enum answer_end end_of(const struct exchange *exchange, CURLcode code, long status)
{
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && exchange->dropped > OVERFLOW_MOST && status != 0))
        return ANSWER_WHOLE;
    return code == CURLE_OPERATION_TIMEDOUT ? ANSWER_TIMED_OUT : ANSWER_NONE;
}

static void take_retry_after(struct exchange *exchange, CURL *curl)
{
    const char *value = header_of(curl, "Retry-After");

    if (value != NULL)
        exchange->retry_after = strdup(value);
}

void exchange_finish(struct exchange *exchange, CURL *curl, CURLcode code)
{
    long status = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    take_retry_after(exchange, curl);
    exchange->answer = (struct answer){
        .end = end_of(exchange, code, status),
        .status = status,
        .is_json = is_json(header_of(curl, "Content-Type")),
        .is_cut = exchange->dropped > 0,
        .body = exchange->body_size > 0 ? exchange->body : "",
        .body_size = exchange->body_size,
        .retry_after = exchange->retry_after,
        .problem = exchange->problem != NULL && exchange->problem[0] != '\0' ? exchange->problem : curl_easy_strerror(code),
    };
}

const struct answer *exchange_answer(const struct exchange *exchange)
{
    return &exchange->answer;
}
