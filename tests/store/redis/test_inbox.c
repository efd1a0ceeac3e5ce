/* SPDX-License-Identifier: Apache-2.0 */
/* When a lane is woken, what it then takes, and to whom it lends its link. */
#include "store/redis/inbox.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "store/redis/group.h"

#define MOMENT_US 20000 /* longer than anything gathers */

static struct inbox inbox;
static struct pipeline pipeline;
static struct script_call unhurried = { .group = GROUP_ADVANCES, .is_unhurried = true };
static struct request requests[GROUP_MOST + 1];

static void set_up(void)
{
    inbox_init(&inbox);
    pipeline_init(&pipeline);
}
TestSuite(inbox, .init = set_up, .timeout = 60);

static void push(struct request *request, struct script_call *call)
{
    request->call = call;
    cr_assert(inbox_push(&inbox, request));
}

static bool is_woken(void)
{
    struct pollfd woken = { .fd = inbox.wake_fd, .events = POLLIN };

    return poll(&woken, 1, 0) == 1;
}

static size_t take(void)
{
    struct request_list taken;
    size_t count = inbox_take(&inbox, &pipeline, &taken);
    size_t listed = 0;

    while (request_list_take(&taken) != NULL)
        listed++;
    cr_assert_eq(count, listed);
    return count;
}

static void wake_up(void)
{
    inbox_wake_up(&inbox, is_woken() ? POLLIN : 0);
}

Test(inbox, what_somebody_waits_for_is_taken_at_once)
{
    cr_assert_eq(inbox_fall_asleep(&inbox, &pipeline, -1), -1);
    push(&requests[0], NULL);
    cr_assert(is_woken());
    wake_up();
    cr_assert_eq(take(), 1);
}

Test(inbox, what_nobody_waits_for_gathers_for_a_moment)
{
    cr_assert_eq(inbox_fall_asleep(&inbox, &pipeline, -1), -1);
    push(&requests[0], &unhurried);
    cr_assert(is_woken(), "so that it sleeps no longer than that");
    wake_up();
    cr_assert_eq(take(), 0);
    int sleep_ms = inbox_fall_asleep(&inbox, &pipeline, -1);
    cr_assert(sleep_ms >= 0 && sleep_ms < 10);
    push(&requests[1], &unhurried);
    cr_assert_not(is_woken());
    (void)usleep(MOMENT_US);
    cr_assert_eq(inbox_fall_asleep(&inbox, &pipeline, -1), 0);
    cr_assert_eq(take(), 2);
    cr_assert_eq(inbox_fall_asleep(&inbox, &pipeline, -1), -1);
}

Test(inbox, as_many_as_go_out_together_wait_for_no_more)
{
    for (size_t i = 0; i < GROUP_MOST - 1; i++)
        push(&requests[i], &unhurried);
    (void)inbox_fall_asleep(&inbox, &pipeline, -1);
    cr_assert_not(is_woken());
    push(&requests[GROUP_MOST - 1], &unhurried);
    cr_assert(is_woken());
    wake_up();
    cr_assert_eq(take(), GROUP_MOST);
}

Test(inbox, what_is_urgent_overtakes_what_gathers)
{
    push(&requests[0], &unhurried);
    push(&requests[1], NULL);
    cr_assert_eq(take(), 1);
    (void)usleep(MOMENT_US);
    cr_assert_eq(take(), 1);
}

static void end(struct request *request)
{
    cr_assert_eq(request->status, -ESHUTDOWN);
}

Test(inbox, what_gathers_ends_where_the_lane_stops)
{
    requests[0] = (struct request){ .done = end };
    cr_assert_gt(redisFormatCommand(&requests[0].command, "PING"), 0);
    push(&requests[0], &unhurried);
    inbox_stop(&inbox);
    cr_assert_eq(requests[0].status, -ESHUTDOWN);
    inbox_done(&inbox);
}

/* ---- a link that is lent ---------------------------------------------------------------------------- */

Test(inbox, is_lent_to_one_while_the_lane_sleeps_with_nothing_under_way)
{
    cr_assert_not(inbox_borrow(&inbox), "it is awake");
    (void)inbox_fall_asleep(&inbox, &pipeline, -1);
    cr_assert(inbox_borrow(&inbox));
    cr_assert_not(inbox_borrow(&inbox), "another has it");
    inbox_give_back(&inbox, true);
    cr_assert_not(is_woken());
    cr_assert(inbox_borrow(&inbox));
    inbox_give_back(&inbox, true);
    wake_up();

    pipeline_send(&pipeline, &requests[0]);
    (void)inbox_fall_asleep(&inbox, &pipeline, -1);
    cr_assert_not(inbox_borrow(&inbox), "an answer is on its way");
}

Test(inbox, is_not_lent_while_something_waits)
{
    (void)inbox_fall_asleep(&inbox, &pipeline, -1);
    push(&requests[0], NULL);
    cr_assert_not(inbox_borrow(&inbox));
}

Test(inbox, the_lane_sees_to_what_a_borrower_leaves_and_lends_nothing_for_a_moment)
{
    (void)inbox_fall_asleep(&inbox, &pipeline, -1);
    cr_assert(inbox_borrow(&inbox));
    inbox_give_back(&inbox, false);
    cr_assert(is_woken());
    wake_up();
    (void)inbox_fall_asleep(&inbox, &pipeline, -1);
    cr_assert_not(inbox_borrow(&inbox));
    (void)usleep(MOMENT_US);
    cr_assert(inbox_borrow(&inbox));
}

static void *wake_up_as_lane(void *argument)
{
    (void)argument;
    inbox_wake_up(&inbox, POLLIN);
    return NULL;
}

Test(inbox, a_lane_that_is_woken_waits_for_its_link_and_says_so)
{
    pthread_t lane;

    (void)inbox_fall_asleep(&inbox, &pipeline, -1);
    cr_assert(inbox_borrow(&inbox));
    cr_assert_eq(pthread_create(&lane, NULL, wake_up_as_lane, NULL), 0);
    while (!is_woken())
        (void)usleep(100);
    inbox_give_back(&inbox, true);
    cr_assert_eq(pthread_join(lane, NULL), 0);
    cr_assert_not(inbox_borrow(&inbox));
}
