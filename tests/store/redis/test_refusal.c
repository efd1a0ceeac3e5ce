/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/refusal.h"

#include <criterion/criterion.h>

Test(refusal, tells_what_an_error_means)
{
    cr_assert_eq(refusal_of("ERR unknown command 'x'"), REFUSAL_FINAL);
    cr_assert_eq(refusal_of("WRONGTYPE Operation against a key holding the wrong kind of value"), REFUSAL_FINAL);
    cr_assert_eq(refusal_of("NOSCRIPT No matching script. Please use EVAL."), REFUSAL_NO_SCRIPT);
    cr_assert_eq(refusal_of("MOVED 3999 127.0.0.1:6381"), REFUSAL_MOVED);
    cr_assert_eq(refusal_of("ASK 3999 127.0.0.1:6381"), REFUSAL_SLOT);
    cr_assert_eq(refusal_of("CLUSTERDOWN The cluster is down"), REFUSAL_SLOT);
    cr_assert_eq(refusal_of("READONLY You can't write against a read only replica."), REFUSAL_READ_ONLY);
    cr_assert_eq(refusal_of("BUSY Redis is busy running a script."), REFUSAL_PASSING);
    cr_assert_eq(refusal_of("OOM command not allowed when used memory > 'maxmemory'."), REFUSAL_PASSING);
    cr_assert_eq(refusal_of("NOREPLICAS Not enough good replicas to write."), REFUSAL_PASSING);
}

/* As servers before 7.0 report what a script met. */
Test(refusal, knows_errors_that_come_out_of_scripts)
{
    cr_assert_eq(
        refusal_of("ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed when used memory > 'maxmemory'."),
        REFUSAL_PASSING);
    cr_assert_eq(
        refusal_of("ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write against a read only replica."),
        REFUSAL_READ_ONLY);
    cr_assert_eq(refusal_of("ERR Error running script (call to f_1): @user_script:1: -MISCONF Redis is configured to save"),
                 REFUSAL_PASSING);
    cr_assert_eq(refusal_of("ERR Error running script (call to f_1): @user_script:1: Script killed by user with SCRIPT KILL..."),
                 REFUSAL_PASSING);
}

/* As Redis 7.0 reports it, and 7.2 and later. */
Test(refusal, knows_what_access_rules_forbid)
{
    cr_assert_eq(refusal_of("NOPERM this user has no permissions to run the 'hset' command"), REFUSAL_RIGHTS);
    cr_assert_eq(refusal_of("NOPERM No permissions to access a key"), REFUSAL_RIGHTS);
    cr_assert_eq(refusal_of("ERR The user executing the script can't run this command or subcommand script: 08be, on @user_script:1."),
                 REFUSAL_RIGHTS);
    cr_assert_eq(refusal_of("ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"),
                 REFUSAL_RIGHTS);
    cr_assert_eq(refusal_of("ERR ACL failure in script: User u has no permissions to run the 'hset' command script: 08be"), REFUSAL_RIGHTS);
}

Test(refusal, knows_servers_that_want_keys_declared)
{
    static const char *const TEXTS[] = {
        "ERR Error running script (call to 5f3a): @user_script:1: script tried accessing undeclared key, key: stepd{0}:runs",
        "ERR bad lua script for redis cluster, all the keys that the script uses should be passed using the KEYS array",
    };

    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        cr_assert(refusal_wants_declared_keys(TEXTS[i]));
        cr_assert_eq(refusal_of(TEXTS[i]), REFUSAL_RIGHTS);
    }
    cr_assert_not(refusal_wants_declared_keys("NOPERM No permissions to access a key"));
}
