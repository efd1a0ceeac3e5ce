/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <stepd/testing.h>
#include <string.h>

extern const struct stepd_module stepd_module;

static char folder[] = "/tmp/sync-XXXXXX";
static char source[64], target[64];
static struct stepd_test *test;

static void execute(const char *path, const char *statements)
{
    sqlite3 *file = NULL;

    cr_assert_eq(sqlite3_open(path, &file), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(file, statements, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(file);
}

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(source, sizeof(source), "%s/source.db", folder);
    (void)snprintf(target, sizeof(target), "%s/target.db", folder);
    execute(source, "CREATE TABLE items (id TEXT PRIMARY KEY, name TEXT, version INTEGER NOT NULL);"
                    "INSERT INTO items VALUES ('a', 'Ada', 1), ('g', 'Grace', 2), ('k', 'Katherine', 3)");
    test = stepd_test_create(&stepd_module);
    stepd_test_configure(test, "options: {sync-systems: {source: '%s', target: '%s', page: 2}}", source, target);
}

static void teardown(void)
{
    char command[96];

    stepd_test_destroy(test);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(sync_systems, .init = setup, .fini = teardown);

static int copied(void)
{
    sqlite3 *file = NULL;
    sqlite3_stmt *count = NULL;

    cr_assert_eq(sqlite3_open(target, &file), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(file, "SELECT count(*) FROM items", -1, &count, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(count), SQLITE_ROW);
    int found = sqlite3_column_int(count, 0);
    (void)sqlite3_finalize(count);
    (void)sqlite3_close(file);
    return found;
}

Test(sync_systems, copies_page_by_page_until_all_is_there)
{
    (void)stepd_test_send(test, STEPD_TEST_EVENT(.name = "auto/sync.request", .data = "{after: 0}"));
    stepd_test_finish_all(test);
    cr_assert_eq(stepd_test_status(stepd_test_run_at(test, 0)), STEPD_TEST_COMPLETED);
    cr_assert_geq(copied(), 2);
}

Test(sync_systems, a_page_saved_twice_does_no_harm)
{
    (void)stepd_test_send(test, STEPD_TEST_EVENT(.name = "auto/sync.request", .data = "{after: 0}"));
    struct stepd_test_run *run = stepd_test_run_at(test, 0);
    stepd_test_crash(run, STEPD_TEST_BEFORE, "save-data");
    cr_assert_eq(stepd_test_finish(run), STEPD_TEST_COMPLETED);
    cr_assert_eq(stepd_test_step_find(run, "get-data")->executions, 1);
    cr_assert_geq(copied(), 2);
}
