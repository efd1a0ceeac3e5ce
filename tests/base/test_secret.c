/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <criterion/criterion.h>

static void expect(const char *text, const char *wanted)
{
    AUTO_FREE char *masked = secret_mask(text);

    cr_assert_str_eq(masked, wanted);
}

Test(secret, passwords_of_urls_are_hidden)
{
    expect("redis://:hunter2@h:6379/0", "redis://***@h:6379/0");
    expect("hunter2 at redis://me:p@ss/word@h and rediss://x@y.", "hunter2 at redis://***@h and rediss://***@y.");
    expect("http://h/path?mail=me", "http://h/path?mail=me");
    expect("unix:///run/redis.sock, mail me@h", "unix:///run/redis.sock, mail me@h");
    expect("", "");
}

Test(secret, names_tell)
{
    static const char *const secret[] = { "sasl.password", "ssl.key.pem", "secret", "signing_key", "Authorization", "crm_token" };
    static const char *const open[] = { "url", "sasl.username", "key", "group.id", "keys", "bootstrap.servers", "ssl.key.location" };

    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        cr_assert(secret_is_name(secret[i]), "%s", secret[i]);
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        cr_assert(!secret_is_name(open[i]), "%s", open[i]);
}
