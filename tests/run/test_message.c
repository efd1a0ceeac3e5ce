/* SPDX-License-Identifier: Apache-2.0 */
#include "run/message.h"

#include <criterion/criterion.h>

static struct assignment assignment;
static struct batch batch;
static struct message message;

/* As the consumer and dispatch begin with it. */
static void begin(int runs)
{
    atomic_store(&batch.open, 1);
    message_init(&message, &assignment, &batch);
    atomic_store(&message.runs, (uint64_t)runs);
    cr_assert(message_begin(&message));
}

Test(message, ends_as_its_one_run_did)
{
    begin(1);
    message_end_run(&message, MESSAGE_TAKEN);
    cr_assert_eq(message.state, MESSAGE_TAKEN);
    cr_assert_eq(batch.open, 0u);
}

Test(message, ends_with_the_last_of_its_runs)
{
    begin(3);
    message_end_run(&message, MESSAGE_DONE);
    message_end_run(&message, MESSAGE_DONE);
    cr_assert_eq(batch.open, 1u);
    message_end_run(&message, MESSAGE_DONE);
    cr_assert_eq(message.state, MESSAGE_DONE);
}

Test(message, comes_again_when_one_of_its_runs_was_dropped)
{
    begin(3);
    message_end_run(&message, MESSAGE_DONE);
    message_end_run(&message, MESSAGE_DROPPED);
    message_end_run(&message, MESSAGE_TAKEN);
    cr_assert_eq(message.state, MESSAGE_DROPPED);
}

Test(message, is_taken_when_one_of_its_runs_was_and_none_dropped)
{
    begin(2);
    message_end_run(&message, MESSAGE_TAKEN);
    message_end_run(&message, MESSAGE_DONE);
    cr_assert_eq(message.state, MESSAGE_TAKEN);
}

Test(message, is_known_when_one_of_its_runs_was_and_the_others_are_done)
{
    begin(2);
    message_end_run(&message, MESSAGE_KNOWN);
    message_end_run(&message, MESSAGE_DONE);
    cr_assert_eq(message.state, MESSAGE_KNOWN);
    begin(2);
    message_end_run(&message, MESSAGE_KNOWN);
    message_end_run(&message, MESSAGE_TAKEN);
    cr_assert_eq(message.state, MESSAGE_TAKEN);
}

/* Else what is done would count as dropped for ever, and its partition's commits stand still. */
Test(message, knows_nothing_of_who_had_its_place_before)
{
    begin(2);
    message_end_run(&message, MESSAGE_DROPPED);
    message_end_run(&message, MESSAGE_DONE);
    begin(1);
    message_end_run(&message, MESSAGE_DONE);
    cr_assert_eq(message.state, MESSAGE_DONE);
}

Test(message, takes_no_place_while_all_its_runs_are_away)
{
    begin(3);
    atomic_store(&batch.away, 0);
    message_run_leaves(&message);
    message_run_leaves(&message);
    cr_assert_eq(batch_away_count(&batch), 0);
    message_end_run(&message, MESSAGE_DONE);
    cr_assert_eq(batch_away_count(&batch), 1);
    message_run_returns(&message);
    cr_assert_eq(batch_away_count(&batch), 0);
    message_end_run(&message, MESSAGE_DONE);
    cr_assert_eq(batch_away_count(&batch), 1);
    message_run_returns(&message);
    message_end_run(&message, MESSAGE_TAKEN);
    cr_assert_eq(batch_away_count(&batch), 0);
    cr_assert_eq(batch.open, 0u);
    cr_assert_eq(message.state, MESSAGE_TAKEN);
}
