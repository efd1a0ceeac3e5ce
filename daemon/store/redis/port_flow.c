/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/port_flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "event/event_again.h"
#include "store/redis/waits.h"

char *port_origin_of(const struct run *run)
{
    const struct event *event = run->event;

    if (event->view.partition < 0)
        return xstrdup(run->id.text); /* of no message */
    char *origin = xasprintf("%s:%d:%lld:%lld", event->view.topic, (int)event->view.partition, (long long)event->view.offset,
                             (long long)event->timestamp_ms);

    if (event->part == 0)
        return origin;
    char *longer = xasprintf("%s:%u", origin, (unsigned)event->part);
    free(origin);
    return longer;
}

static void pack_name(msgpack_packer *packer, const char *name)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
}

static void pack_text(msgpack_packer *packer, const char *name, struct bytes text)
{
    pack_name(packer, name);
    msgpack_pack_str_with_body(packer, text.data, text.size);
}

static void pack_number(msgpack_packer *packer, const char *name, int64_t number)
{
    pack_name(packer, name);
    msgpack_pack_int64(packer, number);
}

void port_add_part(msgpack_sbuffer *text, struct bytes part)
{
    if (text->size > 0)
        msgpack_sbuffer_write(text, "", 1);
    msgpack_sbuffer_write(text, part.data, part.size);
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){ text, strlen(text) };
}

/* function, NUL, key: what it counts by. */
static void pack_key(msgpack_packer *packer, const char *name, const struct run *run, struct bytes key)
{
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    port_add_part(&text, bytes_of(run->function->id));
    port_add_part(&text, key);
    pack_text(packer, name, (struct bytes){ text.data, text.size });
    msgpack_sbuffer_destroy(&text);
}

static void pack_place(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask, size_t at)
{
    const struct stepd_limit *limit = &run->function->flow->given.concurrency_limits.items[at];
    AUTO_FREE char *name = limit->scope != NULL ? xasprintf("@%s", limit->scope) : xstrdup(run->function->id);
    AUTO_FREE char *number = limit->scope != NULL ? xstrdup("") : xasprintf("%zu", at);
    msgpack_sbuffer text;

    assert(at < run->function->flow->given.concurrency_limits.count);
    msgpack_sbuffer_init(&text);
    port_add_part(&text, bytes_of(name));
    port_add_part(&text, bytes_of(number));
    port_add_part(&text, flow_ask_key(ask, &ask->limits[at]));
    msgpack_pack_str_with_body(packer, text.data, text.size);
    msgpack_sbuffer_destroy(&text);
}

/* The values that its turn hangs on. */
void port_add_line(msgpack_sbuffer *text, const struct run *run, const struct flow_ask *ask)
{
    size_t count = run->function->flow->given.concurrency_limits.count;

    port_add_part(text, flow_ask_key(ask, &ask->throttle));
    for (size_t i = 0; i < count; i++)
        port_add_part(text, flow_ask_key(ask, &ask->limits[i]));
    if (function_has_breaker(run->function))
        port_add_part(text, flow_ask_key(ask, &ask->breaker));
}

static void pack_line(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask)
{
    msgpack_sbuffer text;

    msgpack_sbuffer_init(&text);
    port_add_line(&text, run, ask);
    pack_text(packer, "line", (struct bytes){ text.data, text.size });
    msgpack_sbuffer_destroy(&text);
}

/* Later events that mean something to the run; each in its place is `f.makes` of waits.lua. */
static void pack_wishes(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask)
{
    const struct flow_wishes *wishes = &run->function->flow->wishes;

    if (wishes->count == 0)
        return;
    pack_name(packer, "makes");
    msgpack_pack_array(packer, wishes->count);
    for (size_t i = 0; i < wishes->count; i++)
        waits_pack_wish(packer, run, &wishes->items[i], flow_ask_key(ask, &ask->wishes[i]));
}

/* `more` members are to follow. */
static void begin_flow(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask, unsigned more)
{
    const struct flow_settings *flow = run->function->flow;
    size_t count = flow->given.concurrency_limits.count;

    msgpack_pack_map(packer, more + 3U + flow_has_breaker(flow) + (flow->given.start_timeout_ms > 0) + (flow->given.finish_timeout_ms > 0) +
                                 (flow->wishes.count > 0) + flow->has_tried_cancels);
    pack_wishes(packer, run, ask);
    if (flow->has_tried_cancels) {
        pack_name(packer, "lives");
        msgpack_pack_true(packer);
    }
    if (flow->given.start_timeout_ms > 0)
        pack_number(packer, "start", flow->given.start_timeout_ms);
    if (flow->given.finish_timeout_ms > 0)
        pack_number(packer, "finish", flow->given.finish_timeout_ms);
    if (flow_has_breaker(flow))
        pack_key(packer, "breaker", run, flow_ask_key(ask, &ask->breaker));
    pack_line(packer, run, ask);
    pack_key(packer, "turn", run, flow_ask_key(ask, &ask->throttle));
    pack_name(packer, "places");
    msgpack_pack_array(packer, count);
    for (size_t i = 0; i < count; i++)
        pack_place(packer, run, ask, i);
}

static void pack_flow(msgpack_packer *packer, const struct run *run, const struct flow_ask *ask)
{
    begin_flow(packer, run, ask, 0);
}

void port_pack_flow(msgpack_sbuffer *flow, const struct run *run, const struct flow_ask *ask)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, flow, msgpack_sbuffer_write);
    pack_flow(&packer, run, ask);
}

void port_pack_queued(msgpack_sbuffer *flow, const struct run *run, const struct flow_ask *ask, int64_t arrived_us)
{
    int64_t ahead_us = ask->priority_ms * 1000;
    msgpack_packer packer;

    msgpack_packer_init(&packer, flow, msgpack_sbuffer_write);
    begin_flow(&packer, run, ask, 4);
    pack_text(&packer, "fn", bytes_of(run->function->id));
    pack_name(&packer, "begun");
    msgpack_pack_false(&packer);
    pack_number(&packer, "ahead", ahead_us);
    pack_number(&packer, "score", arrived_us - ahead_us);
}

/* A map whose members are counted as they come. */
struct members {
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    uint32_t count;
};

static msgpack_packer *next_member(struct members *members)
{
    members->count++;
    return &members->packer;
}

static void add_rules(struct members *members, const struct redis_store *store, const struct run *run, const struct flow_ask *ask)
{
    const struct stepd_function *given = &run->function->flow->given;
    const struct stepd_rate_limit *rate = &given->rate_limit;
    int64_t interval_us = ask->has_rate_limit ? flow_interval_us(rate->period_ms, rate->limit) : 0;

    if (ask->has_rate_limit) {
        pack_key(next_member(members), "rate", run, flow_ask_key(ask, &ask->rate_limit));
        pack_number(next_member(members), "interval", interval_us);
        pack_number(next_member(members), "tolerance", flow_tolerance_us(interval_us, rate->limit));
    }
    if (!ask->has_singleton)
        return;
    pack_key(next_member(members), "lock", run, flow_ask_key(ask, &ask->singleton));
    if (given->singleton.mode == STEPD_SINGLETON_CANCEL) {
        pack_name(next_member(members), "cancels");
        msgpack_pack_true(&members->packer);
        pack_text(next_member(members), "history", (struct bytes){ store_history_letter(store), 1 });
    }
}

static void add_debounce(struct members *members, const struct run *run, const struct flow_ask *ask)
{
    const struct stepd_debounce *debounce = &run->function->flow->given.debounce;

    pack_name(next_member(members), "debounce");
    msgpack_pack_map(&members->packer, 3);
    pack_key(&members->packer, "by", run, flow_ask_key(ask, &ask->debounce));
    pack_number(&members->packer, "period", debounce->period_ms);
    pack_number(&members->packer, "timeout", debounce->timeout_ms);
}

static void add_members(struct members *members, const struct redis_store *store, const struct run *run, const struct flow_ask *ask)
{
    if (ask->has_dedupe) {
        AUTO_FREE char *origin = port_origin_of(run);
        pack_text(next_member(members), "seen", bytes_of(ask->dedupe.text));
        pack_text(next_member(members), "origin", bytes_of(origin));
        pack_number(next_member(members), "window", run->function->dedupe_ms);
    }
    if (ask->is_duplicate) {
        pack_name(next_member(members), "duplicate");
        msgpack_pack_true(&members->packer);
    }
    add_rules(members, store, run, ask);
    if (ask->has_debounce)
        add_debounce(members, run, ask);
    if (function_is_lined(run->function) || ask->is_held) {
        pack_name(next_member(members), "flow");
        pack_flow(&members->packer, run, ask);
        pack_number(next_member(members), "ahead", ask->priority_ms * 1000);
        pack_number(next_member(members), "part", run->event->part);
    }
    if (event_is_again(run->event)) {
        pack_name(next_member(members), "again");
        msgpack_pack_true(&members->packer);
    }
}

void port_pack_ask(msgpack_packer *packer, const struct redis_store *store, const struct run *run, const struct flow_ask *ask,
                   const struct run_id *older_id)
{
    struct members members = { .count = 0 };

    msgpack_sbuffer_init(&members.bytes);
    msgpack_packer_init(&members.packer, &members.bytes, msgpack_sbuffer_write);
    add_members(&members, store, run, ask);
    if (older_id->text[0] != '\0')
        pack_text(next_member(&members), "older_id", bytes_of(older_id->text));
    msgpack_pack_map(packer, members.count);
    msgpack_pack_str_body(packer, members.bytes.data, members.bytes.size);
    msgpack_sbuffer_destroy(&members.bytes);
}
