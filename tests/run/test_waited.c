/* SPDX-License-Identifier: Apache-2.0 */
/* Of the events that a run's waits were given, those that do not count for its next wait. */
#include "run/waited.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "run/checkpoints.h"

static struct run run;
static msgpack_sbuffer wish, given;

static void setup(void)
{
    run = (struct run){ .steps = checkpoints_create() };
    msgpack_sbuffer_init(&wish);
    msgpack_sbuffer_init(&given);
}

static void teardown(void)
{
    checkpoints_destroy(run.steps);
    msgpack_sbuffer_destroy(&wish);
    msgpack_sbuffer_destroy(&given);
}

TestSuite(waited, .init = setup, .fini = teardown);

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* As run/wait.c has it. */
static struct bytes wish_of(const char *event, bool has_more)
{
    msgpack_packer packer;

    msgpack_sbuffer_clear(&wish);
    msgpack_packer_init(&packer, &wish, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, has_more ? 3 : 2);
    pack_text(&packer, "event");
    pack_text(&packer, event);
    pack_text(&packer, "when");
    pack_text(&packer, "async.data.n == 1");
    if (has_more) {
        pack_text(&packer, "more");
        msgpack_pack_true(&packer);
    }
    return (struct bytes){ wish.data, wish.size };
}

static void add(const char *id, enum checkpoint_kind kind, struct bytes value)
{
    const struct checkpoint checkpoint = { .id = id, .kind = kind, .executions = 1, .value = value };

    checkpoints_add(run.steps, checkpoints_count(run.steps), &checkpoint);
}

static void wait_for(const char *id, const char *event, bool has_more)
{
    add(id, CHECKPOINT_WAITING, wish_of(event, has_more));
}

static void give(const char *id, int64_t offset)
{
    msgpack_sbuffer outcome;
    msgpack_packer packer;

    msgpack_sbuffer_init(&outcome);
    msgpack_packer_init(&packer, &outcome, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    pack_text(&packer, "topic");
    pack_text(&packer, "t");
    pack_text(&packer, "partition");
    msgpack_pack_int64(&packer, 0);
    pack_text(&packer, "offset");
    msgpack_pack_int64(&packer, offset);
    add(id, CHECKPOINT_COMPLETED, (struct bytes){ outcome.data, outcome.size });
    msgpack_sbuffer_destroy(&outcome);
}

/* Their offsets, the latest wait's first. */
static const char *excluded_for(struct bytes wanted)
{
    static char text[100];
    msgpack_unpacked unpacked;

    text[0] = '\0';
    waited_pack_given(&run, wanted, &given);
    msgpack_unpacked_init(&unpacked);
    cr_assert_eq(msgpack_unpack_next(&unpacked, given.data, given.size, NULL), MSGPACK_UNPACK_SUCCESS);
    for (uint32_t i = 0; i < unpacked.data.via.map.size; i++) {
        const msgpack_object_str *name = &unpacked.data.via.map.ptr[i].key.via.str;
        cr_assert_gt(name->size, 4);
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s ", (int)name->size - 4, name->ptr + 4);
    }
    msgpack_unpacked_destroy(&unpacked);
    return text;
}

Test(waited, what_an_earlier_wait_was_given_does_not_count_for_the_next)
{
    wait_for("a", "paid", false);
    give("a", 7);
    wait_for("b", "sent", false);
    give("b", 8);
    cr_assert_str_eq(excluded_for((struct bytes){ 0 }), "8 7 ");
}

Test(waited, of_those_beside_it_such_for_the_same_alone)
{
    wait_for("a", "paid", false);
    give("a", 7);
    wait_for("b", "sent", false);
    give("b", 8);
    cr_assert_str_eq(excluded_for(wish_of("paid", false)), "7 ");
}

Test(waited, one_that_was_asked_for_together_with_it_is_ended_by_the_same_event)
{
    wait_for("a", "paid", false);
    give("a", 7);
    wait_for("b", "paid", true);
    wait_for("c", "sent", true);
    give("b", 8);
    cr_assert_str_eq(excluded_for(wish_of("paid", false)), "7 ");
}

Test(waited, what_comes_after_all_of_them_follows_each)
{
    wait_for("b", "paid", true);
    give("b", 8);
    wait_for("c", "paid", false);
    give("c", 9);
    cr_assert_str_eq(excluded_for(wish_of("paid", false)), "9 8 ");
}
