/* SPDX-License-Identifier: Apache-2.0 */
#include "service/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct metrics *metrics;
static struct http *http;
static bool is_ready_now;

static bool is_ready(void *context, char *ret_reason, size_t size)
{
    (void)context;
    (void)snprintf(ret_reason, size, "%s", is_ready_now ? "ready" : "redis does not answer");
    return is_ready_now;
}

static void setup(void)
{
    struct error error = { 0 };

    metrics = metrics_create();
    counter_add(metrics_counter(metrics, "events_total", NULL, "Events."), 5);
    const struct http_settings settings = { .listen = "127.0.0.1:0", .metrics = metrics, .is_ready = is_ready };
    cr_assert_eq(http_start(&settings, &http, &error), 0, "%s", error.text);
}

static void teardown(void)
{
    http_stop(http);
    metrics_destroy(metrics);
}

TestSuite(http, .init = setup, .fini = teardown, .timeout = 20);

/* The whole answer to one request. */
static const char *ask(const char *request)
{
    static char answer[8192];
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(http)) };
    size_t size = 0;
    ssize_t got;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(sock, (struct sockaddr *)&address, sizeof(address)), 0);
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
