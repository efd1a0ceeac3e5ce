/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_host.h"

#include <criterion/criterion.h>

#define MS INT64_C(1000000)
#define CALLS 4096

static struct http_host *hosts;
static struct http_call calls[CALLS];
static int64_t out_ns[CALLS];
static unsigned lanes[CALLS];
static size_t out, back; /* calls that went out, and that came back, in order */
static int64_t now_ns;

static struct http_host *host_with_calls(const char *url)
{
    struct http_host *host = http_host_find(&hosts, url);

    for (size_t i = 0; i < CALLS; i++)
        http_call_list_add(&host->waiting, &calls[i]);
    out = back = 0;
    now_ns = MS;
    return host;
}

static void send(struct http_host *host)
{
    for (struct http_call *call; (call = http_host_next(host, now_ns)) != NULL;) {
        lanes[out] = call->lane;
        out_ns[out++] = now_ns;
    }
}

/* Each is answered after that time, in steps of a millisecond. The most that were under way. */
static size_t serve(struct http_host *host, int64_t answer_ms, int64_t time_ms)
{
    size_t most = 0;

    for (int64_t end_ns = now_ns + time_ms * MS; now_ns < end_ns; now_ns += MS) {
        for (; back < out && now_ns - out_ns[back] >= answer_ms * MS; back++)
            http_host_end(host, lanes[back], out_ns[back], now_ns);
        send(host);
        most = out - back > most ? out - back : most;
    }
    return most;
}

static void end(void)
{
    http_hosts_destroy(hosts);
    hosts = NULL;
}

TestSuite(http_host, .fini = end);

Test(http_host, is_one_for_all_urls_that_begin_alike)
{
    struct http_host *host = http_host_find(&hosts, "http://a:80/x");

    cr_assert_eq(http_host_find(&hosts, "http://a:80/y?z"), host);
    cr_assert_eq(http_host_find(&hosts, "http://a:80"), host);
    cr_assert_neq(http_host_find(&hosts, "http://a:81/x"), host);
    cr_assert_neq(http_host_find(&hosts, "https://a:80/x"), host);
}

Test(http_host, that_answers_at_once_gets_few_at_a_time)
{
    cr_assert_eq(serve(host_with_calls("http://quick"), 5, 500), 32);
    cr_assert_gt(back, 500);
}

Test(http_host, that_takes_a_second_soon_has_thousands)
{
    cr_assert_eq(serve(host_with_calls("http://slow"), 1000, 1000), CALLS);
}

Test(http_host, that_takes_fifty_milliseconds_gets_more_while_calls_wait)
{
    cr_assert_gt(serve(host_with_calls("http://fair"), 50, 1000), 500);
}

Test(http_host, that_was_idle_begins_with_little_again)
{
    struct http_host *host = host_with_calls("http://slow");

    (void)serve(host, 1000, 3000);
    cr_assert_eq(back, CALLS);
    int64_t before_ns = now_ns;
    host = host_with_calls("http://slow");
    now_ns = before_ns + 2000 * MS;
    send(host);
    cr_assert_eq(out, 32);
}

Test(http_host, has_no_more_than_so_many_calls_by_one_lane)
{
    struct http_host *host = host_with_calls("http://slow");

    (void)serve(host, 1000, 999);
    for (unsigned lane = 0; lane < CALLS / HTTP_LANE_CALLS; lane++)
        cr_assert_eq(host->lanes[lane], HTTP_LANE_CALLS);
    host = http_host_find(&hosts, "http://quick");
    http_call_list_add(&host->waiting, &calls[0]);
    cr_assert_eq(http_host_next(host, now_ns)->lane, 0);
}
