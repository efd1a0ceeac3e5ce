/* SPDX-License-Identifier: Apache-2.0 */
#include "service/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static struct http *http;
static bool is_ready_now;

static bool is_ready(void *context, char *ret_reason, size_t size)
{
    (void)context;
    (void)snprintf(ret_reason, size, "%s", is_ready_now ? "ready" : "redis does not answer");
    return is_ready_now;
}

static void write_metrics(void *context, struct metrics_page *page)
{
    (void)context;
    metrics_family(page, METRIC_COUNTER, "events_total", "Events.");
    metrics_put(page, NULL, 5);
}

/* Answers with what it was told. */
static void echo(void *context, const struct web_request *request, struct web_reply *reply)
{
    const char *name = request->header(request, "X-Name");
    const char *page = request->query(request, "page");

    (void)context;
    reply->status = 201;
    reply->body = xasprintf("{\"path\":\"%s\",\"body\":\"%s\",\"name\":\"%s\",\"page\":\"%s\"}", request->path,
                            (const char *)request->body.data, name != NULL ? name : "", page != NULL ? page : "");
    reply->size = strlen(reply->body);
}

struct ticks {
    struct web_stream stream;
    int left;
};

static size_t ticks_read(struct web_stream *stream, char *out, size_t size)
{
    struct ticks *ticks = (struct ticks *)stream;

    return ticks->left-- > 0 ? (size_t)snprintf(out, size, "tick %d\n", ticks->left) : 0;
}

static void ticks_close(struct web_stream *stream)
{
    free(stream);
}

static void tick(void *context, const struct web_request *request, struct web_reply *reply)
{
    static const struct web_header headers[] = { { "X-Ticks", "3" }, { NULL, NULL } };
    struct ticks *ticks = xcalloc(1, sizeof(*ticks));

    (void)context;
    (void)request;
    *ticks = (struct ticks){ .stream = { ticks_read, ticks_close }, .left = 3 };
    reply->stream = &ticks->stream;
    reply->headers = headers;
}

static const struct web_route routes[] = { { "POST", "/echo/*", 10, echo, NULL }, { "GET", "/ticks", 0, tick, NULL } };

static void setup(void)
{
    struct error error = { 0 };

    const struct http_settings settings = {
        .listen = "127.0.0.1:0", .write_metrics = write_metrics, .is_ready = is_ready, .routes = routes, .route_count = 2
    };
    cr_assert_eq(http_start(&settings, &http, &error), 0, "%s", error.text);
}

static void teardown(void)
{
    http_stop(http);
}

TestSuite(http, .init = setup, .fini = teardown, .timeout = 60);

static int open_connection(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(http)) };
    int sock = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(connect(sock, (struct sockaddr *)&address, sizeof(address)), 0);
    return sock;
}

/* The whole answer to one request. */
static const char *ask(const char *request)
{
    static char answer[8192];
    size_t size = 0;
    ssize_t got;
    int sock = open_connection();

    cr_assert_eq(write(sock, request, strlen(request)), (ssize_t)strlen(request));
    while (size < sizeof(answer) - 1 && (got = read(sock, answer + size, sizeof(answer) - 1 - size)) > 0)
        size += (size_t)got;
    answer[size] = '\0';
    (void)close(sock);
    return answer;
}

#define GET(path) ask("GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

Test(http, says_its_metrics)
{
    const char *answer = GET("/metrics");

    cr_assert_eq(strncmp(answer, "HTTP/1.1 200", 12), 0, "%s", answer);
    cr_assert_not_null(strstr(answer, "stepd_events_total 5\n"));
    cr_assert_not_null(strstr(answer, "text/plain; version=0.0.4"));
}

Test(http, says_that_it_lives)
{
    cr_assert_not_null(strstr(GET("/healthz"), "\r\n\r\nok\n"));
}

Test(http, says_why_it_is_not_ready)
{
    is_ready_now = false;
    const char *answer = GET("/readyz");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 503", 12), 0);
    cr_assert_not_null(strstr(answer, "redis does not answer"));
    is_ready_now = true;
    cr_assert_eq(strncmp(GET("/readyz"), "HTTP/1.1 200", 12), 0);
}

Test(http, knows_no_other_page_and_no_other_method)
{
    cr_assert_eq(strncmp(GET("/etc/passwd"), "HTTP/1.1 404", 12), 0);
    const char *answer = ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 405", 12), 0, "%s", answer);
    answer = ask("POST /invoke/f?wait=1s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 404", 12), 0, "%s", answer);
    cr_assert_not_null(strstr(answer, "section 'inngest:'"));
    answer = ask("HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 200", 12), 0);
    cr_assert_null(strstr(answer, "ok\n"));
}

Test(http, refuses_a_port_in_use)
{
    char listen[32];
    struct http *other = NULL;
    struct error error;

    (void)snprintf(listen, sizeof(listen), "127.0.0.1:%d", http_port(http));
    const struct http_settings settings = { .listen = listen };
    cr_assert_eq(http_start(&settings, &other, &error), -EADDRINUSE);
    cr_assert_not_null(strstr(error.text, listen));
}

Test(http, hands_a_route_path_body_header_and_query)
{
    const char *answer =
        ask("POST /echo/it?page=2 HTTP/1.1\r\nHost: x\r\nX-Name: Ann\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");

    cr_assert_eq(strncmp(answer, "HTTP/1.1 201", 12), 0, "%s", answer);
    cr_assert_not_null(strstr(answer, "{\"path\":\"/echo/it\",\"body\":\"abc\",\"name\":\"Ann\",\"page\":\"2\"}"), "%s", answer);
    cr_assert_not_null(strstr(answer, "application/json"));
}

Test(http, refuses_a_body_larger_than_its_route_takes)
{
    const char *answer = ask("POST /echo/it HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nConnection: close\r\n\r\n01234567890");

    cr_assert_eq(strncmp(answer, "HTTP/1.1 413", 12), 0, "%s", answer);
    answer = ask("POST /echo/it HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 201", 12), 0, "%s", answer);
}

Test(http, refuses_a_head_larger_than_32_KiB)
{
    AUTO_FREE char *fits = xasprintf("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: %0*d\r\n\r\n", 24 << 10, 1);
    AUTO_FREE char *too_long = xasprintf("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: %0*d\r\n\r\n", 32 << 10, 1);

    cr_assert_eq(strncmp(ask(fits), "HTTP/1.1 200", 12), 0);
    cr_assert_eq(strncmp(ask(too_long), "HTTP/1.1 431", 12), 0);
}

Test(http, serves_64_connections_and_then_whoever_comes_when_one_is_over)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    char answer[512];
    int socks[64];

    for (size_t i = 0; i < 64; i++) {
        socks[i] = open_connection();
        cr_assert_eq(write(socks[i], request, strlen(request)), (ssize_t)strlen(request));
        cr_assert_gt(read(socks[i], answer, sizeof(answer)), 0);
    }
    int one_more = open_connection();
    struct pollfd waiting = { .fd = one_more, .events = POLLIN };
    (void)!write(one_more, request, strlen(request));
    cr_assert(poll(&waiting, 1, 500) == 0 || read(one_more, answer, sizeof(answer)) <= 0);
    (void)close(one_more);
    for (size_t i = 0; i < 64; i++)
        (void)close(socks[i]);
    const struct timespec pause = { .tv_nsec = 100000000 };
    while (strstr(GET("/healthz"), "ok\n") == NULL) /* it may not yet have seen them go; the test's timeout ends this */
        (void)nanosleep(&pause, NULL);
}

Test(http, gives_up_who_says_nothing_for_10_s)
{
    char answer[512];
    int64_t began_ms = clock_monotonic_ms();
    int sock = open_connection();

    cr_assert_leq(read(sock, answer, sizeof(answer)), 0);
    cr_assert_geq(clock_monotonic_ms() - began_ms, 9000);
    (void)close(sock);
}

Test(http, a_route_is_of_one_method)
{
    cr_assert_eq(strncmp(GET("/echo/it"), "HTTP/1.1 404", 12), 0);
}

Test(http, streams_what_a_route_goes_on_to_say)
{
    const char *answer = GET("/ticks");

    cr_assert_not_null(strstr(answer, "X-Ticks: 3\r\n"), "%s", answer);
    cr_assert_not_null(strstr(answer, "tick 2\n"), "%s", answer);
    cr_assert_not_null(strstr(answer, "tick 0\n"), "%s", answer);
}
