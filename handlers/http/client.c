/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECTIONS_KEPT 16L
#define OVERFLOW_MOST (1024 * 1024) /* of body read and dropped, so that the connection can be kept */
#define BODY_KEPT_SIZE 65536        /* a larger buffer is given back after its request */

struct client {
    CURL *curl;
    char *body;
    size_t body_size, body_room;
    size_t body_most, dropped; /* of the request under way */
    char problem[CURL_ERROR_SIZE];
};

struct client *client_create(void)
{
    struct client *client = calloc(1, sizeof(*client));

    if (client == NULL)
        return NULL;
    client->curl = curl_easy_init();
    if (client->curl != NULL)
        return client;
    free(client);
    return NULL;
}

void client_destroy(struct client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    free(client->body);
    free(client);
}

/* ---- the answer's body ------------------------------------------------------------------------ */

static bool body_reserve(struct client *client, size_t size)
{
    size_t room = client->body_room > 0 ? client->body_room : 4096;

    if (size <= client->body_room)
        return true;
    while (room < size)
        room *= 2;
    char *body = realloc(client->body, room);
    if (body == NULL)
        return false;
    client->body = body;
    client->body_room = room;
    return true;
}

static size_t take_body(char *part, size_t unit, size_t count, void *context)
{
    struct client *client = context;
    size_t size = unit * count;
    size_t left = client->body_most - client->body_size;
    size_t taken = size < left ? size : left;

    if (taken > 0 && !body_reserve(client, client->body_size + taken))
        taken = 0;
    if (taken > 0)
        memcpy(client->body + client->body_size, part, taken);
    client->body_size += taken;
    client->dropped += size - taken;
    return client->dropped > OVERFLOW_MOST ? 0 : size; /* 0 breaks it off */
}

static void body_begin(struct client *client, size_t most)
{
    if (client->body_room > BODY_KEPT_SIZE) {
        free(client->body);
        client->body = NULL;
        client->body_room = 0;
    }
    client->body_size = 0;
    client->body_most = most;
    client->dropped = 0;
}

/* ---- the request ------------------------------------------------------------------------------ */

static int look_up(void *context, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put)
{
    const struct request *request = context;

    (void)to_get;
    (void)got;
    (void)to_put;
    (void)put;
    return request->is_cancelled(request->context);
}

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

/* A reset handle keeps its connections, TLS sessions and names. */
static void set_up(struct client *client, const struct request *request)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* many threads: no alarm() */
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->problem);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, request);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    set_tls(curl, request);
}

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

static enum answer_end end_of(const struct client *client, CURLcode code, long status)
{
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && client->dropped > OVERFLOW_MOST && status != 0))
        return ANSWER_WHOLE;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ANSWER_TIMED_OUT;
    return code == CURLE_ABORTED_BY_CALLBACK ? ANSWER_CANCELLED : ANSWER_NONE;
}

struct answer client_ask(struct client *client, const struct request *request)
{
    struct answer answer = { .status = 0 };

    body_begin(client, request->response_most);
    set_up(client, request);
    client->problem[0] = '\0';
    CURLcode code = curl_easy_perform(client->curl);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer.status);
    answer.end = end_of(client, code, answer.status);
    answer.problem = client->problem[0] != '\0' ? client->problem : curl_easy_strerror(code);
    answer.body = client->body_size > 0 ? client->body : "";
    answer.body_size = client->body_size;
    answer.is_cut = client->dropped > 0;
    answer.is_json = is_json(header_of(client->curl, "Content-Type"));
    answer.retry_after = header_of(client->curl, "Retry-After");
    return answer;
}
