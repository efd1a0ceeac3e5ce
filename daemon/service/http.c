/* SPDX-License-Identifier: Apache-2.0 */
#include "service/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/log.h"
#include "service/address.h"

#define CONNECTIONS_MAX 64
#define CONNECTION_TIMEOUT_S 10
#define REQUEST_MEMORY 32768 /* of one request's line and headers */
#define REASON_SIZE 512

struct http {
    struct http_settings settings;
    struct MHD_Daemon *daemon;
    int port;
};

struct answer {
    unsigned status;
    const char *type;
    char *body; /* taken by the response */
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

static struct answer page_metrics(const struct http *http)
{
    char *body = NULL;
    size_t size;
    FILE *page = open_memstream(&body, &size);

    if (page == NULL)
        abort();
    if (http->settings.metrics != NULL)
        metrics_print(http->settings.metrics, page);
    if (fclose(page) != 0)
        abort();
    return (struct answer){ MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", body };
}

static struct answer page_health(const struct http *http)
{
    (void)http;
    return (struct answer){ MHD_HTTP_OK, "text/plain; charset=utf-8", xstrdup("ok\n") };
}

static struct answer page_ready(const struct http *http)
{
    char reason[REASON_SIZE] = "ready";
    bool is_ready = http->settings.is_ready == NULL ||
                    http->settings.is_ready(http->settings.context, reason, sizeof(reason));

    return (struct answer){ is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8",
                            xasprintf("%s\n", reason) };
}

static const struct page {
    const char *path;
    struct answer (*answer)(const struct http *http);
} pages[] = {
    { "/metrics", page_metrics },
    { "/healthz", page_health },
    { "/readyz", page_ready },
};

static enum MHD_Result answer_send(struct MHD_Connection *connection, struct answer answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(answer.body), answer.body, MHD_RESPMEM_MUST_FREE);

    if (response == NULL)
        abort();
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result request_answer(void *context, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *upload_data,
                                      size_t *upload_data_size, void **request)
{
    static int is_seen;
    const struct http *http = context;
    struct answer answer = { MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8", NULL };

    (void)version;
    (void)upload_data;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        answer.status = MHD_HTTP_METHOD_NOT_ALLOWED;
        answer.body = xstrdup("GET only\n");
        return answer_send(connection, answer);
    }
    if (*request == NULL) { /* the headers alone; asked again with the (empty) body */
        *request = &is_seen;
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        *upload_data_size = 0;
        return MHD_YES;
    }
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]) && answer.body == NULL; i++) {
        if (strcmp(url, pages[i].path) == 0)
            answer = pages[i].answer(http);
    }
    if (answer.body == NULL)
        answer.body = xstrdup("here are /metrics, /healthz and /readyz\n");
    return answer_send(connection, answer);
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
    int sock = listen_open(settings->listen, ret_error);

    if (sock < 0)
        return sock;
    struct http *http = xcalloc(1, sizeof(*http));
    http->settings = *settings;
    http->port = socket_port(sock);
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, request_answer, http,
        MHD_OPTION_EXTERNAL_LOGGER, daemon_log, NULL, MHD_OPTION_LISTEN_SOCKET, sock, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY, MHD_OPTION_END);
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
