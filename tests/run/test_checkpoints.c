/* SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoints.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codec/packed.h"

static msgpack_sbuffer packed(const struct checkpoint *checkpoint)
{
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    checkpoint_pack(&buffer, checkpoint);
    return buffer;
}

static struct checkpoint completed(const char *id, struct bytes value)
{
    return (
        struct checkpoint){ .id = id, .kind = CHECKPOINT_COMPLETED, .executions = 2, .started_ms = 100, .ended_ms = 250, .value = value };
}

static int load(struct checkpoints *steps, size_t position, const struct checkpoint *checkpoint)
{
    msgpack_sbuffer buffer = packed(checkpoint);
    int status = checkpoints_load(steps, position, (struct bytes){ buffer.data, buffer.size }, NULL);

    msgpack_sbuffer_destroy(&buffer);
    return status;
}

Test(steps, keep_a_result_as_it_was)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint checkpoint = completed("charge", (struct bytes){ "\x82\xa1x\x01\xa1y\x02", 7 });

    cr_assert_eq(load(steps, 0, &checkpoint), 0);
    const struct checkpoint *kept = checkpoints_at(steps, 0);
    cr_assert_str_eq(kept->id, "charge");
    cr_assert_eq(kept->kind, CHECKPOINT_COMPLETED);
    cr_assert_eq(kept->executions, 2);
    cr_assert_eq(kept->started_ms, 100);
    cr_assert_eq(kept->ended_ms, 250);
    cr_assert_eq(kept->value.size, 7);
    cr_assert_arr_eq(kept->value.data, checkpoint.value.data, 7);
    cr_assert_null(checkpoints_at(steps, 1));
    checkpoints_destroy(steps);
}

Test(steps, keep_no_result_as_nil)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint checkpoint = completed("quiet", (struct bytes){ 0 });

    cr_assert_eq(load(steps, 0, &checkpoint), 0);
    cr_assert_eq(checkpoints_at(steps, 0)->value.size, 1);
    cr_assert_arr_eq(checkpoints_at(steps, 0)->value.data, "\xc0", 1);
    checkpoints_destroy(steps);
}

Test(steps, keep_a_failure)
{
    struct checkpoints *steps = checkpoints_create();
    struct failure failure = { .name = "Declined", .message = "no \xff funds", .attempt = 4 };
    struct checkpoint checkpoint = {
        .id = "charge", .kind = CHECKPOINT_FAILED, .phase = RUN_IN_ON_FAILURE, .executions = 5, .failure = &failure
    };

    cr_assert_eq(load(steps, 0, &checkpoint), 0);
    const struct checkpoint *kept = checkpoints_at(steps, 0);
    cr_assert_str_eq(kept->failure->name, "Declined");
    cr_assert_str_eq(kept->failure->message, "no \xff funds");
    cr_assert_str_eq(kept->failure->step_id, "charge");
    cr_assert_eq(kept->failure->attempt, 4);
    cr_assert_eq(kept->failure->executions, 5);
    checkpoints_destroy(steps);
}

Test(steps, keep_a_sleep_and_a_start)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint nap = { .id = "nap", .kind = CHECKPOINT_SLEEP, .until_ms = INT64_C(1785000000123) };
    struct checkpoint begun = { .id = "once", .kind = CHECKPOINT_STARTED };

    cr_assert_eq(load(steps, 0, &nap), 0);
    cr_assert_eq(load(steps, 1, &begun), 0);
    cr_assert_eq(checkpoints_at(steps, 0)->until_ms, INT64_C(1785000000123));
    cr_assert_eq(checkpoints_at(steps, 1)->kind, CHECKPOINT_STARTED);
    checkpoints_destroy(steps);
}

Test(steps, that_nobody_looks_for_any_more_are_known)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint old = completed("old", (struct bytes){ "\x01", 1 }), kept = completed("kept", (struct bytes){ "\x01", 1 });
    struct checkpoint begun = { .id = "begun", .kind = CHECKPOINT_STARTED }, made = completed("made", (struct bytes){ "\x01", 1 });
    const char *id = NULL;
    size_t position;

    cr_assert_eq(load(steps, 0, &old), 0);
    cr_assert_eq(load(steps, 1, &kept), 0);
    cr_assert_eq(load(steps, 2, &begun), 0);
    checkpoints_add(steps, 3, &made);
    cr_assert_eq(checkpoints_unasked(steps, RUN_IN_FUNCTION, &id), 2);
    (void)checkpoints_find(steps, RUN_IN_FUNCTION, "kept", &position);
    cr_assert_eq(checkpoints_unasked(steps, RUN_IN_FUNCTION, &id), 1);
    cr_assert_str_eq(id, "old");
    checkpoints_destroy(steps);
}

Test(steps, keep_what_a_step_waits_for_until_it_ends_further_on)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint waits = {
        .id = "ask", .kind = CHECKPOINT_WAITING, .until_ms = INT64_C(1785000000123), .value = { "\x92\x01\xa1x", 4 }
    };
    struct checkpoint answered = completed("ask", (struct bytes){ "\x07", 1 });
    size_t position = 9;

    cr_assert_eq(load(steps, 0, &waits), 0);
    const struct checkpoint *kept = checkpoints_find(steps, RUN_IN_FUNCTION, "ask", &position);
    cr_assert_eq(kept->kind, CHECKPOINT_WAITING);
    cr_assert_eq(kept->until_ms, INT64_C(1785000000123));
    cr_assert_eq(kept->value.size, 4);
    cr_assert_arr_eq(kept->value.data, waits.value.data, 4);
    cr_assert_eq(load(steps, 1, &answered), 0);
    cr_assert_eq(checkpoints_find(steps, RUN_IN_FUNCTION, "ask", &position)->kind, CHECKPOINT_COMPLETED);
    cr_assert_eq(position, 1);
    checkpoints_destroy(steps);
}

Test(steps, are_found_by_id_and_phase)
{
    struct checkpoints *steps = checkpoints_create();
    char id[32];
    size_t position = 0;

    for (size_t i = 0; i < 100; i++) {
        snprintf(id, sizeof(id), "step:%zu", i);
        struct checkpoint checkpoint = completed(id, (struct bytes){ "\x01", 1 });
        checkpoints_add(steps, i, &checkpoint);
    }
    struct checkpoint last = completed("step:7", (struct bytes){ "\x02", 1 });
    last.phase = RUN_IN_ON_FAILURE;
    checkpoints_add(steps, 100, &last);

    cr_assert_eq(checkpoints_count(steps), 101);
    for (size_t i = 100; i-- > 0;) {
        snprintf(id, sizeof(id), "step:%zu", i);
        cr_assert_not_null(checkpoints_find(steps, RUN_IN_FUNCTION, id, &position));
        cr_assert_eq(position, i);
    }
    cr_assert_not_null(checkpoints_find(steps, RUN_IN_ON_FAILURE, "step:7", &position));
    cr_assert_eq(position, 100);
    cr_assert_null(checkpoints_find(steps, RUN_IN_ON_FAILURE, "step:8", &position));
    cr_assert_null(checkpoints_find(steps, RUN_IN_FUNCTION, "step", &position));
    checkpoints_destroy(steps);
}

Test(steps, are_replaced_at_their_position)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint begun = { .id = "once", .kind = CHECKPOINT_STARTED };
    struct checkpoint done = completed("once", (struct bytes){ "\x07", 1 });

    checkpoints_add(steps, 0, &begun);
    checkpoints_add(steps, 0, &done);
    cr_assert_eq(checkpoints_count(steps), 1);
    cr_assert_eq(checkpoints_at(steps, 0)->kind, CHECKPOINT_COMPLETED);
    checkpoints_destroy(steps);
}

Test(steps, refuse_a_gap)
{
    struct checkpoints *steps = checkpoints_create();
    struct checkpoint checkpoint = completed("late", (struct bytes){ "\x01", 1 });

    cr_assert_eq(load(steps, 1, &checkpoint), -EBADMSG);
    checkpoints_destroy(steps);
}

Test(steps, refuse_what_is_cut_short_or_followed)
{
    struct failure failure = { .name = "Name", .message = "message" };
    struct checkpoint kinds[] = {
        completed("charge", (struct bytes){ "\x93\x01\x02\x03", 4 }),
        { .id = "charge", .kind = CHECKPOINT_FAILED, .failure = &failure },
        { .id = "charge", .kind = CHECKPOINT_SLEEP, .until_ms = 1 },
        { .id = "charge", .kind = CHECKPOINT_STARTED },
    };

    for (size_t i = 0; i < 4; i++) {
        struct checkpoints *steps = checkpoints_create();
        msgpack_sbuffer buffer = packed(&kinds[i]);
        for (size_t size = 0; size < buffer.size; size++)
            cr_assert_eq(checkpoints_load(steps, 0, (struct bytes){ buffer.data, size }, NULL), -EBADMSG, "%zu bytes of kind %zu", size, i);
        msgpack_sbuffer_write(&buffer, "\x01", 1);
        cr_assert_eq(checkpoints_load(steps, 0, (struct bytes){ buffer.data, buffer.size }, NULL), -EBADMSG);
        cr_assert_eq(checkpoints_count(steps), 0);
        msgpack_sbuffer_destroy(&buffer);
        checkpoints_destroy(steps);
    }
}

Test(steps, take_a_result_as_deep_as_data_may_be)
{
    struct checkpoints *steps = checkpoints_create();
    char deep[DATA_MAX_DEPTH + 2];

    memset(deep, '\x91', sizeof(deep));
    deep[DATA_MAX_DEPTH] = '\x01';
    struct checkpoint deepest = completed("deep", (struct bytes){ deep, DATA_MAX_DEPTH + 1 });
    cr_assert_eq(load(steps, 0, &deepest), 0);
    deep[DATA_MAX_DEPTH] = '\x91';
    deep[DATA_MAX_DEPTH + 1] = '\x01';
    struct checkpoint deeper = completed("deeper", (struct bytes){ deep, DATA_MAX_DEPTH + 2 });
    cr_assert_eq(load(steps, 1, &deeper), -EBADMSG);
    checkpoints_destroy(steps);
}
