/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <stepd/testing.h>
#include <string.h>
#include <unistd.h>

extern const struct stepd_module stepd_module;

static char folder[] = "/tmp/digest-XXXXXX";
static char outbox[64];
static struct stepd_test *test;

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(outbox, sizeof(outbox), "%s/outbox", folder);
    test = stepd_test_create(&stepd_module);
    stepd_test_configure(test, "options: {user-weekly-digest: {outbox: '%s'}}", outbox);
}

static void teardown(void)
{
    char command[96];

    stepd_test_destroy(test);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(user_weekly_digest, .init = setup, .fini = teardown);

static struct stepd_test_run *begin(const char *data)
{
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.name = "user/weekly.digest.requested", .data = data)), 1);
    return stepd_test_run_at(test, stepd_test_run_count(test) - 1);
}

Test(user_weekly_digest, looks_up_and_sends_in_two_steps)
{
    struct stepd_test_run *run = begin("{user_id: u1}");

    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_step_count(run), 2);
    cr_assert_str_eq(stepd_test_step_at(run, 0)->id, "get-user-email");
    cr_assert_str_eq(stepd_test_step_at(run, 1)->id, "send-digest");
}

Test(user_weekly_digest, the_address_is_not_looked_up_again_after_a_crash)
{
    struct stepd_test_run *run = begin("{user_id: u1}");

    stepd_test_crash(run, STEPD_TEST_AFTER, "get-user-email");
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_step_find(run, "get-user-email")->executions, 1);
    cr_assert_geq(stepd_test_takeovers(run), 1);
}

Test(user_weekly_digest, a_user_that_is_gone_fails_the_run_in_words_of_its_own)
{
    struct stepd_test_run *run = begin("{user_id: nobody}");

    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_FAILED);
    cr_assert_str_eq(stepd_test_error(run)->name, "UserGone");
    cr_assert_eq(stepd_test_attempt_count(run), 1);
}
