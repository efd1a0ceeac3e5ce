/* SPDX-License-Identifier: Apache-2.0 */
#include "signature.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw"
#define OTHER "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define BODY "{\"test\": 2432232314}"
#define WANTED "v1,q6KMVIJHk4Gs770FfR5f591Ftx7uVJSGl5wHV1ri978="

static void expect(const char *secrets, const char *wanted)
{
    char *signature = signature_make(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY, strlen(BODY));

    cr_assert_str_eq(signature, wanted);
    free(signature);
}

Test(signature, is_the_one_that_receivers_compute)
{
    expect(SECRET, WANTED);
}

Test(signature, the_prefix_may_be_missing)
{
    expect(&SECRET[strlen("whsec_")], WANTED);
}

Test(signature, two_secrets_sign_one_beside_the_other)
{
    char *both = signature_make("  " SECRET "  " OTHER " ", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY, strlen(BODY));

    cr_assert_eq(strncmp(both, WANTED " v1,", strlen(WANTED " v1,")), 0, "%s", both);
    cr_assert_eq(strlen(both), 2 * strlen(WANTED) + 1);
    free(both);
}

Test(signature, covers_id_time_and_body)
{
    static const struct {
        const char *id;
        int64_t unix_s;
        const char *body;
    } OTHERS[] = { { "msg_other", 1614265330, BODY },
                   { "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265331, BODY },
                   { "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{}" } };

    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++) {
        char *signature = signature_make(SECRET, OTHERS[i].id, OTHERS[i].unix_s, OTHERS[i].body, strlen(OTHERS[i].body));
        cr_assert_str_neq(signature, WANTED);
        free(signature);
    }
}

Test(signature, a_secret_that_is_none_is_known)
{
    static const char *const WRONG[] = {
        "",
        " ",
        "whsec_",
        "whsec_c2hvcnQ=",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjS",
        "secret",
        "whsec_MfKQ9r8GKYqr=wjUPD8ILPZIo2LaLjSw",
        SECRET " x",
        "whsec_\tfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSwMfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSwMfKQ9r8GKYqrTwjUPD8ILPZIo2Lj"
    };

    cr_assert(signature_secrets_are_valid(SECRET));
    cr_assert(signature_secrets_are_valid(SECRET " " OTHER));
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++)
        cr_assert_not(signature_secrets_are_valid(WRONG[i]), "%s", WRONG[i]);
}
