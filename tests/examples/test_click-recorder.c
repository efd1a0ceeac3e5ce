/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <stepd/testing.h>
#include <unistd.h>

extern const struct stepd_module stepd_module;

static char database[] = "/tmp/clicks-XXXXXX";
static struct stepd_test *test;

static void setup(void)
{
    int file = mkstemp(database);

    cr_assert(file >= 0);
    (void)close(file);
    test = stepd_test_create(&stepd_module);
    stepd_test_configure(test, "options: {click-recorder: {database: '%s'}}", database);
}

static void teardown(void)
{
    stepd_test_destroy(test);
    (void)unlink(database);
}

TestSuite(click_recorder, .init = setup, .fini = teardown);

static int rows(void)
{
    sqlite3 *clicks = NULL;
    sqlite3_stmt *count = NULL;

    cr_assert_eq(sqlite3_open(database, &clicks), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(clicks, "SELECT count(*) FROM clicks", -1, &count, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(count), SQLITE_ROW);
    int found = sqlite3_column_int(count, 0);
    (void)sqlite3_finalize(count);
    (void)sqlite3_close(clicks);
    return found;
}

static struct stepd_test_run *begin(const char *data)
{
    cr_assert_eq(stepd_test_send(test, STEPD_TEST_EVENT(.name = "app/button.clicked", .data = data)), 1);
    struct stepd_test_run *run = stepd_test_run_at(test, stepd_test_run_count(test) - 1);
    (void)stepd_test_finish(run);
    return run;
}

Test(click_recorder, writes_a_row_for_each_click)
{
    cr_assert_eq(stepd_test_status(begin("{button_id: buy, user_id: u1}")), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_status(begin("{button_id: sell}")), STEPD_TEST_COMPLETED);
    cr_assert_eq(rows(), 2);
}

Test(click_recorder, what_is_no_click_fails_at_once)
{
    struct stepd_test_run *run = begin("nothing of the kind");

    cr_assert_eq(stepd_test_status(run), STEPD_TEST_FAILED);
    cr_assert_eq(stepd_test_attempt_count(run), 1);
    cr_assert_str_eq(stepd_test_error(run)->name, "NotAClick");
}
