/* SPDX-License-Identifier: Apache-2.0 */
/* What clients can't easily be made to do: be silent, be late, come back after they were replaced. */
#include "dev/groups.h"

#include <criterion/criterion.h>
#include <string.h>

/* One member as the broker sees it; its last answer. */
struct peer {
    const char *id;
    int32_t generation;
    int16_t code;
    int answers;
    char name[32];
};

enum { UNKNOWN_MEMBER = 25, OLD_GENERATION = 22, REBALANCING = 27 };

static struct groups *groups;
static int16_t asked; /* the API key of the request whose answer comes next */

static void reply(void *ticket, struct wire_buffer *body)
{
    struct peer *peer = ticket;
    struct wire_reader reader = wire_reader(wire_buffer_data(body), wire_buffer_size(body));

    peer->answers++;
    (void)wire_read_i32(&reader); /* throttle */
    if (asked == API_OFFSET_COMMIT) {
        (void)wire_read_i32(&reader); /* topics: one */
        (void)wire_read_string(&reader);
        (void)wire_read_i32(&reader); /* partitions: one */
        (void)wire_read_i32(&reader);
    }
    peer->code = wire_read_i16(&reader);
    if (asked == API_JOIN_GROUP && peer->code == 0) {
        peer->generation = wire_read_i32(&reader);
        (void)wire_read_string(&reader); /* protocol */
        (void)wire_read_string(&reader); /* leader */
        struct wire_span id = wire_read_string(&reader);
        memcpy(peer->name, id.data, id.size);
        peer->name[id.size] = '\0';
        peer->id = peer->name;
    }
    cr_expect(!reader.is_short);
    wire_buffer_done(body);
}

static void start(void)
{
    groups = groups_create(reply);
}

static void stop(void)
{
    groups_destroy(groups);
}

TestSuite(groups, .init = start, .fini = stop, .timeout = 120);

static bool ask(struct peer *peer, int16_t api_key, int16_t version, struct wire_buffer *body, int64_t now_ms)
{
    const struct group_request request = { peer, peer, api_key, version, { 0 }, now_ms };
    asked = api_key;
    bool is_handled = groups_handle(groups, &request, wire_reader(wire_buffer_data(body), wire_buffer_size(body)));
    wire_buffer_done(body);
    return is_handled;
}

static void join(struct peer *peer, const char *instance, int64_t now_ms)
{
    struct wire_buffer body = { 0 };
    wire_put_string(&body, "stepd");
    wire_put_i32(&body, 6000);  /* session */
    wire_put_i32(&body, 30000); /* rebalance */
    wire_put_string(&body, peer->id != NULL ? peer->id : "");
    wire_put_string(&body, instance);
    wire_put_string(&body, "consumer");
    wire_put_i32(&body, 1);
    wire_put_string(&body, "cooperative-sticky");
    wire_put_bytes(&body, (struct wire_span){ (const uint8_t *)"m", 1 });
    cr_assert(ask(peer, API_JOIN_GROUP, 5, &body, now_ms));
}

static void sync_group(struct peer *peer, bool is_leader, int64_t now_ms)
{
    struct wire_buffer body = { 0 };
    wire_put_string(&body, "stepd");
    wire_put_i32(&body, peer->generation);
    wire_put_string(&body, peer->id);
    wire_put_string(&body, NULL);
    wire_put_i32(&body, is_leader);
    if (is_leader) {
        wire_put_string(&body, peer->id);
        wire_put_bytes(&body, (struct wire_span){ (const uint8_t *)"all", 3 });
    }
    cr_assert(ask(peer, API_SYNC_GROUP, 3, &body, now_ms));
}

static int16_t heartbeat(struct peer *peer, int64_t now_ms)
{
    struct wire_buffer body = { 0 };
    wire_put_string(&body, "stepd");
    wire_put_i32(&body, peer->generation);
    wire_put_string(&body, peer->id);
    wire_put_string(&body, NULL);
    cr_assert(ask(peer, API_HEARTBEAT, 3, &body, now_ms));
    return peer->code;
}

/* True: let through to the broker. */
static bool may_commit(struct peer *peer, int64_t now_ms)
{
    struct wire_buffer body = { 0 };
    wire_put_string(&body, "stepd");
    wire_put_i32(&body, peer->generation);
    wire_put_string(&body, peer->id != NULL ? peer->id : "");
    wire_put_string(&body, NULL);
    wire_put_i32(&body, 1);
    wire_put_string(&body, "events");
    wire_put_i32(&body, 1);
    wire_put_i32(&body, 0);
    wire_put_i32(&body, 0);
    wire_put_i32(&body, 7);
    wire_put_i32(&body, -1);
    wire_put_string(&body, "metadata");
    return !ask(peer, API_OFFSET_COMMIT, 7, &body, now_ms);
}

static void settle(struct peer *peer, int64_t now_ms)
{
    join(peer, NULL, now_ms);
    cr_assert(peer->code == 0 && peer->answers == 1);
    sync_group(peer, true, now_ms);
    cr_assert(peer->code == 0 && peer->answers == 2);
}

Test(groups, a_lone_member_waits_for_nobody)
{
    struct peer one = { 0 };
    settle(&one, 0);
    cr_expect(heartbeat(&one, 3000) == 0);
    cr_expect(may_commit(&one, 3000));
}

Test(groups, a_silent_member_is_out_after_its_session)
{
    struct peer one = { 0 }, two = { 0 };
    settle(&one, 0);
    groups_tick(groups, 5900);
    join(&two, NULL, 5900);
    cr_expect(two.answers == 0, "the first may still join");
    groups_tick(groups, 6100);
    cr_expect(two.answers == 1 && two.code == 0);
    cr_expect(heartbeat(&one, 6200) == UNKNOWN_MEMBER);
    cr_expect(!may_commit(&one, 6200));
    cr_expect(one.code == UNKNOWN_MEMBER);
}

Test(groups, a_member_that_does_not_rejoin_is_told_to_and_its_old_commits_refused)
{
    struct peer one = { 0 }, two = { 0 };
    settle(&one, 0);
    join(&two, NULL, 100);
    cr_expect(heartbeat(&one, 200) == REBALANCING);
    cr_expect(may_commit(&one, 200), "what it holds, it may still commit");
    const int32_t old = one.generation;
    join(&one, NULL, 300);
    cr_expect(one.code == 0 && two.code == 0 && two.answers == 1);
    one.generation = old;
    cr_expect(!may_commit(&one, 400));
    cr_expect(one.code == OLD_GENERATION);
}

Test(groups, a_closed_connection_is_a_members_end)
{
    struct peer one = { 0 }, two = { 0 };
    settle(&one, 0);
    groups_client_closed(groups, &one, 10);
    settle(&two, 20);
    cr_expect(one.answers == 2);
}

Test(groups, a_static_member_replaces_the_one_before)
{
    struct peer one = { 0 }, two = { 0 };
    join(&one, "host-1", 0);
    sync_group(&one, true, 0);
    join(&two, "host-1", 10);
    cr_expect(two.answers == 1 && two.code == 0);
    cr_expect(heartbeat(&one, 20) == UNKNOWN_MEMBER);
}

Test(groups, a_tool_commits_while_nobody_is_in_the_group)
{
    struct peer tool = { .generation = -1 }, one = { 0 };
    cr_expect(may_commit(&tool, 0));
    settle(&one, 0);
    cr_expect(!may_commit(&tool, 0));
}

Test(groups, garbage_is_answered_and_breaks_nothing)
{
    struct peer peer = { 0 };
    for (size_t size = 0; size < 64; size++)
        for (int16_t api_key = API_OFFSET_COMMIT; api_key <= API_SYNC_GROUP; api_key++) {
            uint8_t bytes[64];
            memset(bytes, (int)(size * 37 % 256), sizeof(bytes));
            const struct group_request request = { &peer, &peer, api_key, 2, { 0 }, 0 };
            asked = -1;
            (void)groups_handle(groups, &request, wire_reader(bytes, size));
        }
}
