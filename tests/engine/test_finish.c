/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a run that the store gave us, when the store refuses for good what became of its attempt. */
#include "engine/dispatch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine_fixture.h"
#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "run/routes.h"

#define CHANGES_MAX 8

static const char VALUE[] = "{\"name\":\"app/x\"}";

/* ---- a store that refuses some kinds of changes --------------------------------------------------- */

static unsigned refused;                       /* bits by enum transition_kind */
static struct transition changes[CHANGES_MAX]; /* that it took */
static char reasons[CHANGES_MAX][ERROR_NAME_SIZE];
static int change_count;
static atomic_int condemned, letters, released;

static int advance(struct store *store, const struct run *run, const struct transition *change, struct transition_reply *ret_reply)
{
    struct failure failure;

    (void)store;
    if ((refused & 1u << change->kind) != 0)
        return -EIO;
    cr_assert_lt(change_count, CHANGES_MAX);
    if (change->tail.data != NULL && attempt_log_last_failure(change->tail, &failure))
        memcpy(reasons[change_count], failure.name, sizeof(failure.name));
    changes[change_count++] = *change;
    *ret_reply = (struct transition_reply){ .answer = STORE_OK, .epoch = run->epoch, .owner = run->owner };
    return 0;
}

static int condemn(struct store *store, const struct run *run)
{
    (void)store;
    (void)run;
    condemned++;
    return 0;
}

static int publish(struct publisher *publisher, const struct outgoing *messages, size_t count)
{
    (void)publisher;
    for (size_t i = 0; i < count; i++)
        letters += strcmp(messages[i].topic, "topic.dead") == 0;
    return 0;
}

static const struct store_ops store_ops = { .advance = advance, .condemn = condemn, .now_ms = engine_fixture_now_ms };
static const struct publisher_ops publisher_ops = { .publish = publish };

/* ---- one run -------------------------------------------------------------------------------------- */

static enum stepd_status charge(struct stepd_ctx *ctx, const void *arg)
{
    (void)ctx;
    (void)arg;
    return STEPD_OK;
}

static enum stepd_status call(struct stepd_ctx *ctx)
{
    return stepd_step_run(ctx, "charge", charge, NULL, NULL);
}

static struct function function = { .id = "f", .event = "app/x", .run = call, .retries = 2, .module = &engine_fixture_module };
static struct event event;

static void release(struct claimed *claimed)
{
    checkpoints_destroy(claimed->run.steps);
    event_done(&event);
    released++;
}

static void run_one(int attempt, enum run_phase phase)
{
    const struct function *const list[] = { &function };
    struct failure failed_of = { .name = "Broken" };
    struct store store = { &store_ops };
    struct publisher publisher = { &publisher_ops };
    struct routes *routes = routes_create(list, 1);
    const struct dispatch_settings settings = engine_fixture_settings(&store, &publisher, routes);
    struct dispatch *dispatch = dispatch_create(&settings);
    struct claimed claimed = {
        .run = { .function = &function,
                 .event = &event,
                 .id = { "0123456789abcdef0123456789abcdef" },
                 .attempt = attempt,
                 .phase = phase,
                 .epoch = 7,
                 .last = phase == RUN_IN_FUNCTION ? NULL : &failed_of },
        .function_id = "f",
        .release = release,
    };
    struct error error;

    event_init(&event, "topic", 0, 5, 1, (struct bytes){ 0 }, (struct bytes){ VALUE, sizeof(VALUE) - 1 }, NULL, 0);
    cr_assert_eq(dispatch_start(dispatch, &error), 0);
    struct run_taker *taker = dispatch_run_taker(dispatch);
    taker->ops->take_run(taker, &claimed);
    for (int i = 0; i < 20000 && released == 0; i++)
        (void)usleep(1000);
    cr_assert_eq(released, 1);
    cr_assert(dispatch_drain(dispatch, 20000));
    cr_assert(dispatch_destroy(dispatch));
    routes_destroy(routes);
}

TestSuite(finish, .timeout = 60);

Test(finish, a_refused_checkpoint_is_a_failed_attempt)
{
    refused = 1u << TRANSITION_CHECKPOINT;
    run_one(1, RUN_IN_FUNCTION);
    cr_assert_eq(change_count, 1);
    cr_assert_eq(changes[0].kind, TRANSITION_PARK);
    cr_assert_eq(changes[0].attempt, 2);
    cr_assert_eq(changes[0].phase, RUN_IN_FUNCTION);
    cr_assert_str_eq(reasons[0], "StoreRefused");
    cr_assert_eq(condemned, 0);
}

Test(finish, after_the_last_attempt_it_fails_for_good)
{
    refused = 1u << TRANSITION_CHECKPOINT;
    run_one(2, RUN_IN_FUNCTION);
    cr_assert_eq(change_count, 1);
    cr_assert_eq(changes[0].kind, TRANSITION_PARK);
    cr_assert_eq(changes[0].phase, RUN_FAILING);
    cr_assert_str_eq(reasons[0], "StoreRefused");
    cr_assert_eq(condemned, 0);
}

Test(finish, a_run_of_which_all_is_refused_does_not_stay_ours)
{
    refused = ~0u;
    run_one(0, RUN_IN_FUNCTION);
    cr_assert_eq(change_count, 0);
    cr_assert_eq(condemned, 1);
}

Test(finish, a_failed_run_that_can_not_be_buried_is_not_tried_again_for_ever)
{
    refused = 1u << TRANSITION_BURY;
    run_one(2, RUN_FAILING);
    cr_assert_eq(letters, 1);
    cr_assert_eq(change_count, 0);
    cr_assert_eq(condemned, 1);
}
