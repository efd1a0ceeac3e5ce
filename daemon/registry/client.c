/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "config/config.h"

#define BODY_MAX ((size_t)16 << 20) /* no schema is that large */
#define CONNECT_TIMEOUT_MS 5000L
#define TIMEOUT_MS 10000L

struct registry_client {
    struct registry_address address;
    const atomic_bool *must_stop; /* NULL: nobody stops it */
    CURL *curl;
    struct curl_slist *headers;
    char why[CURL_ERROR_SIZE];
    msgpack_sbuffer body;
    struct thread_owner owner;
};

struct registry_address registry_address_of(const struct config *config)
{
    return (struct registry_address){
        .url = config->schema_registry.url,
        .user = config->schema_registry.user,
        .password = config->schema_registry.password,
        .ca_file = config->schema_registry.ca_file,
        .certificate = config->schema_registry.certificate,
        .private_key = config->schema_registry.private_key,
        .trusts_anybody = !config->schema_registry.verifies,
    };
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct registry_client *client = context;

    if (client->body.size + size * count > BODY_MAX || msgpack_sbuffer_write(&client->body, data, size * count) != 0)
        return 0;
    return size * count;
}

static int ask_whether_over(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct registry_client *client = context;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return atomic_load(client->must_stop) ? 1 : 0;
}

static void set_text(CURL *curl, CURLoption option, const char *text)
{
    if (text != NULL)
        (void)curl_easy_setopt(curl, option, text);
}

/* The password goes along unasked: some registries refuse without ever asking for it. */
static void set_up(struct registry_client *client)
{
    const struct registry_address *address = &client->address;
    CURL *curl = client->curl;

    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why);
    if (client->must_stop != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, ask_whether_over);
        (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    }
    if (address->user != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    set_text(curl, CURLOPT_USERNAME, address->user);
    set_text(curl, CURLOPT_PASSWORD, address->password);
    set_text(curl, CURLOPT_CAINFO, address->ca_file);
    set_text(curl, CURLOPT_SSLCERT, address->certificate);
    set_text(curl, CURLOPT_SSLKEY, address->private_key);
    if (!address->trusts_anybody)
        return;
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

struct registry_client *registry_client_create(const struct registry_address *address, const atomic_bool *must_stop)
{
    struct registry_client *client = xcalloc(1, sizeof(*client));

    (void)pthread_once(&once, begin_curl);
    client->address = *address;
    client->must_stop = must_stop;
    client->curl = curl_easy_init();
    client->headers = curl_slist_append(NULL, "Accept: application/vnd.schemaregistry.v1+json");
    if (client->curl == NULL || client->headers == NULL)
        abort();
    msgpack_sbuffer_init(&client->body);
    set_up(client);
    return client;
}

void registry_client_destroy(struct registry_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    msgpack_sbuffer_destroy(&client->body);
    free(client);
}

int registry_client_get(struct registry_client *client, const char *path, struct registry_reply *ret_reply, struct error *ret_error)
{
    AUTO_FREE char *url = xasprintf("%s%s", client->address.url, path);

    assert_owner(&client->owner);
    msgpack_sbuffer_clear(&client->body);
    client->why[0] = '\0';
    (void)curl_easy_setopt(client->curl, CURLOPT_URL, url);
    CURLcode code = curl_easy_perform(client->curl);
    if (code != CURLE_OK)
        return error_set(ret_error, EIO, "%s", client->why[0] != '\0' ? client->why : curl_easy_strerror(code));
    ret_reply->status = 0;
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
    ret_reply->body = (struct bytes){ client->body.size > 0 ? client->body.data : "", client->body.size };
    return 0;
}

char *registry_client_escape(const char *text)
{
    char *escaped = curl_easy_escape(NULL, text, 0);

    if (escaped == NULL)
        abort();
    char *copy = xstrdup(escaped);
    curl_free(escaped);
    return copy;
}
