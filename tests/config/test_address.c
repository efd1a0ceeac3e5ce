/* SPDX-License-Identifier: Apache-2.0 */
#include "config/address.h"

#include <criterion/criterion.h>

Test(address, knows_what_is_one)
{
    struct error error;

    cr_assert_eq(address_check("127.0.0.1:8288", &error), 0);
    cr_assert_eq(address_check("[::1]:0", &error), 0);
    cr_assert_eq(address_check("localhost:1", &error), 0);
    cr_assert_neq(address_check("8288", &error), 0);
    cr_assert_neq(address_check(":8288", &error), 0);
    cr_assert_neq(address_check("127.0.0.1:99999", &error), 0);
    cr_assert_neq(address_check("127.0.0.1:", &error), 0);
    cr_assert_neq(address_check("::1:80", &error), 0);
    cr_assert_neq(address_check("*:8288", &error), 0); /* getaddrinfo() takes it for the loopback's */
}

Test(address, falls_apart_into_host_and_port)
{
    AUTO_FREE char *host = NULL;
    AUTO_FREE char *port = NULL;
    struct error error;

    cr_assert_eq(address_split("[::1]:8288", &host, &port, &error), 0);
    cr_assert_str_eq(host, "::1");
    cr_assert_str_eq(port, "8288");
}
