/* SPDX-License-Identifier: Apache-2.0 */
#include "service/proxy.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void clear(void)
{
    static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unsetenv(names[i]);
}

TestSuite(proxy, .init = clear);

static void expect_spared(const char *rest)
{
    const char *spared = getenv("no_proxy");

    cr_assert_not_null(spared);
    cr_assert(strncmp(spared, "localhost,127.0.0.1,127.0.0.0/8,::1,", 36) == 0, "%s", spared);
    cr_assert_str_eq(spared + strlen(spared) - strlen(rest), rest);
}

Test(proxy, of_the_environment_spares_loopback)
{
    (void)setenv("https_proxy", "http://proxy.example:3128", 1);
    proxy_spare_loopback();
    expect_spared("/104");
}

Test(proxy, keeps_what_no_proxy_had)
{
    (void)setenv("http_proxy", "http://proxy.example:3128", 1);
    (void)setenv("NO_PROXY", "intern.example", 1);
    proxy_spare_loopback();
    expect_spared(",intern.example");
    (void)setenv("no_proxy", "lower.example", 1);
    proxy_spare_loopback();
    expect_spared(",lower.example");
}

Test(proxy, leaves_an_environment_alone_that_names_none_or_spares_all)
{
    proxy_spare_loopback();
    cr_assert_null(getenv("no_proxy"));
    (void)setenv("ALL_PROXY", "socks5://proxy.example", 1);
    (void)setenv("no_proxy", "*", 1);
    proxy_spare_loopback();
    cr_assert_str_eq(getenv("no_proxy"), "*");
}
