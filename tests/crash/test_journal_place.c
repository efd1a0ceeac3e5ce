/* SPDX-License-Identifier: Apache-2.0 */
#include "crash/journal_place.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

static char folder[64];

static void start(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/stepd-place-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    (void)unsetenv("STATE_DIRECTORY");
    (void)unsetenv("XDG_STATE_HOME");
}

static void stop(void)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(journal_place, .init = start, .fini = stop);

static char *place(const char *config_path, const char *group, const char *file)
{
    return journal_place(&(struct journal_owner){ config_path, group, file });
}

static void expect_in(const char *below, const char *path)
{
    AUTO_FREE char *wanted = xasprintf("%s%s/journal-", folder, below);
    cr_expect(path != NULL && strncmp(path, wanted, strlen(wanted)) == 0, "%s, not %s", path, wanted);
}

static void point(const char *variable, const char *below)
{
    AUTO_FREE char *path = xasprintf("%s%s", folder, below);
    (void)setenv(variable, path, 1);
}

Test(journal_place, is_what_the_config_names)
{
    AUTO_FREE char *absolute = place("/etc/stepd/stepd.yaml", "g", "/run/j");
    AUTO_FREE char *relative = place("/etc/stepd/stepd.yaml", "g", "j");

    cr_expect_str_eq(absolute, "/run/j");
    cr_expect_str_eq(relative, "/etc/stepd/j");
}

Test(journal_place, is_the_service_managers_folder_before_the_users)
{
    point("STATE_DIRECTORY", "/unit:/another");
    point("XDG_STATE_HOME", "/user");
    AUTO_FREE char *first = place("/c.yaml", "g", "");
    expect_in("/unit", first);
    (void)unsetenv("STATE_DIRECTORY");
    AUTO_FREE char *second = place("/c.yaml", "g", "");
    expect_in("/user/stepd", second);
}

Test(journal_place, passes_over_a_folder_that_cannot_be_made)
{
    (void)setenv("STATE_DIRECTORY", "/proc/nowhere", 1);
    point("XDG_STATE_HOME", "/a/b");
    AUTO_FREE char *path = place("/c.yaml", "g", "");
    expect_in("/a/b/stepd", path);
}

Test(journal_place, is_one_of_each_group_and_config)
{
    point("STATE_DIRECTORY", "/unit");
    AUTO_FREE char *path = place("/c.yaml", "g", "");
    AUTO_FREE char *again = place("/c.yaml", "g", "");
    AUTO_FREE char *of_config = place("/d.yaml", "g", "");
    AUTO_FREE char *of_group = place("/c.yaml", "../h/g\n", "");

    cr_expect_str_eq(path, again);
    cr_expect_str_neq(path, of_config);
    cr_expect_str_neq(path, of_group);
    expect_in("/unit", of_group);
    cr_expect_null(strstr(of_group, ".."));
}

Test(journal_place, is_nowhere_where_nothing_can_be_written)
{
    stop(); /* as another user it could not */
    if (geteuid() == 0)
        cr_assert_eq(setuid(65534), 0);
    (void)setenv("STATE_DIRECTORY", "/proc/nowhere", 1);
    (void)setenv("XDG_STATE_HOME", "not/absolute", 1);
    (void)setenv("HOME", "/nonexistent", 1);
    cr_expect_null(place("/c.yaml", "g", ""));
}
