/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/link.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static int parse(const char *url, struct link_address *address, struct error *error)
{
    *address = (struct link_address){ 0 };
    *error = (struct error){ 0 };
    return link_address_parse(url, address, error);
}

Test(link, reads_urls)
{
    struct link_address address;
    struct error error;

    cr_assert_eq(parse("redis://localhost:6390/2", &address, &error), 0);
    cr_assert_str_eq(address.host, "localhost");
    cr_assert_eq(address.port, 6390);
    cr_assert_eq(address.database, 2);
    cr_assert_null(address.password);
    link_address_done(&address);

    cr_assert_eq(parse("redis://me:p%40ss@[::1]", &address, &error), 0);
    cr_assert_str_eq(address.user, "me");
    cr_assert_str_eq(address.password, "p@ss");
    cr_assert_str_eq(address.host, "::1");
    cr_assert_eq(address.port, 6379);
    link_address_done(&address);

    cr_assert_eq(parse("redis://:secret@h", &address, &error), 0);
    cr_assert_null(address.user);
    cr_assert_str_eq(address.password, "secret");
    link_address_done(&address);

    cr_assert_eq(parse("unix:///run/redis.sock?db=3", &address, &error), 0);
    cr_assert_str_eq(address.path, "/run/redis.sock");
    cr_assert_eq(address.database, 3);
    link_address_done(&address);
}

Test(link, says_what_is_wrong_with_a_url)
{
    struct link_address address;
    struct error error;

    cr_assert_eq(parse("http://x", &address, &error), -EINVAL);
    cr_assert_eq(parse("redis://h:port", &address, &error), -EINVAL);
    cr_assert_eq(parse("redis://h/x", &address, &error), -EINVAL);
    cr_assert_eq(parse("unix://redis.sock", &address, &error), -EINVAL);
    cr_assert_eq(parse("rediss://h", &address, &error), -ENOTSUP);
    cr_assert_not_null(strstr(error.text, "TLS"));
    cr_assert_eq(parse("redis+cluster://h", &address, &error), -ENOTSUP);
    cr_assert_not_null(strstr(error.text, "redis://HOST:PORT"));
}
