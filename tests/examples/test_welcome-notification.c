/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stepd/testing.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct stepd_module stepd_module;

/* A service that answers one request a connection, with each of these in turn. */
static const char *const *answers;
static int listener;
static unsigned port;

static void *serve(void *unused)
{
    char request[4096];

    (void)unused;
    for (size_t i = 0; answers[i] != NULL; i++) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            break;
        size_t got = 0;
        while (got < sizeof(request) - 1) {
            ssize_t size = read(client, request + got, sizeof(request) - 1 - got);
            if (size <= 0)
                break;
            got += (size_t)size;
            request[got] = '\0';
            if (strchr(request, '}') != NULL) /* the end of the body */
                break;
        }
        char answer[256];
        int length = snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", answers[i]);
        (void)!write(client, answer, (size_t)length);
        (void)close(client);
    }
    return NULL;
}

static enum stepd_test_status run_against(const char *const *in_turn, struct stepd_test **ret_test, struct stepd_test_run **ret_run)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    pthread_t thread;

    answers = in_turn;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(listener, 8), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    port = ntohs(address.sin_port);
    cr_assert_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    *ret_test = stepd_test_create(&stepd_module);
    stepd_test_configure(*ret_test, "options: {welcome-notification: {url: 'http://127.0.0.1:%u/welcome'}}", port);
    cr_assert_eq(stepd_test_send(*ret_test, STEPD_TEST_EVENT(.name = "app/user.created", .data = "{user_id: u1, email: a@b.example}")), 1);
    *ret_run = stepd_test_run_at(*ret_test, 0);
    enum stepd_test_status status = stepd_test_finish(*ret_run);
    (void)shutdown(listener, SHUT_RDWR);
    (void)close(listener);
    (void)pthread_join(thread, NULL);
    return status;
}

Test(welcome_notification, obeys_retry_after, .timeout = 60)
{
    static const char *const busy_then_fine[] = { "429 Too Many Requests\r\nRetry-After: 7", "200 OK", NULL };
    struct stepd_test *test;
    struct stepd_test_run *run;

    cr_assert_eq(run_against(busy_then_fine, &test, &run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_attempt_count(run), 2);
    cr_assert_geq(stepd_test_now_ms(test), STEPD_TEST_BEGIN_MS + 7000);
    stepd_test_destroy(test);
}

Test(welcome_notification, a_refusal_is_final, .timeout = 60)
{
    static const char *const refused[] = { "400 Bad Request", NULL };
    struct stepd_test *test;
    struct stepd_test_run *run;

    cr_assert_eq(run_against(refused, &test, &run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_error(run)->attempt, 0);
    stepd_test_destroy(test);
}
