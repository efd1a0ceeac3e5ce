/* SPDX-License-Identifier: Apache-2.0 */
/* What the page lets people do. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "codec/json.h"
#include "codec/packed.h"
#include "page/page_internal.h"
#include "page/rows.h"

#define RETRIES_A_REQUEST 500
#define LOOKS_A_REQUEST 20000 /* at failed runs of a shard */

/* ---- one run ------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    const char *done;
    int (*change)(struct redis_store *store, const char *id, enum runs_change *ret_change, struct error *ret_error);
    const char *in_vain;
} run_changes[] = {
    { "/retry", "retried", runs_retry, "only a failed or cancelled run can be retried" },
    { "/cancel", "cancelled", runs_cancel, "it has ended already" },
};

/* One line in this daemon's log: what was done, and from where. */
static void log_deed(const struct web_request *request, const char *what)
{
    char address[WEB_ADDRESS_SIZE] = "the page";

    if (request->address != NULL)
        request->address(request, address);
    log_info("%s by %s over HTTP", what, address);
}

static void change_run(struct page *page, const struct web_request *request, const char *id, size_t which, struct web_reply *reply)
{
    enum runs_change change = RUNS_IN_VAIN;
    struct error error = { 0 };
    struct json_out out;

    assert(which < COUNT_OF(run_changes) && run_id_is_valid(id));
    int status = run_changes[which].change(page->store, id, &change, &error);
    if (status != 0) {
        reply_error(reply, status == -ENOENT ? 404 : status == -EBADMSG ? 422 : 503, "%s", error.text);
        return;
    }
    if (change == RUNS_IN_VAIN) {
        reply_error(reply, 409, "%s", run_changes[which].in_vain);
        return;
    }
    AUTO_FREE char *what = xasprintf("1 run %s (%s)", run_changes[which].done, id);
    log_deed(request, what);
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "changed", change == RUNS_ASKED ? "asked" : run_changes[which].done);
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

void page_change_run(void *context, const struct web_request *request, struct web_reply *reply)
{
    const char *id = request->path + strlen("/api/runs/");
    size_t length = strcspn(id, "/");
    AUTO_FREE char *copy = xstrndup(id, length);

    for (size_t i = 0; i < COUNT_OF(run_changes); i++) {
        if (strcmp(run_changes[i].word, id + length) == 0) {
            if (run_id_is_valid(copy))
                change_run(context, request, copy, i, reply);
            else
                reply_error(reply, 404, "no such run");
            return;
        }
    }
    reply_error(reply, 404, "a run can be retried and cancelled");
}

/* ---- what a request says ------------------------------------------------------------------------- */

/* Empty: it is not there, or no text. */
static struct bytes text_member(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = packed_find(map, name);

    if (value == NULL || value->type != MSGPACK_OBJECT_STR)
        return (struct bytes){ NULL, 0 };
    return (struct bytes){ value->via.str.ptr, value->via.str.size };
}

static char *text_copy(struct bytes text)
{
    return text.size > 0 ? xstrndup(text.data, text.size) : NULL;
}

/* The body as an object in `zone`; else it is answered. */
static bool read_body(const struct web_request *request, msgpack_zone *zone, msgpack_object *ret_object, struct web_reply *reply)
{
    struct error error = { 0 };

    if (json_decode(request->body, zone, ret_object, &error) == 0 && ret_object->type == MSGPACK_OBJECT_MAP)
        return true;
    reply_error(reply, 400, "the body is to be a JSON object%s%s", error.text[0] != '\0' ? ": " : "", error.text);
    return false;
}

/* ---- many runs ----------------------------------------------------------------------------------- */

struct chosen {
    const char *function; /* NULL: any */
    const char *error;    /* its name; NULL: any */
    struct run_id ids[RETRIES_A_REQUEST];
    size_t count;
};

static bool choose(void *context, const struct row *row)
{
    struct chosen *chosen = context;
    const char *error = row->view != NULL && row->view->has_error ? row->view->error.name : "";

    if (chosen->function != NULL && strcmp(row->record->function, chosen->function) != 0)
        return true;
    if (chosen->error != NULL && strcmp(error, chosen->error) != 0)
        return true;
    assert(chosen->count < RETRIES_A_REQUEST);
    memcpy(chosen->ids[chosen->count++].text, row->id, sizeof(row->id));
    return chosen->count < RETRIES_A_REQUEST;
}

/* Of all shards. */
static int change_ids(struct page *page, enum runs_deed deed, const struct run_id *all, size_t all_count, struct runs_changed *changed)
{
    AUTO_FREE struct run_id *ids = xcalloc(all_count + 1, sizeof(*ids));
    int status = 0;

    for (int shard = 0; shard < store_shards(page->store) && status == 0; shard++) {
        size_t count = 0;
        for (size_t i = 0; i < all_count; i++)
            if (store_shard_of(page->store, all[i].text) == shard)
                ids[count++] = all[i];
        for (size_t at = 0; at < count && status == 0; at += RUNS_PEEK_MOST) {
            const size_t left = count - at;
            status = runs_change_many(page->store, deed, shard, ids + at, left < RUNS_PEEK_MOST ? left : RUNS_PEEK_MOST, changed);
        }
    }
    return status;
}

/* What failed up to *before_ms, latest first; *before_ms: where the next request goes on, INT64_MIN: there is no more.
 * What fails again meanwhile is later, and not retried again. */
static int retry_before(struct page *page, struct chosen *chosen, int64_t *before_ms, size_t *ret_retried)
{
    int64_t reached_ms = INT64_MIN;

    *ret_retried = 0;
    for (int shard = 0; shard < store_shards(page->store) && chosen->count < RETRIES_A_REQUEST; shard++) {
        struct walk walk;
        walk_init(&walk, RUNS_DEAD, shard);
        walk.status = RUN_FAILED;
        walk.place.at_ms = *before_ms;
        int status = walk_on(&walk, page->store, LOOKS_A_REQUEST, choose, chosen);
        if (status != 0)
            return status;
        if (!walk.is_end && walk.place.at_ms > reached_ms)
            reached_ms = walk.place.at_ms;
    }
    struct runs_changed changed = { 0 };
    int status = change_ids(page, RUNS_RETRY, chosen->ids, chosen->count, &changed);
    *ret_retried = changed.changed;
    if (chosen->count == RETRIES_A_REQUEST)
        reached_ms = *before_ms; /* they leave the list: what is behind them moves up */
    if (reached_ms == *before_ms && *ret_retried == 0)
        reached_ms--; /* or it would never end */
    *before_ms = reached_ms >= 0 ? reached_ms : INT64_MIN;
    return status;
}

static void put_retried(size_t retried, int64_t before_ms, struct web_reply *reply)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_number(&out, "retried", (int64_t)retried);
    if (before_ms != INT64_MIN)
        json_out_number(&out, "before_ms", before_ms);
    else
        json_out_null(&out, "before_ms");
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

/* Where an earlier request got to, else now; what is no time is answered. */
static bool read_before(const struct page *page, const msgpack_object *body, int64_t *ret_before_ms, struct web_reply *reply)
{
    const msgpack_object *before = packed_find(body, "before_ms");

    *ret_before_ms = store_now_ms(page->store);
    if (before == NULL)
        return true;
    if (before->type == MSGPACK_OBJECT_POSITIVE_INTEGER && before->via.u64 <= INT64_MAX) {
        *ret_before_ms = (int64_t)before->via.u64;
        return true;
    }
    reply_error(reply, 400, "'before_ms' is to be the one that the last answer had");
    return false;
}

void page_retry_all(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    msgpack_zone *zone = msgpack_zone_new(1024);
    msgpack_object body;
    int64_t before_ms;

    if (read_body(request, zone, &body, reply) && read_before(page, &body, &before_ms, reply)) {
        AUTO_FREE char *function = text_copy(text_member(&body, "function"));
        AUTO_FREE char *error = text_copy(text_member(&body, "error"));
        AUTO_FREE struct chosen *chosen = xcalloc(1, sizeof(*chosen));
        size_t retried = 0;
        chosen->function = function;
        chosen->error = error;
        int status = retry_before(page, chosen, &before_ms, &retried);
        if (status == 0)
            put_retried(retried, before_ms, reply);
        else
            reply_error(reply, 503, "Redis: %s", strerror(-status));
        AUTO_FREE char *what = xasprintf("%zu run%s retried", retried, retried == 1 ? "" : "s");
        if (retried > 0)
            log_deed(request, what);
    }
    msgpack_zone_free(zone);
}

/* Up to RETRIES_A_REQUEST ids; what is none of a run's is answered. */
static bool read_ids(const msgpack_object *body, struct run_id *ids, size_t *ret_count, struct web_reply *reply)
{
    const msgpack_object *list = packed_find(body, "ids");

    if (list == NULL || list->type != MSGPACK_OBJECT_ARRAY || list->via.array.size > RETRIES_A_REQUEST) {
        reply_error(reply, 400, "'ids' is to be a list of at most %d runs' ids", RETRIES_A_REQUEST);
        return false;
    }
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const msgpack_object *id = &list->via.array.ptr[i];
        AUTO_FREE char *text = id->type == MSGPACK_OBJECT_STR ? xstrndup(id->via.str.ptr, id->via.str.size) : xstrdup("");
        if (!run_id_is_valid(text)) {
            reply_error(reply, 400, "'ids' has '%.60s', which is no run's id", text);
            return false;
        }
        memcpy(ids[i].text, text, sizeof(ids[i].text));
    }
    *ret_count = list->via.array.size;
    return true;
}

static bool read_deed(const msgpack_object *body, enum runs_deed *ret_deed, struct web_reply *reply)
{
    AUTO_FREE char *word = text_copy(text_member(body, "do"));
    bool is_retry = word != NULL && strcmp(word, "retry") == 0;

    if (is_retry || (word != NULL && strcmp(word, "cancel") == 0)) {
        *ret_deed = is_retry ? RUNS_RETRY : RUNS_CANCEL;
        return true;
    }
    reply_error(reply, 400, "'do' is to be retry or cancel");
    return false;
}

static void put_changed(const struct runs_changed *changed, struct web_reply *reply)
{
    struct json_out out;

    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_number(&out, "changed", (int64_t)changed->changed);
    json_out_number(&out, "asked", (int64_t)changed->asked);
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

static void change_many(struct page *page, const struct web_request *request, const msgpack_object *body, struct web_reply *reply)
{
    AUTO_FREE struct run_id *ids = xcalloc(RETRIES_A_REQUEST, sizeof(*ids));
    struct runs_changed changed = { 0 };
    enum runs_deed deed;
    size_t count = 0;

    if (!read_deed(body, &deed, reply) || !read_ids(body, ids, &count, reply))
        return;
    int status = change_ids(page, deed, ids, count, &changed);
    const size_t done = changed.changed + changed.asked;
    AUTO_FREE char *what = xasprintf("%zu run%s %s", done, done == 1 ? "" : "s", deed == RUNS_RETRY ? "retried" : "cancelled");
    if (done > 0)
        log_deed(request, what);
    if (status == 0)
        put_changed(&changed, reply);
    else
        reply_error(reply, 503, "Redis: %s", strerror(-status));
}

void page_change_many(void *context, const struct web_request *request, struct web_reply *reply)
{
    msgpack_zone *zone = msgpack_zone_new(1024);
    msgpack_object body;

    if (read_body(request, zone, &body, reply))
        change_many(context, request, &body, reply);
    msgpack_zone_free(zone);
}

/* ---- an event ------------------------------------------------------------------------------------ */

static void write_envelope(const msgpack_object *body, struct json_out *out)
{
    const msgpack_object *data = packed_find(body, "data");
    struct bytes id = text_member(body, "id");

    json_out_open(out, NULL, '{');
    if (id.size > 0)
        json_out_bytes(out, "id", id);
    json_out_bytes(out, "name", text_member(body, "name"));
    if (data != NULL)
        json_out_object(out, "data", data);
    json_out_close(out, '{');
}

static void send_event(struct page *page, const msgpack_object *body, const char *topic, struct web_reply *reply)
{
    struct publisher *publisher = producer_port(page->settings.producer);
    struct json_out envelope, out;

    json_out_init(&envelope);
    write_envelope(body, &envelope);
    const struct outgoing message = {
        .topic = topic,
        .key = text_member(body, "key"),
        .value = { envelope.buffer.data, envelope.buffer.size },
    };
    int status = publisher->ops->publish(publisher, &message, 1);
    json_out_done(&envelope);
    if (status != 0) {
        reply_error(reply, 503, "Kafka did not take it: %s", strerror(-status));
        return;
    }
    json_out_init(&out);
    json_out_open(&out, NULL, '{');
    json_out_text(&out, "topic", topic);
    json_out_close(&out, '{');
    reply_json(reply, &out);
}

void page_send(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct page *page = context;
    msgpack_zone *zone = msgpack_zone_new(4096);
    msgpack_object body;

    if (read_body(request, zone, &body, reply)) {
        AUTO_FREE char *asked = text_copy(text_member(&body, "topic"));
        const char *topic = asked != NULL ? asked : page->settings.config->topics[0];
        if (text_member(&body, "name").size == 0)
            reply_error(reply, 400, "an event has a name");
        else if (topic == NULL || !config_reads_topic(page->settings.config, topic))
            reply_error(reply, 400, "this daemon does not read that topic");
        else if (!producer_is_up(page->settings.producer))
            reply_error(reply, 503, "Kafka does not answer now");
        else
            send_event(page, &body, topic, reply);
    }
    msgpack_zone_free(zone);
}
