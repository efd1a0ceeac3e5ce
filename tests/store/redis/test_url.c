/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/url.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "store/redis/tls.h"

static int parse(const char *text, struct redis_url *url)
{
    struct error error = { 0 };

    *url = (struct redis_url){ 0 };
    int status = url_parse(text, url, &error);
    cr_assert_eq(status == 0, error.text[0] == '\0', "%s", error.text);
    return status;
}

static void expect_place(const struct redis_url *url, size_t at, const char *name, int port)
{
    cr_assert_str_eq(url->places[at].name, name);
    cr_assert_eq(url->places[at].port, port);
}

Test(url, leads_to_one_server)
{
    struct redis_url url;

    cr_assert_eq(parse("redis://localhost:6390/2", &url), 0);
    cr_assert_eq(url.kind, URL_SERVER);
    expect_place(&url, 0, "localhost", 6390);
    cr_assert_eq(url.database, 2);
    cr_assert_null(url.password);
    url_done(&url);

    cr_assert_eq(parse("redis://me:p%40ss@[::1]", &url), 0);
    cr_assert_str_eq(url.user, "me");
    cr_assert_str_eq(url.password, "p@ss");
    expect_place(&url, 0, "::1", 6379);
    url_done(&url);

    cr_assert_eq(parse("redis://:secret@h", &url), 0);
    cr_assert_null(url.user);
    cr_assert_str_eq(url.password, "secret");
    url_done(&url);

    cr_assert_eq(parse("redis://", &url), 0);
    expect_place(&url, 0, "localhost", 6379);
    url_done(&url);
}

Test(url, leads_to_a_socket)
{
    struct redis_url url;

    cr_assert_eq(parse("unix:///run/redis.sock?db=3", &url), 0);
    expect_place(&url, 0, "/run/redis.sock", 0);
    cr_assert_eq(url.database, 3);
    url_done(&url);

    cr_assert_eq(parse("unix://me:secret@/run/redis.sock", &url), 0);
    expect_place(&url, 0, "/run/redis.sock", 0);
    cr_assert_str_eq(url.user, "me");
    url_done(&url);
}

Test(url, leads_to_sentinels)
{
    struct redis_url url;

    cr_assert_eq(parse("redis+sentinel://:secret@a,b:1,[::2]:3/mymaster/4", &url), 0);
    cr_assert_eq(url.kind, URL_SENTINEL);
    cr_assert_eq(url.count, 3);
    expect_place(&url, 0, "a", 26379);
    expect_place(&url, 1, "b", 1);
    expect_place(&url, 2, "::2", 3);
    cr_assert_str_eq(url.master, "mymaster");
    cr_assert_str_eq(url.password, "secret");
    cr_assert_eq(url.database, 4);
    url_done(&url);
}

Test(url, leads_to_a_cluster)
{
    struct redis_url url;

    cr_assert_eq(parse("redis+cluster://u:p@a:7000,b/", &url), 0);
    cr_assert_eq(url.kind, URL_CLUSTER);
    expect_place(&url, 0, "a", 7000);
    expect_place(&url, 1, "b", 6379);
    cr_assert_str_eq(url.user, "u");
    url_done(&url);
}

/* As people type it; written by the book the slash is %2F. */
Test(url, a_password_may_hold_a_slash)
{
    static const char *const TEXTS[] = { "redis://me:a/b@h:1/2", "redis+sentinel://me:a/b@h:1,g:2/name/2", "redis+cluster://me:a/b@h:1,g:2",
                                         "redis://me:a%2Fb@h:1/2" };
    struct redis_url url;

    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        cr_assert_eq(parse(TEXTS[i], &url), 0, "%s", TEXTS[i]);
        cr_expect_str_eq(url.user, "me");
        cr_expect_str_eq(url.password, "a/b");
        expect_place(&url, 0, "h", 1);
        url_done(&url);
    }
}

Test(url, says_what_is_wrong)
{
    struct redis_url url;

    cr_assert_eq(parse("http://x", &url), -EINVAL);
    cr_assert_eq(parse("redis://h:port", &url), -EINVAL);
    cr_assert_eq(parse("redis://h:0", &url), -EINVAL);
    cr_assert_eq(parse("redis://h/x", &url), -EINVAL);
    cr_assert_eq(parse("redis://a,b", &url), -EINVAL);
    cr_assert_eq(parse("unix://redis.sock", &url), -EINVAL);
    cr_assert_eq(parse("unix:///redis.sock?x=1", &url), -EINVAL);
    cr_assert_eq(parse("redis+sentinel://a,b", &url), -EINVAL);
    cr_assert_eq(parse("redis+sentinel://a,b/", &url), -EINVAL);
    cr_assert_eq(parse("redis+cluster://a/1", &url), -EINVAL);
}

Test(url, tls_needs_a_build_with_it)
{
    struct redis_url url;

    if (!tls_is_built_in()) {
        cr_assert_eq(parse("rediss://h", &url), -ENOTSUP);
        return;
    }
    cr_assert_eq(parse("rediss://h:6380/1", &url), 0);
    cr_assert(url.has_tls);
    url_done(&url);
}

Test(url, reads_places_as_redis_says_them)
{
    const struct redis_place asked = { "10.0.0.1", 7000 };
    struct redis_place place;
    char text[PLACE_TEXT_SIZE];

    cr_assert(place_read("10.0.0.2:7001", 13, &asked, &place));
    cr_assert_str_eq(place_text(&place, text), "10.0.0.2:7001");
    cr_assert(place_read(":7002", 5, &asked, &place), "the host that was asked");
    cr_assert_str_eq(place_text(&place, text), "10.0.0.1:7002");
    cr_assert(place_read("fe80::1:7003", 12, &asked, &place));
    cr_assert_str_eq(place_text(&place, text), "[fe80::1]:7003");
    cr_assert_not(place_read("nowhere", 7, &asked, &place));
    cr_assert_not(place_read("h:", 2, &asked, &place));
    cr_assert_not(place_read("h:70000", 7, &asked, &place));
}
