/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/pipeline.h"

#include <criterion/criterion.h>

#include "base/clock.h"

#define MS INT64_C(1000000) /* ns */

static struct pipeline pipeline;
static struct request requests[4096];

static void set_up(void)
{
    pipeline_init(&pipeline);
}
TestSuite(pipeline, .init = set_up);

static void send_many(size_t count)
{
    for (size_t i = 0; i < count; i++)
        pipeline_send(&pipeline, &requests[i]);
}

Test(pipeline, lets_requests_gather_while_replies_are_quick)
{
    cr_assert_not(pipeline_wants(&pipeline, 0));
    cr_assert(pipeline_wants(&pipeline, 1));
    send_many(10);
    cr_assert_not(pipeline_wants(&pipeline, 4));
    cr_assert(pipeline_wants(&pipeline, 5));
}

Test(pipeline, sends_at_once_where_replies_are_slow)
{
    send_many(10);
    requests[0].sent_ns = 0;
    cr_assert_eq(pipeline_answered(&pipeline, 1000 * MS), &requests[0]);
    cr_assert(pipeline_wants(&pipeline, 1));
}

Test(pipeline, admits_no_more_than_its_window)
{
    struct request_list waiting, taken;

    request_list_init(&waiting);
    request_list_init(&taken);
    for (size_t i = 24; i < 3000; i++)
        request_list_add(&waiting, &requests[i]);
    send_many(24);
    cr_assert_eq(pipeline_admit(&pipeline, &waiting, &taken), 1000);
    cr_assert_eq(taken.first, &requests[24]);
    cr_assert_eq(waiting.first, &requests[1024]);
}

Test(pipeline, admits_no_more_than_fit_by_their_bytes)
{
    struct request_list waiting, taken;

    request_list_init(&waiting);
    request_list_init(&taken);
    for (size_t i = 0; i < 8; i++) {
        requests[i].size = (size_t)1 << 20;
        request_list_add(&waiting, &requests[i]);
    }
    cr_assert_eq(pipeline_admit(&pipeline, &waiting, &taken), 4);
}

Test(pipeline, answers_go_to_requests_in_their_order)
{
    send_many(2);
    cr_assert_eq(pipeline_answered(&pipeline, 0), &requests[0]);
    cr_assert_eq(pipeline_answered(&pipeline, 0), &requests[1]);
    cr_assert_null(pipeline_answered(&pipeline, 0));
}

Test(pipeline, is_troubled_until_what_was_put_off_has_left)
{
    struct request_list taken;

    pipeline_enter(&pipeline, &requests[0]);
    pipeline_put_off(&pipeline, &requests[0]);
    cr_assert(pipeline_is_troubled(&pipeline));
    pipeline_take_put_off(&pipeline, &taken);
    cr_assert_eq(request_list_take(&taken), &requests[0]);
    pipeline_put_off(&pipeline, &requests[0]); /* once more: still one */
    pipeline_take_all(&pipeline, &taken);
    pipeline_leave(&pipeline, &requests[0]);
    cr_assert_not(pipeline_is_troubled(&pipeline));
    pipeline_enter(&pipeline, &requests[0]); /* it comes to another lane with its trouble */
    cr_assert(pipeline_is_troubled(&pipeline));
}

Test(pipeline, what_is_put_off_waits_longer_each_time_up_to_a_quarter_of_a_second)
{
    struct request_list taken;
    int64_t last_ms = 0;

    for (int i = 0; i < 10; i++) {
        int64_t now_ms = clock_monotonic_ms();
        pipeline_put_off(&pipeline, &requests[0]);
        int64_t delay_ms = requests[0].not_before_ms - now_ms;
        cr_assert(delay_ms >= last_ms || delay_ms >= 250);
        last_ms = i < 4 ? delay_ms + 1 : 250;
        pipeline_take_put_off(&pipeline, &taken);
    }
}

Test(pipeline, is_patient_until_the_first_thing_that_is_due)
{
    cr_assert_eq(pipeline_patience_ms(&pipeline, 1000), -1);
    cr_assert_not(pipeline_is_silent(&pipeline, 0));
    pipeline_send(&pipeline, &requests[0]);
    cr_assert(pipeline_is_silent(&pipeline, 0));
    cr_assert_not(pipeline_is_silent(&pipeline, 1000000));
    int patience_ms = pipeline_patience_ms(&pipeline, 1000000);
    cr_assert(patience_ms > 500000 && patience_ms <= 1000000);
    pipeline_hold(&pipeline, &requests[1], clock_monotonic_ms());
    cr_assert_eq(pipeline_patience_ms(&pipeline, 1000000), 0);
}
