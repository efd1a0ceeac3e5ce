/* SPDX-License-Identifier: Apache-2.0 */
#include "service/watchdog.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "manager_fixture.h"

static struct watchdog *watchdog;

static void setup(void)
{
    struct error error;

    manager_start();
    (void)setenv("WATCHDOG_USEC", "400000", 1);
    cr_assert_eq(watchdog_start(&watchdog, &error), 0);
}

static void teardown(void)
{
    watchdog_stop(watchdog);
    manager_stop();
}

TestSuite(watchdog, .init = setup, .fini = teardown, .timeout = 60);

static bool is_fed(int within_ms)
{
    char text[64];

    return strcmp(manager_told(text, sizeof(text), within_ms), "WATCHDOG=1") == 0;
}

/* Until the watchdog says so. */
static void wait_until_stuck(bool is_stuck, char reason[200])
{
    int64_t end_ms = clock_monotonic_ms() + 30000;

    while (watchdog_is_stuck(watchdog, reason, 200) != is_stuck) {
        cr_assert_lt(clock_monotonic_ms(), end_ms);
        (void)is_fed(10);
    }
}

Test(watchdog, is_fed_while_nothing_is_stuck)
{
    for (int i = 0; i < 5; i++)
        cr_assert(is_fed(20000));
}

Test(watchdog, starves_while_a_thread_is_stuck)
{
    char reason[200] = "";
    struct pulse *moving = pulse_start("moving", 60000);
    struct pulse *stuck = pulse_start("stuck", 100);

    wait_until_stuck(true, reason);
    cr_assert_not_null(strstr(reason, "thread 'stuck' has not moved for"), "%s", reason);
    while (is_fed(0))
        ; /* from before */
    for (int i = 0; i < 5; i++) {
        cr_assert(!is_fed(100));
        pulse_beat(moving);
    }
    pulse_rest(stuck);
    wait_until_stuck(false, reason);
    cr_assert(is_fed(20000));
    pulse_stop(stuck);
    pulse_stop(moving);
}
