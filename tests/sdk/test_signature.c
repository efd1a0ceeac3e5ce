/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/signature.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define KEY "signkey-test-8ee2262a15e8d3c42d6a840db7af3de2aab08ef632b32a37a687f24b34dba3ff"

/* Against an implementation of its own: coreutils and openssl. */
Test(signature, is_what_others_make_of_key_body_and_time)
{
    AUTO_FREE char *signature = signature_make("signkey-test-12345678", (struct bytes){ "{\"a\":1}", 7 }, 1700000000);
    char expected[200];

    FILE *sum = popen("printf '{\"a\":1}1700000000' | openssl dgst -sha256 -hmac 12345678 -r | cut -d' ' -f1", "r");
    cr_assert_not_null(fgets(expected, sizeof(expected), sum));
    (void)pclose(sum);
    expected[strcspn(expected, "\n")] = '\0';
    cr_assert(strncmp(signature, "t=1700000000&s=", 15) == 0, "%s", signature);
    cr_assert_str_eq(signature + 15, expected);
}

Test(signature, admits_who_has_the_hash_of_the_key)
{
    /* printf '\x12\x34' | sha256sum */
    const char *right = "Bearer signkey-test-3a103a4e5729ad68c02a678ae39accfbc0ae208096437401b7ceab63cca0622f";

    cr_assert(signing_key_admits("signkey-test-1234", right));
    cr_assert(signing_key_admits("signkey-test-1234", "Bearer 3a103a4e5729ad68c02a678ae39accfbc0ae208096437401b7ceab63cca0622f"));
    cr_assert_not(signing_key_admits("signkey-test-1235", right));
    cr_assert_not(signing_key_admits("signkey-prod-1234", right));
    cr_assert_not(signing_key_admits("signkey-test-1234", right + 7));
    cr_assert_not(signing_key_admits("signkey-test-1234", "Bearer signkey-test-1234"));
    cr_assert_not(signing_key_admits("signkey-test-1234", "Bearer undefined"));
    cr_assert_not(signing_key_admits("signkey-test-1234", NULL));
}

Test(signature, without_a_key_admits_anybody)
{
    cr_assert(signing_key_admits(NULL, NULL));
    cr_assert(signing_key_admits(NULL, "Bearer undefined"));
}

Test(signature, has_keys_of_hex_digits)
{
    cr_assert(signing_key_is_valid(KEY));
    cr_assert(signing_key_is_valid("abcd"));
    cr_assert_not(signing_key_is_valid("signkey-test-"));
    cr_assert_not(signing_key_is_valid("signkey-test-123"));
    cr_assert_not(signing_key_is_valid("signkey-test-12xx"));
}

static void assert_canonical(const char *text, const char *expected)
{
    msgpack_sbuffer body;

    msgpack_sbuffer_init(&body);
    msgpack_sbuffer_write(&body, text, strlen(text));
    signature_canonicalize(&body);
    cr_assert_eq(body.size, strlen(expected), "%.*s", (int)body.size, body.data);
    cr_assert_eq(memcmp(body.data, expected, body.size), 0, "%.*s", (int)body.size, body.data);
    msgpack_sbuffer_destroy(&body);
}

Test(signature, is_of_members_in_order_and_numbers_at_their_shortest)
{
    assert_canonical("{\"b\": [ {\"z\":1, \"a\":null} ], \"a\": true, \"aa\": \"x\"}",
                     "{\"a\":true,\"aa\":\"x\",\"b\":[{\"a\":null,\"z\":1}]}");
    assert_canonical("[2.0, -3.0, 1.5, 0.0]", "[2,-3,1.5,0]");
    assert_canonical("{}", "{}");
}
