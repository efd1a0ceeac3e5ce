/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pulse.h"

#include <criterion/criterion.h>

#include "base/clock.h"

static const char *name;
static int64_t still_ms;
static int64_t start_ms;

static size_t look_after(int64_t ms)
{
    return pulses_look(start_ms + ms, &name, &still_ms);
}

static struct pulse *begin(const char *thread, int64_t limit_ms)
{
    struct pulse *pulse = pulse_start(thread, limit_ms);

    start_ms = clock_monotonic_ms();
    return pulse;
}

Test(pulse, is_stuck_after_its_limit_only)
{
    struct pulse *pulse = begin("store", 1000);

    cr_assert_eq(look_after(0), 0);
    cr_assert_eq(look_after(900), 0);
    cr_assert_eq(look_after(1200), 1);
    cr_assert_str_eq(name, "store");
    cr_assert_geq(still_ms, 1000);
    pulse_stop(pulse);
}

Test(pulse, moves_while_it_beats)
{
    struct pulse *pulse = begin("store", 1000);

    for (int64_t ms = 0; ms < 5000; ms += 800) {
        pulse_beat(pulse);
        cr_assert_eq(look_after(ms), 0);
    }
    cr_assert_eq(look_after(10000), 1);
    pulse_beat(pulse);
    cr_assert_eq(look_after(10001), 0);
    pulse_stop(pulse);
}

Test(pulse, may_rest_for_any_time_until_the_next_beat)
{
    struct pulse *pulse = begin("worker", 1000);

    pulse_rest(pulse);
    cr_assert_eq(look_after(100000), 0);
    pulse_rest(pulse);
    cr_assert_eq(look_after(200000), 0);
    pulse_beat(pulse);
    cr_assert_eq(look_after(200001), 0);
    cr_assert_eq(look_after(202000), 1);
    pulse_stop(pulse);
}

Test(pulse, of_several_the_longest_stuck_is_named)
{
    struct pulse *pulses[] = { pulse_start("consumer", 1000), pulse_start("store", 1000), begin("timers", 60000) };

    cr_assert_eq(look_after(0), 0);
    pulse_beat(pulses[0]);
    cr_assert_eq(look_after(500), 0);
    cr_assert_eq(look_after(3000), 2);
    cr_assert_str_eq(name, "store");
    pulse_stop(pulses[1]);
    cr_assert_eq(look_after(3001), 1);
    cr_assert_str_eq(name, "consumer");
    pulse_stop(pulses[0]);
    pulse_stop(pulses[2]);
    cr_assert_eq(look_after(900000), 0);
}

Test(pulse, is_found_by_its_thread)
{
    struct pulse *pulse = begin("worker", 1000);

    pulse_rest_here();
    cr_assert_eq(look_after(5000), 0);
    pulse_beat_here();
    cr_assert_eq(look_after(5001), 0);
    cr_assert_eq(look_after(9000), 1);
    pulse_stop(pulse);
    pulse_rest_here(); /* no pulse: nothing */
    pulse_beat_here();
}
