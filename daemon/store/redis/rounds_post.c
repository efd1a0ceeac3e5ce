/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letters between shards (scripts/post.lua): those that are to go out are fetched from their shard, handed to the rounds of
 * the shard that they are for, delivered there, and what was answered is told to their own shard with the next that are
 * fetched. Lost on the way, they are fetched again by whoever looks next. Timer thread.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/run.h"
#include "store/redis/rounds_internal.h"

#define LOOK_EVERY_MS 1000 /* for letters that another daemon left */
#define PATIENCE_MS 5000   /* until a letter that was fetched is anybody's again */
#define FETCH_AT_ONCE 8
#define HEARD_AT_ONCE 8    /* answers told with one fetch */
#define ARRIVING_MOST 1000 /* for one shard; more are fetched again, later */
#define NAME_SIZE (1 + RUN_ID_LENGTH + 1)
#define ANNOUNCE_EVERY_MS 60000
#define ANNOUNCE_AT_ONCE 10

struct letter {
    struct letter *next;
    struct rounds *from;
    char name[NAME_SIZE];
    bool was_known; /* once it was delivered */
    size_t size;
    char bytes[];
};

struct letters {
    struct letter *first;
    struct letter **last;
    size_t count;
};

/* A function that is to be announced. */
struct announced {
    char *id;
    enum run_placement placement;
};

struct post {
    int64_t next_outbox_ms; /* monotonic, as the next */
    int64_t next_announce_ms;
    struct letters arriving; /* for this shard */
    struct letters heard;    /* of this shard, delivered */
    size_t asked;            /* of the first of either list, under way */
    struct announced *announced;
    size_t announced_count;
    size_t announced_next;
};

/* ---- lists ---------------------------------------------------------------------------------------- */

static void letters_init(struct letters *letters)
{
    letters->first = NULL;
    letters->last = &letters->first;
    letters->count = 0;
}

static void letters_add(struct letters *letters, struct letter *letter)
{
    letter->next = NULL;
    *letters->last = letter;
    letters->last = &letter->next;
    letters->count++;
}

static struct letter *letters_take(struct letters *letters)
{
    struct letter *letter = letters->first;

    letters->first = letter->next;
    if (letters->first == NULL)
        letters->last = &letters->first;
    letters->count--;
    return letter;
}

static bool letters_have(const struct letters *letters, const char *name)
{
    for (const struct letter *letter = letters->first; letter != NULL; letter = letter->next) {
        if (strcmp(letter->name, name) == 0)
            return true;
    }
    return false;
}

static void letters_drop(struct letters *letters, size_t count)
{
    for (size_t i = 0; i < count && letters->first != NULL; i++)
        free(letters_take(letters));
}

struct post *post_create(void)
{
    struct post *post = xcalloc(1, sizeof(*post));

    letters_init(&post->arriving);
    letters_init(&post->heard);
    return post;
}

static void forget_announced(struct post *post)
{
    for (size_t i = 0; i < post->announced_count; i++)
        free(post->announced[i].id);
    free(post->announced);
    post->announced = NULL;
    post->announced_count = post->announced_next = 0;
}

void post_destroy(struct post *post)
{
    letters_drop(&post->arriving, SIZE_MAX);
    letters_drop(&post->heard, SIZE_MAX);
    forget_announced(post);
    free(post);
}

/* ---- out of this shard ---------------------------------------------------------------------------- */

static bool is_quiet(const struct rounds *rounds)
{
    return rounds->common->is_leaving || !rounds->is_known;
}

void rounds_expect_post(struct rounds *rounds)
{
    rounds->post->next_outbox_ms = 0;
}

static int64_t outbox_when(struct rounds *rounds, int64_t now_ms)
{
    if (is_quiet(rounds))
        return NEVER;
    return rounds->post->heard.first != NULL ? now_ms : rounds->post->next_outbox_ms;
}

static void outbox_ask(struct rounds *rounds, struct script_call *call)
{
    struct post *post = rounds->post;

    post->asked = 0;
    script_add_number(call, FETCH_AT_ONCE);
    script_add_number(call, PATIENCE_MS);
    script_add_number(call, rounds->common->durability_lag_ms);
    for (const struct letter *letter = post->heard.first; letter != NULL && post->asked < HEARD_AT_ONCE; letter = letter->next) {
        script_add_text(call, letter->name);
        script_add_text(call, letter->was_known ? "1" : "0");
        post->asked++;
    }
}

/* NULL: it is for nobody. */
static struct rounds *addressee(const struct rounds *rounds, const redisReply *bytes)
{
    char id[RUN_ID_LENGTH + 1] = "";

    if (bytes->len < RUN_ID_LENGTH)
        return NULL;
    memcpy(id, bytes->str, RUN_ID_LENGTH);
    return run_id_is_valid(id) ? rounds->common->all[store_shard_of(rounds_store(rounds), id)] : NULL;
}

/* While its shard is away a letter is fetched again and again: it waits here once. */
static void send_on(struct rounds *rounds, const redisReply *fetched)
{
    const redisReply *name = fetched->element[0];
    const redisReply *bytes = fetched->element[1];
    struct rounds *to = addressee(rounds, bytes);

    if (to == NULL || name->len >= NAME_SIZE || to->post->arriving.count >= ARRIVING_MOST || letters_have(&to->post->arriving, name->str))
        return;
    struct letter *letter = xcalloc(1, sizeof(*letter) + (size_t)bytes->len);
    letter->from = rounds;
    memcpy(letter->name, name->str, (size_t)name->len);
    letter->size = (size_t)bytes->len;
    memcpy(letter->bytes, bytes->str, letter->size);
    letters_add(&to->post->arriving, letter);
}

static void outbox_hear(struct rounds *rounds, const redisReply *reply)
{
    struct post *post = rounds->post;
    int64_t now_ms = reply->element[1]->integer;
    int64_t next_ms = reply->element[2]->integer;
    const redisReply *fetched = reply->element[3];
    int64_t wait_ms = next_ms < 0 || next_ms > now_ms + LOOK_EVERY_MS ? LOOK_EVERY_MS : next_ms > now_ms ? next_ms - now_ms : 0;

    letters_drop(&post->heard, post->asked);
    for (size_t i = 0; i < fetched->elements; i++)
        send_on(rounds, fetched->element[i]);
    post->next_outbox_ms = clock_monotonic_ms() + wait_ms;
}

static void outbox_give_up(struct rounds *rounds)
{
    letters_drop(&rounds->post->heard, rounds->post->asked);
}

const struct errand ERRAND_OUTBOX = {
    .script = "outbox",
    .when = outbox_when,
    .ask = outbox_ask,
    .hear = outbox_hear,
    .give_up = outbox_give_up,
};

/* ---- into this shard ------------------------------------------------------------------------------ */

static int64_t deliver_when(struct rounds *rounds, int64_t now_ms)
{
    return !is_quiet(rounds) && rounds->post->arriving.first != NULL ? now_ms : NEVER;
}

static void deliver_ask(struct rounds *rounds, struct script_call *call)
{
    struct post *post = rounds->post;

    post->asked = 0;
    script_add_number(call, rounds->common->durability_lag_ms);
    for (const struct letter *letter = post->arriving.first; letter != NULL && post->asked < DELIVER_AT_ONCE; letter = letter->next) {
        script_add_text(call, letter->name);
        script_add(call, (struct bytes){ letter->bytes, letter->size });
        post->asked++;
    }
}

static void see_lines(struct rounds *rounds, const redisReply *lines)
{
    const struct rounds_common *common = rounds->common;

    for (size_t i = 0; i < lines->elements; i++) {
        const struct function *function = common->find_function(common->context, lines->element[i]->str);
        if (function != NULL)
            rounds_see_line(rounds, function, 0);
    }
}

static void deliver_hear(struct rounds *rounds, const redisReply *reply)
{
    struct post *post = rounds->post;
    const redisReply *known = reply->element[2];

    for (size_t i = 0; i < post->asked; i++) {
        struct letter *letter = letters_take(&post->arriving);
        letter->was_known = i < known->elements && known->element[i]->integer == 1;
        letters_add(&letter->from->post->heard, letter);
    }
    see_lines(rounds, reply->element[3]);
    if (reply->element[4]->integer != 0)
        rounds_expect(rounds, reply->element[4]->integer);
    rounds_expect_post(rounds); /* a call that was answered before is answered again */
}

/* Refused for good, all of them: whoever fetches them next tries again. */
static void deliver_give_up(struct rounds *rounds)
{
    letters_drop(&rounds->post->arriving, rounds->post->asked);
}

const struct errand ERRAND_DELIVER = {
    .script = "deliver",
    .when = deliver_when,
    .ask = deliver_ask,
    .hear = deliver_hear,
    .give_up = deliver_give_up,
};

/* ---- functions that others may call, in shard 0 ------------------------------------------------- */

static void note_function(void *context, const struct function *function)
{
    struct post *post = context;

    post->announced = xrealloc(post->announced, (post->announced_count + 1) * sizeof(*post->announced));
    post->announced[post->announced_count++] =
        (struct announced){ .id = xstrdup(function->id), .placement = run_placement_of(function_newest(function)) };
}

static int64_t announce_when(struct rounds *rounds, int64_t now_ms)
{
    struct rounds_common *common = rounds->common;
    struct post *post = rounds->post;

    if (is_quiet(rounds) || rounds->shard != 0 || common->each_function == NULL)
        return NEVER;
    if (post->announced_next < post->announced_count)
        return now_ms;
    if (post->next_announce_ms > now_ms)
        return post->next_announce_ms;
    forget_announced(post);
    common->each_function(common->context, note_function, post);
    post->next_announce_ms = now_ms + ANNOUNCE_EVERY_MS;
    return post->announced_count > 0 ? now_ms : post->next_announce_ms;
}

static void announce_ask(struct rounds *rounds, struct script_call *call)
{
    static const char *const PLACES[] = { [PLACED_BY_ID] = "0", [PLACED_BY_FUNCTION] = "1", [PLACED_BY_SCOPE] = "2" };
    struct post *post = rounds->post;

    for (size_t i = 0; i < ANNOUNCE_AT_ONCE && post->announced_next < post->announced_count; i++) {
        const struct announced *announced = &post->announced[post->announced_next++];
        script_add_text(call, announced->id);
        script_add_text(call, PLACES[announced->placement]);
    }
}

static void announce_hear(struct rounds *rounds, const redisReply *reply)
{
    (void)rounds;
    (void)reply;
}

const struct errand ERRAND_ANNOUNCE = { .script = "announce", .when = announce_when, .ask = announce_ask, .hear = announce_hear };
