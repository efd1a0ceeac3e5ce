/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts and records are what daemons of two versions have in common: whoever changes one gives it another version, and
 * looks at what the other daemon makes of it first. docs/recipes.md, "Change a record or a script", says how.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "redis_fixture.h"
#include "run/attempt_log.h"
#include "run/checkpoints.h"
#include "store/redis/record.h"
#include "store/redis/script.h"

struct known {
    const char *name;
    int version;
    const char *digest;
};

/* Version 1 is that of d0da6af, whose scripts did not name theirs. The row of a version that was released never changes: add
 * one. Until then its digest follows the script, whose writes are weighed by docs/recipes.md each time. */
static const struct known SCRIPTS[] = {
    { "take", 2, "df77d5b069a7ea9d" },       { "advance", 2, "cf4fb2d2dd61f773" },      { "queue_behind", 2, "70aa2be79a7745bd" },
    { "admit", 2, "7d3bb8030a953502" },      { "remember", 2, "070e5169ecea7d57" },     { "claim", 2, "55de56d5f0996f88" },
    { "condemn", 2, "62611dfc0273e684" },    { "heartbeat", 2, "8cbc8682173e9d28" },    { "reap", 2, "5d26db6d0e9c9cf7" },
    { "leave", 2, "1e79d531aec71f8d" },      { "sweep", 2, "192f30eb5ae3eef1" },        { "rejoin", 2, "b99f653514edd3b2" },
    { "trim_taken", 2, "57879030a5d7e197" }, { "forget", 2, "683a030f31d41fdd" },       { "cancel", 2, "0a4e05b5233d1b45" },
    { "retry", 2, "368bdb958968fa0a" },      { "tick", 1, "b8e860ee16ca66f2" },         { "want", 1, "f310f4bc6a87c625" },
    { "breaker", 1, "e2d60b252670c23d" },    { "overdue", 1, "c6e5d7c731e65fb1" },      { "untold", 1, "b2d5ba301e6c2696" },
    { "told", 1, "55b2c4b546ea9f4f" },       { "ripen", 1, "7a7bf21bfcbab6dc" },        { "take_wait", 1, "dd42160ba6cf8c3d" },
    { "wait", 1, "3252b581a5af3deb" },       { "match", 1, "c9d03978cc008b15" },        { "confirm", 1, "fb273814f5afa8fa" },
    { "expire", 1, "88966cedc74c71e9" },     { "take_calling", 1, "f8e335979f79a21f" }, { "advance_calling", 1, "46b18a84c521fea2" },
    { "outbox", 1, "20621cecb4a52dbe" },     { "deliver", 1, "fd763349301b2681" },      { "admit_called", 1, "38b68d5d10e5d900" },
    { "announce", 1, "09956984e6b9ff1b" },   { "kept", 1, "660b7b26c310b1c4" },         { "linked", 1, "0f6ee8f2c2a7eeae" },
    { "orphans", 1, "c4aa7cfed887e541" },    { "match_many", 1, "fd85d057814538b1" },   { "signal", 1, "0ed93dfc372c9e11" },
    { "take_many", 1, "90925d3527b11dc6" },  { "advance_many", 1, "ad60f5ac2a8f13a1" }, { "admit_many", 1, "ec278a5d170dd710" },
};

/* XXH3, in hex digits. */
static const char *digest_of(struct bytes bytes)
{
    static char text[17];

    (void)snprintf(text, sizeof(text), "%016" PRIx64, (uint64_t)XXH3_64bits(bytes.data, bytes.size));
    return text;
}

static const struct known *find(const char *name, int version)
{
    for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++) {
        if (strcmp(SCRIPTS[i].name, name) == 0 && SCRIPTS[i].version == version)
            return &SCRIPTS[i];
    }
    return NULL;
}

Test(versions, a_script_that_changes_has_another_version)
{
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        AUTO_FREE char *text = script_text(script);
        const char *digest = digest_of((struct bytes){ text, strlen(text) });
        const struct known *known = find(script_name(script), script_version(script));
        cr_expect(known != NULL && strcmp(known->digest, digest) == 0,
                  "script '%s' is no longer its version %d: read docs/recipes.md (\"Change a record or a script\"); where that version "
                  "was released raise it in script.c; then add { \"%s\", VERSION, \"%s\" } here, with the digest under its number",
                  script_name(script), script_version(script), script_name(script), digest);
    }
}

Test(versions, a_script_names_itself_and_its_version_in_its_first_line)
{
    for (int script = 0; script < SCRIPT_COUNT; script++) {
        AUTO_FREE char *text = script_text(script);
        AUTO_FREE char *line = xasprintf("-- stepd's %s, version %d\n", script_name(script), script_version(script));
        cr_assert_eq(strncmp(text, line, strlen(line)), 0);
    }
}

/* ---- records ------------------------------------------------------------------------------------------ */

#define RECORD_CHANGED \
    "%s is no longer as records of version %d have it (%s): read docs/recipes.md, \"Change a record or a script\", before anything else"

static void expect(const char *what, struct bytes bytes, const char *wanted)
{
    const char *digest = digest_of(bytes);

    cr_expect_str_eq(digest, wanted, RECORD_CHANGED, what, RECORD_VERSION, digest);
}

Test(versions, a_checkpoint_is_packed_as_records_of_this_version_have_it)
{
    static const struct failure failure = { .name = "Boom", .message = "it broke", .step_id = "charge", .attempt = 2, .executions = 3 };
    const struct checkpoint checkpoints[] = {
        { .id = "charge",
          .kind = CHECKPOINT_COMPLETED,
          .executions = 1,
          .started_ms = 1700000000000,
          .ended_ms = 1700000000009,
          .value = { "\x01", 1 } },
        { .id = "charge",
          .kind = CHECKPOINT_FAILED,
          .phase = RUN_IN_ON_FAILURE,
          .executions = 3,
          .started_ms = 5,
          .ended_ms = 6,
          .failure = &failure },
        { .id = "nap", .kind = CHECKPOINT_SLEEP, .executions = 1, .started_ms = 5, .ended_ms = 6, .until_ms = 1700000000000 },
        { .id = "once", .kind = CHECKPOINT_STARTED, .executions = 1, .started_ms = 5, .ended_ms = 6 },
    };
    msgpack_sbuffer packed;

    msgpack_sbuffer_init(&packed);
    for (size_t i = 0; i < sizeof(checkpoints) / sizeof(checkpoints[0]); i++)
        checkpoint_pack(&packed, &checkpoints[i]);
    expect("a checkpoint", (struct bytes){ packed.data, packed.size }, "d0e4519630c3f9bc");
    msgpack_sbuffer_destroy(&packed);
}

Test(versions, a_tail_is_packed_as_records_of_this_version_have_it)
{
    static const struct failure failure = { .name = "Boom", .message = "it broke", .step_id = "charge", .attempt = 2, .executions = 3 };
    const struct attempt_entry failed = { 1700000000000, 9, 1700000000100, &failure, 2 };
    const struct attempt_entry slept = { .started_ms = 1700000000000, .duration_ms = 9, .due_ms = 1700000000100 };
    msgpack_sbuffer first, second;

    msgpack_sbuffer_init(&first);
    msgpack_sbuffer_init(&second);
    attempt_log_pack(&first, (struct bytes){ 0 }, &failed, (struct bytes){ 0 }, (struct bytes){ 0 });
    attempt_log_pack(&second, (struct bytes){ first.data, first.size }, &slept, (struct bytes){ "\x2a", 1 }, (struct bytes){ "\x90", 1 });
    expect("a tail", (struct bytes){ second.data, second.size }, "c76d344d4fe419fc");
    msgpack_sbuffer_destroy(&first);
    msgpack_sbuffer_destroy(&second);
}

static struct redis_fixture redis;

static void setup(void)
{
    redis_fixture_start(&redis);
    (void)redis_fixture_open(&redis);
}

static void teardown(void)
{
    redis_fixture_stop(&redis);
}

static void advance(struct sample *sample, const struct transition *change)
{
    struct store *port = store_port(redis.store);
    struct transition_reply reply;

    cr_assert_eq(port->ops->advance(port, &sample->run, change, &reply), 0);
    cr_assert_eq(reply.answer, STORE_OK);
    sample->run.epoch = reply.epoch;
    sample->run.owner = reply.owner;
    sample->run.notes = reply.notes;
}

/* With a time and an owner that are always the same. */
static void expect_record(const struct sample *sample, const char *what, const char *wanted)
{
    AUTO_REPLY reply = NULL;

    cr_assert_eq(store_commandf(redis.store, 0, &reply, "GET t{0}:run:%s", sample->run.id.text), 0);
    cr_assert_eq(reply->type, REDIS_REPLY_STRING);
    memset(reply->str + 24, 0, 8);
    memset(reply->str + 48, 0, 16);
    expect(what, (struct bytes){ reply->str, reply->len }, wanted);
}

Test(versions, a_record_stands_in_redis_as_its_version_says, .init = setup, .fini = teardown, .timeout = 60)
{
    static const struct event_header headers[] = { { "a", { "1", 1 } }, { "none", { NULL, 0 } } };
    const struct transition took = { .kind = TRANSITION_CHECKPOINT, .attempt = 0, .checkpoint = { "CHECKPOINT", 10 } };
    const struct transition parked = {
        .kind = TRANSITION_PARK, .status = RUN_SLEEPING, .attempt = 2, .due_ms = 1800000000000, .tail = { "TAIL", 4 }
    };
    struct sample sample;

    sample_init_ordered(&sample, 7, "key");
    sample.event.headers = headers;
    sample.event.header_count = 2;
    advance(&sample, &took);
    expect_record(&sample, "a run that is owned", "a1fba120ef9132c7");
    advance(&sample, &parked);
    expect_record(&sample, "a run that sleeps", "fd15996ab537aa0a");
    sample_init(&sample, 8);
    advance(&sample, &took);
    expect_record(&sample, "a run that is owned, with a list", "4bd291e5e50a4d6f");
}

/* ---- of a later version --------------------------------------------------------------------------------- */

static redisReply *call(const char *script, void (*add)(struct script_call *call))
{
    struct script_call asked;
    redisReply *reply = NULL;

    script_begin(&asked, script, 0);
    add(&asked);
    cr_assert_eq(store_call(redis.store, &asked, &reply), 0);
    return reply;
}

static void add_beat(struct script_call *call)
{
    script_add_self(redis.store, call);
    script_add_text(call, "1");
    script_add_number(call, 1);
    script_add_text(call, "");
    script_add_text(call, "runs_started");
    script_add_number(call, 0);
}

static void add_claim(struct script_call *call)
{
    script_add_self(redis.store, call);
    script_add_number(call, 1);
    script_add_number(call, 10);
}

static void add_reap(struct script_call *call)
{
    script_add_number(call, store_now_ms(redis.store));
    script_add_number(call, 2500);
}

/* As if a daemon of a later version had written it. */
static void make_newer(const struct sample *sample)
{
    AUTO_REPLY reply = NULL;

    cr_assert_eq(store_commandf(redis.store, 0, &reply, "SETRANGE t{0}:run:%s 0 %b", sample->run.id.text, "\x04", (size_t)1), 0);
}

static const char *version_of(const struct sample *sample)
{
    static char text[8];
    AUTO_REPLY reply = NULL;

    cr_assert_eq(store_commandf(redis.store, 0, &reply, "GETRANGE t{0}:run:%s 0 0", sample->run.id.text), 0);
    (void)snprintf(text, sizeof(text), "%d", reply->str[0]);
    return text;
}

static const struct transition PARK = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .due_ms = 1 };
static const struct transition CHECKPOINT = { .kind = TRANSITION_CHECKPOINT, .checkpoint = { "a", 1 } };
static const struct transition FAILING = { .kind = TRANSITION_PHASE, .phase = RUN_FAILING };

/* Claim and reap of d0da6af drop what they do not know: they look into `delayed`, `owned:<worker>`, and what stands before a key. */
Test(versions, a_run_with_a_list_stands_nowhere_that_version_1_looks, .init = setup, .fini = teardown, .timeout = 60)
{
    struct sample sample, ordered;

    sample_init(&sample, 1);
    advance(&sample, &CHECKPOINT);
    cr_assert_str_eq(version_of(&sample), "2");
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:delayed t{0}:workers"), "0");
    cr_assert_str_eq(redis_says(redis.store, "EVAL return(#redis.call('KEYS',KEYS[1])) 1 t{0}:owned:*"), "0");
    sample_init_ordered(&ordered, 2, "k");
    advance(&ordered, &CHECKPOINT);
    cr_assert_str_eq(version_of(&ordered), "1", "others of its key look at it");
    advance(&sample, &PARK);
    cr_assert_str_eq(version_of(&sample), "1");
    cr_assert_str_eq(redis_says(redis.store, "ZRANGE t{0}:delayed 0 -1"), sample.run.id.text);
}

Test(versions, a_due_run_of_a_later_version_is_left_to_those_who_know_it, .init = setup, .fini = teardown, .timeout = 60)
{
    struct sample sample;

    sample_init(&sample, 1);
    AUTO_REPLY beat = call("heartbeat", add_beat);
    cr_assert_neq(beat->type, REDIS_REPLY_ERROR);
    advance(&sample, &PARK);
    make_newer(&sample);
    AUTO_REPLY claimed = call("claim", add_claim);
    cr_assert_eq(claimed->element[3]->elements, 0, "neither ours nor lost");
    cr_assert_str_eq(version_of(&sample), "4");
}

Test(versions, an_owned_run_of_a_later_version_is_not_said_to_be_lost, .init = setup, .fini = teardown, .timeout = 60)
{
    struct sample sample;

    sample_init(&sample, 1);
    AUTO_REPLY beat = call("heartbeat", add_beat);
    cr_assert_neq(beat->type, REDIS_REPLY_ERROR);
    advance(&sample, &FAILING);
    make_newer(&sample);
    (void)redis_says(redis.store, "ZADD t{0}:workers 1 %s", redis_says(redis.store, "ZRANGE t{0}:workers 0 0"));
    AUTO_REPLY reaped = call("reap", add_reap);
    cr_assert_neq(reaped->type, REDIS_REPLY_ERROR);
    cr_assert_str_eq(redis_says(redis.store, "EXISTS t{0}:lost"), "0");
    cr_assert_str_eq(version_of(&sample), "4");
}

Test(versions, behind_a_run_of_a_later_version_its_key_waits, .init = setup, .fini = teardown, .timeout = 60)
{
    struct store *port = store_port(redis.store);
    struct sample first, second;
    enum order_answer answer;

    sample_init_ordered(&first, 1, "k");
    sample_init_ordered(&second, 2, "k");
    advance(&first, &PARK);
    make_newer(&first);
    cr_assert_eq(port->ops->queue_behind(port, &second.run, &answer), 0);
    cr_assert_eq(answer, ORDER_QUEUED);
    cr_assert_str_eq(redis_says(redis.store, "HVALS t{0}:busy:events:3"), first.run.id.text);
}
