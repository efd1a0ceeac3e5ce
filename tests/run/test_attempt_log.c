/* SPDX-License-Identifier: Apache-2.0 */
#include "run/attempt_log.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "codec/packed.h"

static msgpack_sbuffer tail;

static struct bytes now(void)
{
    return (struct bytes){ tail.data, tail.size };
}

static void add(const struct attempt_entry *entry, struct bytes output)
{
    msgpack_sbuffer next;

    msgpack_sbuffer_init(&next);
    attempt_log_pack(&next, now(), entry, output, (struct bytes){ 0 });
    msgpack_sbuffer_destroy(&tail);
    tail = next;
}

static void add_failure(int attempt, const char *message)
{
    struct failure failure = { .name = "Broken", .attempt = attempt, .step_id = "charge", .executions = attempt + 1 };

    snprintf(failure.message, sizeof(failure.message), "%s", message);
    add(&(struct attempt_entry){ .started_ms = 1000 + attempt, .duration_ms = 5, .due_ms = 9000, .failure = &failure, .attempt = attempt },
        (struct bytes){ 0 });
}

static void setup(void)
{
    msgpack_sbuffer_init(&tail);
}

static void teardown(void)
{
    msgpack_sbuffer_destroy(&tail);
}

TestSuite(attempts, .init = setup, .fini = teardown);

Test(attempts, of_nothing_are_none)
{
    struct failure failure;

    cr_assert_eq(attempt_log_count(now()), 0);
    cr_assert_not(attempt_log_last_failure(now(), &failure));
    cr_assert_eq(attempt_log_output(now()).size, 0);
}

Test(attempts, come_back_as_they_were)
{
    struct attempt_entry entry;
    struct failure failure;

    add_failure(3, "no \xff luck");
    cr_assert_eq(attempt_log_count(now()), 1);
    attempt_log_at(now(), 0, &entry, &failure);
    cr_assert_eq(entry.started_ms, 1003);
    cr_assert_eq(entry.duration_ms, 5);
    cr_assert_eq(entry.due_ms, 9000);
    cr_assert_eq(entry.attempt, 3);
    cr_assert_eq(entry.failure, &failure);
    cr_assert_str_eq(failure.name, "Broken");
    cr_assert_str_eq(failure.message, "no \xff luck");
    cr_assert_str_eq(failure.step_id, "charge");
    cr_assert_eq(failure.executions, 4);
}

Test(attempts, of_on_failure_count_from_0_and_the_functions_last_is_found_before_them)
{
    cr_assert_eq(attempt_log_before_on_failure(now(), 0), 0, "of nothing");
    for (int attempt = 0; attempt <= 2; attempt++)
        add_failure(attempt, "no luck");
    cr_assert_eq(attempt_log_before_on_failure(now(), 0), 2, "before on_failure's first is logged");
    add_failure(0, "on_failure");
    cr_assert_eq(attempt_log_before_on_failure(now(), 0), 2);
    add_failure(1, "on_failure");
    cr_assert_eq(attempt_log_before_on_failure(now(), 1), 2);
    cr_assert_eq(attempt_log_before_on_failure(now(), 2), 2);
}

Test(attempts, of_on_failure_follow_a_function_that_had_one)
{
    add_failure(0, "no luck");
    cr_assert_eq(attempt_log_before_on_failure(now(), 0), 0);
    add_failure(0, "on_failure");
    add_failure(1, "on_failure");
    cr_assert_eq(attempt_log_before_on_failure(now(), 1), 0);
}

Test(attempts, keep_the_last_twenty)
{
    struct attempt_entry entry;
    struct failure failure;

    for (int i = 0; i < 30; i++)
        add_failure(i, "again");
    cr_assert_eq(attempt_log_count(now()), ATTEMPT_LOG_KEPT);
    attempt_log_at(now(), 0, &entry, &failure);
    cr_assert_eq(entry.attempt, 10);
    attempt_log_at(now(), ATTEMPT_LOG_KEPT - 1, &entry, &failure);
    cr_assert_eq(entry.attempt, 29);
}

Test(attempts, remember_the_latest_failure_past_a_suspension)
{
    struct failure failure;

    add_failure(1, "first");
    add_failure(2, "second");
    add(&(struct attempt_entry){ .started_ms = 5000 }, (struct bytes){ 0 });
    cr_assert(attempt_log_last_failure(now(), &failure));
    cr_assert_str_eq(failure.message, "second");
    cr_assert_eq(failure.attempt, 2);
}

Test(attempts, carry_the_output)
{
    add_failure(0, "once");
    add(NULL, (struct bytes){ "\x82\xa1"
                              "a\x01\xa1"
                              "b\x02",
                              7 });
    cr_assert_eq(attempt_log_count(now()), 1);
    cr_assert_eq(attempt_log_output(now()).size, 7);
    cr_assert_arr_eq(attempt_log_output(now()).data,
                     "\x82\xa1"
                     "a\x01\xa1"
                     "b\x02",
                     7);
}

Test(attempts, begin_anew_where_the_tail_is_damaged)
{
    add_failure(0, "lost");
    for (size_t size = 0; size < tail.size; size++)
        cr_assert_eq(attempt_log_count((struct bytes){ tail.data, size }), 0, "%zu bytes", size);
    tail.data[2] = '\x99';
    add_failure(1, "kept");
    cr_assert_eq(attempt_log_count(now()), 1);
}

Test(attempts, are_one_valid_object)
{
    msgpack_object object;
    msgpack_zone zone;

    for (int i = 0; i < 25; i++)
        add_failure(i, "valid");
    msgpack_zone_init(&zone, 1024);
    cr_assert_eq(packed_decode(now(), &zone, &object, NULL), 0);
    cr_assert_eq(object.via.array.ptr[0].via.array.size, ATTEMPT_LOG_KEPT);
    msgpack_zone_destroy(&zone);
}

Test(attempts, keep_branches_beside_them_until_there_are_none)
{
    const struct bytes branches = { "\x91\x93\xa1"
                                    "a\x01\x02",
                                    6 };
    msgpack_sbuffer next;

    add_failure(0, "once");
    cr_assert_eq(attempt_log_branches(now()).size, 0);
    msgpack_sbuffer_init(&next);
    attempt_log_pack(&next, now(), NULL, (struct bytes){ 0 }, branches);
    struct bytes with = { next.data, next.size };
    cr_assert_eq(attempt_log_branches(with).size, branches.size);
    cr_assert_eq(memcmp(attempt_log_branches(with).data, branches.data, branches.size), 0);
    cr_assert_eq(attempt_log_count(with), 1);
    msgpack_sbuffer_destroy(&tail);
    tail = next;
    add_failure(1, "again");
    cr_assert_eq(attempt_log_branches(now()).size, 0);
    cr_assert_eq(attempt_log_count(now()), 2);
}
