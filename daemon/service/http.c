/* SPDX-License-Identifier: Apache-2.0 */
#include "service/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/array.h"
#include "base/log.h"
#include "config/address.h"

#define CONNECTIONS 64 /* at once; more wait */
#define CONNECTION_TIMEOUT_S 10
#define REQUEST_MEMORY 32768 /* of one request's line and headers */
#define REASON_SIZE 512
#define STREAM_BLOCK 16384

struct http {
    struct http_settings settings;
    struct MHD_Daemon *daemon;
    int port;
};

struct answer {
    unsigned status;
    const char *type;
    char *body; /* taken by the response */
    size_t size;
    struct web_stream *stream; /* instead of a body; taken too */
    const struct web_header *headers;
};

/* A request from its headers to its answer. */
struct exchange {
    const struct web_route *route; /* NULL: a page of ours, or none */
    char *body;
    size_t size;
    bool is_too_large;
};

/* ---- address ---------------------------------------------------------------------------------- */

static int listen_open(const char *listen_at, struct error *ret_error)
{
    AUTO_FREE char *host = NULL;
    AUTO_FREE char *port = NULL;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *addresses = NULL;
    int status = address_split(listen_at, &host, &port, ret_error);

    if (status != 0)
        return status;
    int answer = getaddrinfo(host, port, &hints, &addresses);
    if (answer != 0)
        return error_set(ret_error, EADDRNOTAVAIL, "http.listen %s: %s", listen_at, gai_strerror(answer));

    int on = 1;
    int sock = socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(sock, addresses->ai_addr, addresses->ai_addrlen) != 0 || listen(sock, SOMAXCONN) != 0) {
        status = error_set(ret_error, errno, "http.listen %s: %s", listen_at, strerror(errno));
        if (sock >= 0)
            (void)close(sock);
        sock = status;
    }
    freeaddrinfo(addresses);
    return sock;
}

static int socket_port(int sock)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char port[NI_MAXSERV];

    if (getsockname(sock, (struct sockaddr *)&address, &size) != 0 ||
        getnameinfo((struct sockaddr *)&address, size, NULL, 0, port, sizeof(port), NI_NUMERICSERV) != 0)
        return -1;
    return atoi(port);
}

/* ---- pages ------------------------------------------------------------------------------------ */

#define PLAIN_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define OPEN_METRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Whoever can read OpenMetrics says so, and prefers it. */
static bool wants_open_metrics(struct MHD_Connection *connection)
{
    const char *accepted = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

    return accepted != NULL && strstr(accepted, "application/openmetrics-text") != NULL;
}

static struct answer page_metrics(const struct http *http, struct MHD_Connection *connection)
{
    char *body = NULL;
    size_t size;
    struct metrics_page page = { .out = open_memstream(&body, &size), .is_open = wants_open_metrics(connection) };

    if (page.out == NULL)
        abort();
    if (http->settings.write_metrics != NULL)
        http->settings.write_metrics(http->settings.context, &page);
    metrics_end(&page);
    if (fclose(page.out) != 0)
        abort();
    return (struct answer){ .status = MHD_HTTP_OK, .type = page.is_open ? OPEN_METRICS : PLAIN_METRICS, .body = body, .size = size };
}

/* `body` is taken. */
static struct answer plain(unsigned status, char *body)
{
    assert(body != NULL);
    return (struct answer){ .status = status, .type = "text/plain; charset=utf-8", .body = body, .size = strlen(body) };
}

static struct answer page_health(const struct http *http, struct MHD_Connection *connection)
{
    (void)http;
    (void)connection;
    return plain(MHD_HTTP_OK, xstrdup("ok\n"));
}

static struct answer page_ready(const struct http *http, struct MHD_Connection *connection)
{
    char reason[REASON_SIZE] = "ready";
    (void)connection;
    bool is_ready = http->settings.is_ready == NULL || http->settings.is_ready(http->settings.context, reason, sizeof(reason));

    return plain(is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, xasprintf("%s\n", reason));
}

static const struct page {
    const char *path;
    struct answer (*answer)(const struct http *http, struct MHD_Connection *connection);
} pages[] = {
    { "/metrics", page_metrics },
    { "/healthz", page_health },
    { "/readyz", page_ready },
};

static ssize_t stream_read(void *context, uint64_t position, char *out, size_t size)
{
    struct web_stream *stream = context;
    size_t got = stream->read(stream, out, size);

    assert(got <= size);
    (void)position;
    return got > 0 ? (ssize_t)got : MHD_CONTENT_READER_END_OF_STREAM;
}

static void stream_close(void *context)
{
    struct web_stream *stream = context;

    stream->close(stream);
}

static struct MHD_Response *response_of(const struct answer *answer)
{
    struct MHD_Response *response =
        answer->stream != NULL
            ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, answer->stream, stream_close)
            : MHD_create_response_from_buffer(answer->size, answer->body, MHD_RESPMEM_MUST_FREE);

    assert((answer->stream != NULL) != (answer->body != NULL));
    if (response == NULL)
        abort();
    return response;
}

static enum MHD_Result answer_send(struct MHD_Connection *connection, struct answer answer)
{
    struct MHD_Response *response = response_of(&answer);

    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    for (const struct web_header *header = answer.headers; header != NULL && header->name != NULL; header++)
        (void)MHD_add_response_header(response, header->name, header->value);
    if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- what others answer ------------------------------------------------------------------------- */

static bool path_matches(const char *pattern, const char *path)
{
    size_t size = strlen(pattern);

    return size > 0 && pattern[size - 1] == '*' ? strncmp(pattern, path, size - 1) == 0 : strcmp(pattern, path) == 0;
}

static const struct web_route *route_find(const struct http *http, const char *method, const char *path)
{
    for (size_t i = 0; i < http->settings.route_count; i++) {
        const struct web_route *route = &http->settings.routes[i];
        if (strcmp(route->method, method) == 0 && path_matches(route->path, path))
            return route;
    }
    return NULL;
}

static const char *header_of(const struct web_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static void address_of(const struct web_request *request, char text[static WEB_ADDRESS_SIZE])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;

    (void)snprintf(text, WEB_ADDRESS_SIZE, "nobody knows");
    if (address != NULL && address->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text, WEB_ADDRESS_SIZE);
    else if (address != NULL && address->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text, WEB_ADDRESS_SIZE);
}

static const char *query_of(const struct web_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static void exchange_add(struct exchange *exchange, const char *data, size_t size)
{
    if (exchange->route == NULL || exchange->is_too_large)
        return;
    assert(exchange->size <= exchange->route->body_max);
    exchange->is_too_large = size > exchange->route->body_max || exchange->size > exchange->route->body_max - size;
    if (exchange->is_too_large)
        return;
    exchange->body = xrealloc(exchange->body, exchange->size + size + 1);
    memcpy(exchange->body + exchange->size, data, size);
    exchange->size += size;
    exchange->body[exchange->size] = '\0';
}

static struct answer route_answer(const struct exchange *exchange, struct MHD_Connection *connection, const char *method, const char *path)
{
    const struct web_request request = {
        .method = method,
        .path = path,
        .body = { exchange->body != NULL ? exchange->body : "", exchange->size },
        .connection = connection,
        .header = header_of,
        .query = query_of,
        .address = address_of,
    };
    struct web_reply reply = { .status = MHD_HTTP_OK, .type = "application/json" };

    assert(exchange->route != NULL);
    if (exchange->is_too_large)
        return plain(MHD_HTTP_CONTENT_TOO_LARGE, xstrdup("the body is too large\n"));
    exchange->route->answer(exchange->route->context, &request, &reply);
    return (struct answer){
        .status = reply.status,
        .type = reply.type,
        .body = reply.body == NULL && reply.stream == NULL ? xstrdup("") : reply.body,
        .size = reply.size,
        .stream = reply.stream,
        .headers = reply.headers,
    };
}

/* ---- requests ----------------------------------------------------------------------------------- */

static bool is_read_only(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static struct answer page_answer(const struct http *http, struct MHD_Connection *connection, const char *method, const char *url)
{
    if (!is_read_only(method) && (starts_with(url, "/invoke/") || starts_with(url, "/e/")))
        return plain(MHD_HTTP_NOT_FOUND,
                     xstrdup("this daemon takes events and invokes over HTTP once its config has a section 'inngest:'\n"));
    if (!is_read_only(method))
        return plain(MHD_HTTP_METHOD_NOT_ALLOWED, xstrdup("GET only\n"));
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (strcmp(url, pages[i].path) == 0)
            return pages[i].answer(http, connection);
    }
    return plain(MHD_HTTP_NOT_FOUND, xstrdup("here are /metrics, /healthz and /readyz\n"));
}

static enum MHD_Result request_answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                      const char *version, const char *upload_data, size_t *upload_data_size, void **request)
{
    const struct http *http = context;
    struct exchange *exchange = *request;

    (void)version;
    if (exchange == NULL) { /* the headers alone; asked again with each piece of the body, and at its end */
        exchange = xcalloc(1, sizeof(*exchange));
        exchange->route = route_find(http, method, url);
        *request = exchange;
        return exchange->route == NULL && !is_read_only(method) ? answer_send(connection, page_answer(http, connection, method, url))
                                                                : MHD_YES;
    }
    if (*upload_data_size > 0) {
        exchange_add(exchange, upload_data, *upload_data_size);
        *upload_data_size = 0;
        return MHD_YES;
    }
    return answer_send(connection, exchange->route != NULL ? route_answer(exchange, connection, method, url)
                                                           : page_answer(http, connection, method, url));
}

static void request_done(void *context, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *request;

    (void)context;
    (void)connection;
    (void)code;
    if (exchange != NULL)
        free(exchange->body);
    free(exchange);
    *request = NULL;
}

PRINTF_LIKE(2, 0) static void daemon_log(void *context, const char *format, va_list arguments)
{
    char text[256];

    (void)context;
    (void)vsnprintf(text, sizeof(text), format, arguments);
    log_debug("http: %s", text);
}

int http_start(const struct http_settings *settings, struct http **ret_http, struct error *ret_error)
{
    assert(settings->listen[0] != '\0' && (settings->route_count == 0 || settings->routes != NULL));
    int sock = listen_open(settings->listen, ret_error);

    if (sock < 0)
        return sock;
    struct http *http = xcalloc(1, sizeof(*http));
    http->settings = *settings;
    http->port = socket_port(sock);
    http->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        request_answer, http, MHD_OPTION_EXTERNAL_LOGGER, daemon_log, NULL, MHD_OPTION_LISTEN_SOCKET, sock, MHD_OPTION_CONNECTION_LIMIT,
        CONNECTIONS + settings->more_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, request_done, NULL, MHD_OPTION_END);
    if (http->daemon == NULL) {
        (void)close(sock);
        free(http);
        return error_set(ret_error, EIO, "http.listen %s: the server does not start", settings->listen);
    }
    *ret_http = http;
    return 0;
}

int http_port(const struct http *http)
{
    return http->port;
}

void http_stop(struct http *http)
{
    if (http == NULL)
        return;
    MHD_stop_daemon(http->daemon); /* closes the socket */
    free(http);
}
