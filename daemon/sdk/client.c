/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define BODY_MAX ((size_t)64 << 20) /* of a reply; the run's own limits are lower */
#define CONNECT_TIMEOUT_MS 10000L

/* One thread's. */
struct client {
    CURL *curl;
    msgpack_sbuffer body;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void client_destroy(void *context)
{
    struct client *client = context;

    curl_easy_cleanup(client->curl);
    msgpack_sbuffer_destroy(&client->body);
    free(client);
}

static void make_key(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || pthread_key_create(&key, client_destroy) != 0)
        abort();
}

static struct client *client_of_thread(void)
{
    (void)pthread_once(&once, make_key);
    struct client *client = pthread_getspecific(key);
    if (client != NULL)
        return client;
    client = xcalloc(1, sizeof(*client));
    client->curl = curl_easy_init();
    if (client->curl == NULL || pthread_setspecific(key, client) != 0)
        abort();
    msgpack_sbuffer_init(&client->body);
    return client;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct client *client = context;

    if (client->body.size + size * count > BODY_MAX || msgpack_sbuffer_write(&client->body, data, size * count) != 0)
        return 0;
    return size * count;
}

static int ask_whether_cancelled(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct client_request *request = context;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return request->is_cancelled(request->context) ? 1 : 0;
}

static struct curl_slist *header_list(const struct client_request *request)
{
    struct curl_slist *list = NULL;

    for (size_t i = 0; request->headers[i] != NULL; i++) {
        list = curl_slist_append(list, request->headers[i]);
        if (list == NULL)
            abort();
    }
    return list;
}

static void set_up(struct client *client, const struct client_request *request, const struct curl_slist *headers)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl); /* keeps its connections */
    msgpack_sbuffer_clear(&client->body);
    (void)curl_easy_setopt(curl, CURLOPT_URL, request->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.data);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    if (request->is_cancelled != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_whether_cancelled);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, request);
    }
}

int client_send(const struct client_request *request, struct client_reply *ret_reply, struct error *ret_error)
{
    struct client *client = client_of_thread();
    struct curl_slist *headers = header_list(request);
    long status = 0;

    assert(request->timeout_ms > 0);
    set_up(client, request, headers);
    CURLcode code = curl_easy_perform(client->curl);
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return error_set(ret_error, ECANCELED, "the call was broken off");
    if (code != CURLE_OK)
        return error_set(ret_error, code == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO, "%s", curl_easy_strerror(code));
    *ret_reply = (struct client_reply){ (int)status, { client->body.data, client->body.size } };
    return 0;
}
