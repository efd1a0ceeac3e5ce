/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that are tried beside each other. */
#include "scenario.h"

/* The branches' order is nobody's: each is late by its place, so that traces can be compared. */
struct late {
    struct work work;
    int ms;
    bool is_silent; /* its tries come between those of others */
};

static enum stepd_status do_late(struct stepd_ctx *ctx, const void *arg)
{
    const struct late *late = arg;
    const struct timespec pause = { .tv_sec = late->ms / 1000, .tv_nsec = late->ms % 1000 * 1000000L };

    (void)nanosleep(&pause, NULL);
    if (!late->is_silent)
        return do_work(ctx, &late->work);
    if (stepd_attempt(ctx) < late->work.failures)
        return stepd_error(ctx, "Boom", "%s, attempt %d", late->work.where, stepd_attempt(ctx));
    msgpack_pack_int(stepd_output(ctx), late->work.answer);
    return STEPD_OK;
}

#define LATE(ms_, ...) \
    &(const struct late) \
    { \
        .work = { __VA_ARGS__ }, .ms = ms_ \
    }
#define BRANCH(id_, ...) \
    { \
        .id = id_, .fn = do_late, .arg = __VA_ARGS__ \
    }

static void output_results(struct stepd_ctx *ctx, const msgpack_object *const *results, size_t count)
{
    msgpack_packer *packer = stepd_output(ctx);

    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++) {
        if (results[i] != NULL)
            msgpack_pack_object(packer, *results[i]);
        else
            msgpack_pack_str_with_body(packer, "none", 4);
    }
}

static enum stepd_status answers_in_order(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        BRANCH("a", LATE(0, .where = "a", .answer = 1)),
        BRANCH("b", LATE(300, .where = "b", .answer = 2)),
    };
    const msgpack_object *results[2];

    STEPD_TRY(stepd_parallel(ctx, branches, 2, results));
    output_results(ctx, results, 2);
    return STEPD_OK;
}

static enum stepd_status retries_one(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        BRANCH("steady", LATE(0, .where = "steady", .answer = 1)),
        BRANCH("shaky", LATE(300, .where = "shaky", .failures = 2, .answer = 2)),
    };
    const msgpack_object *results[2];

    STEPD_TRY(stepd_parallel(ctx, branches, 2, results));
    trace(ctx, "behind", "%s", "");
    output_results(ctx, results, 2);
    return STEPD_OK;
}

static enum stepd_status has_counters(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        { .id = "one", .fn = do_late, .arg = &(const struct late){ .work = { "one", 2, false, 1 }, .is_silent = true } },
        { .id = "two", .fn = do_late, .arg = &(const struct late){ .work = { "two", 2, false, 2 }, .is_silent = true, .ms = 300 } },
    };

    return stepd_parallel(ctx, branches, 2, NULL);
}

static enum stepd_status fails_with_one(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        BRANCH("bad", LATE(0, .where = "bad", .failures = 9, .is_non_retriable = true)),
        BRANCH("good", LATE(300, .where = "good", .answer = 1)),
    };
    const msgpack_object *results[2];
    enum stepd_status status = stepd_parallel(ctx, branches, 2, results);

    if (status == STEPD_FAILED) {
        trace(ctx, "failed", "%s", stepd_last_error(ctx)->step_id);
        output_results(ctx, results, 2);
        return STEPD_OK;
    }
    return status;
}

static enum stepd_status has_a_policy(struct stepd_ctx *ctx)
{
    static const struct stepd_policy once = { .retries = 0 };
    const struct stepd_branch branches[] = {
        { .id = "once", .fn = do_work, .arg = &(const struct work){ .where = "once", .failures = 9 }, .policy = &once },
    };

    return stepd_parallel(ctx, branches, 1, NULL);
}

static enum stepd_status uses_ids_again(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        BRANCH("same", LATE(0, .where = "first", .answer = 1)),
        BRANCH("same", LATE(300, .where = "second", .answer = 2)),
    };

    STEPD_TRY(stepd_parallel(ctx, branches, 2, NULL));
    return STEP(ctx, "same", .where = "third", .answer = 3);
}

static enum stepd_status calls_a_step(struct stepd_ctx *ctx, const void *arg)
{
    (void)arg;
    return STEP(ctx, "inner", .where = "inner");
}

static enum stepd_status nests(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = { { .id = "outer", .fn = calls_a_step } };

    return stepd_parallel(ctx, branches, 1, NULL);
}

static enum stepd_status waits_until_told(struct stepd_ctx *ctx, const void *arg)
{
    const struct timespec pause = { .tv_nsec = 10000000L };

    (void)arg;
    for (int i = 0; i < 1000 && !stepd_is_cancelled(ctx) && getenv("STEPD_CONFORMANCE_IN_MEMORY") == NULL; i++)
        (void)nanosleep(&pause, NULL);
    msgpack_pack_int(stepd_output(ctx), 7);
    return STEPD_OK;
}

static enum stepd_status races(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        BRANCH("fast", LATE(0, .where = "fast", .answer = 1)),
        { .id = "slow", .fn = waits_until_told },
    };
    const msgpack_object *results[2];

    STEPD_TRY(stepd_race(ctx, branches, 2, results));
    output_results(ctx, results, 2);
    return STEP(ctx, "behind", .where = "behind");
}

static enum stepd_status races_past_a_failure(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        BRANCH("bad", LATE(0, .where = "bad", .failures = 9, .is_non_retriable = true)),
        BRANCH("good", LATE(300, .where = "good", .answer = 1)),
    };
    const msgpack_object *results[2];

    STEPD_TRY(stepd_race(ctx, branches, 2, results));
    trace(ctx, "error", "%s", stepd_last_error(ctx) == NULL ? "none" : "some");
    output_results(ctx, results, 2);
    return STEPD_OK;
}

static enum stepd_status nobody_wins(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = {
        BRANCH("one", LATE(0, .where = "one", .failures = 9, .is_non_retriable = true)),
        BRANCH("two", LATE(300, .where = "two", .failures = 9, .is_non_retriable = true)),
    };

    return stepd_race(ctx, branches, 2, NULL);
}

static enum stepd_status counts_after(struct stepd_ctx *ctx)
{
    const struct stepd_branch branches[] = { BRANCH("a", LATE(0, .where = "a", .failures = 1)) };

    STEPD_TRY(stepd_parallel(ctx, branches, 1, NULL));
    trace(ctx, "behind", "%s", "");
    return stepd_attempt(ctx) < 2 ? stepd_error(ctx, "Boom", "behind") : STEPD_OK;
}

static enum stepd_status none_at_all(struct stepd_ctx *ctx)
{
    STEPD_TRY(stepd_parallel(ctx, NULL, 0, NULL));
    STEPD_TRY(stepd_race(ctx, NULL, 0, NULL));
    trace(ctx, "behind", "%s", "");
    return STEPD_OK;
}

/* Its first try ends badly, in the way that `arg` says. */
static enum stepd_status ends_badly(struct stepd_ctx *ctx, const void *arg)
{
    const struct timespec pause = { .tv_sec = 1, .tv_nsec = 500000000L };
    const bool *crashes = arg;
    const struct timespec moment = { .tv_nsec = 150000000L };

    (void)nanosleep(&moment, NULL); /* behind the other */
    trace(ctx, "bad", "%s", "");
    if (stepd_attempt(ctx) == 0 && *crashes)
        (void)raise(SIGSEGV);
    if (stepd_attempt(ctx) == 0)
        (void)nanosleep(&pause, NULL);
    return STEPD_OK;
}

static enum stepd_status has_a_bad_one(struct stepd_ctx *ctx, bool crashes)
{
    static const struct stepd_policy brief = { .retries = 2, .timeout_ms = 300 };
    const struct stepd_branch branches[] = {
        BRANCH("good", LATE(0, .where = "good", .answer = 1)),
        { .id = "bad", .fn = ends_badly, .arg = crashes ? &(const bool){ true } : &(const bool){ false }, .policy = &brief },
    };

    STEPD_TRY(STEP(ctx, "first", .where = "first"));
    STEPD_TRY(stepd_parallel(ctx, branches, 2, NULL));
    trace(ctx, "behind", "%s", "");
    return STEPD_OK;
}

static enum stepd_status crashes_in_a_branch(struct stepd_ctx *ctx)
{
    return has_a_bad_one(ctx, true);
}

static enum stepd_status stays_in_a_branch(struct stepd_ctx *ctx)
{
    return has_a_bad_one(ctx, false);
}

STEPD_MODULE(.name = "parallel",
             .functions = STEPD_FUNCTIONS(FUNCTION("branches-answer-in-their-order", .run = answers_in_order),
                                          FUNCTION("a-branch-is-retried-alone", .run = retries_one),
                                          FUNCTION("each-branch-has-a-counter-of-its-own", .run = has_counters, .retries = 2),
                                          FUNCTION("a-branch-that-fails-for-good-fails-the-call", .run = fails_with_one),
                                          FUNCTION("a-branch-has-a-policy-of-its-own", .run = has_a_policy),
                                          FUNCTION("branches-share-ids-with-steps", .run = uses_ids_again),
                                          FUNCTION("a-step-in-a-branch-is-refused", .run = nests),
                                          FUNCTION("a-race-ends-with-the-first-that-succeeds", .run = races),
                                          FUNCTION("a-race-goes-on-past-a-failure", .run = races_past_a_failure),
                                          FUNCTION("a-race-that-nobody-wins-fails", .run = nobody_wins),
                                          FUNCTION("the-counter-begins-anew-behind-branches", .run = counts_after),
                                          FUNCTION("a-branch-that-crashes-is-retried-alone", .run = crashes_in_a_branch),
                                          FUNCTION("a-branch-past-its-timeout-is-retried-alone", .run = stays_in_a_branch),
                                          FUNCTION("no-branches-are-over-at-once", .run = none_at_all)));

const struct scenario scenarios[] = {
    { .name = "branches-answer-in-their-order",
      .trace = LINES("a 0/5", "b 0/5"),
      .status = "completed",
      .output = "[1,2]",
      .steps = LINES("a completed 1 1", "b completed 1 2") },
    { .name = "a-branch-is-retried-alone",
      .trace = LINES("steady 0/5", "shaky 0/5", "shaky 1/5", "shaky 2/5", "behind 0/5"),
      .status = "completed",
      .output = "[1,2]",
      .steps = LINES("steady completed 1 1", "shaky completed 3 2") },
    { .name = "each-branch-has-a-counter-of-its-own",
      .trace = LINES(NULL),
      .status = "completed",
      .steps = LINES("one completed 3 1", "two completed 3 2") },
    { .name = "a-branch-that-fails-for-good-fails-the-call",
      .trace = LINES("bad 0/5", "good 0/5", "failed 0/5 bad"),
      .status = "completed",
      .output = "[\"none\",1]",
      .steps = LINES("bad failed 1 Hopeless", "good completed 1 1") },
    { .name = "a-branch-has-a-policy-of-its-own",
      .trace = LINES("once 0/1"),
      .status = "failed",
      .error = "Boom: once, attempt 0",
      .steps = LINES("once failed 1 Boom"),
      .letters = LINES("Boom 1") },
    { .name = "branches-share-ids-with-steps",
      .trace = LINES("first 0/5", "second 0/5", "third 0/5"),
      .status = "completed",
      .steps = LINES("same completed 1 1", "same:1 completed 1 2", "same:2 completed 1 3") },
    { .name = "a-step-in-a-branch-is-refused",
      .trace = LINES(NULL),
      .status = "failed",
      .error = "NestedStep",
      .steps = LINES("outer failed 1 NestedStep") },
    { .name = "a-race-ends-with-the-first-that-succeeds",
      .trace = LINES("fast 0/5", "behind 0/5"),
      .status = "completed",
      .output = "[1,\"none\"]",
      .steps = LINES("fast completed 1 1", "behind completed 1 0") },
    { .name = "a-race-goes-on-past-a-failure",
      .trace = LINES("bad 0/5", "good 0/5", "error 0/5 none"),
      .status = "completed",
      .output = "[\"none\",1]",
      .steps = LINES("bad failed 1 Hopeless", "good completed 1 1") },
    { .name = "a-race-that-nobody-wins-fails",
      .trace = LINES("one 0/5", "two 0/5"),
      .status = "failed",
      .error = "Hopeless: one is of no use",
      .steps = LINES("one failed 1 Hopeless", "two failed 1 Hopeless") },
    { .name = "the-counter-begins-anew-behind-branches",
      .trace = LINES("a 0/5", "a 1/5", "behind 0/5", "behind 1/5", "behind 2/5"),
      .status = "completed",
      .steps = LINES("a completed 2 0") },
    { .name = "a-branch-that-crashes-is-retried-alone",
      .trace = LINES("first 0/5", "good 0/5", "bad 0/3", "bad 1/3", "behind 0/5"),
      .status = "completed",
      .steps = LINES("first completed 1 0", "good completed 1 1", "bad completed 2 null") },
    { .name = "a-branch-past-its-timeout-is-retried-alone",
      .trace = LINES("first 0/5", "good 0/5", "bad 0/3", "bad 1/3", "behind 0/5"),
      .status = "completed",
      .steps = LINES("first completed 1 0", "good completed 1 1", "bad completed 2 null") },
    { .name = "no-branches-are-over-at-once", .trace = LINES("behind 0/5"), .status = "completed", .steps = LINES(NULL) },
    { .name = NULL },
};
