/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/redis/homes.h"
#include "store/redis/keys.h"
#include "store/redis/rights.h"

struct shard {
    char *prefix;
    _Atomic(uint64_t) lineage;        /* of the data behind it; 0: none was seen. Under renew_lock */
    _Atomic(int64_t) clock_offset_us; /* its server's time less our monotonic one; not more than that */
    atomic_bool is_clock_new;         /* another server's: believe what it says next */
    _Atomic(int64_t) seen_ms;         /* when the latest request that was answered went out; monotonic */
};

struct redis_store {
    struct store port; /* first */
    struct store_settings settings;
    struct redis_url url;
    struct homes *homes;
    struct shard *shards;
    atomic_bool is_running; /* it started well */
    atomic_bool is_agreed;  /* Redis knows the same number of shards */

    struct lock renew_lock; /* before `lock` */

    struct lock lock;
    struct incarnation incarnation; /* lock */
    /* lock; called under it */
    void (*on_due)(void *context, int shard, const struct function *line_of, int64_t due_ms);
    void *on_due_context;                      /* lock */
    void (*on_post)(void *context, int shard); /* lock; NULL: nobody */
    void *on_post_context;                     /* lock */
};

static_assert(offsetof(struct redis_store, port) == 0, "port_store() is given the port");

static struct lane_host host_of(struct redis_store *store);

/* ---- the life of it ---------------------------------------------------------------------------- */

static struct incarnation new_incarnation(void)
{
    struct incarnation incarnation;

    if (getrandom(incarnation.bytes, sizeof(incarnation.bytes), 0) != (ssize_t)sizeof(incarnation.bytes))
        abort();
    return incarnation;
}

struct redis_store *store_create(const struct store_settings *settings)
{
    struct redis_store *store = xcalloc(1, sizeof(*store));

    assert(settings->shards >= 1);
    store->port.ops = &STORE_PORT_OPS;
    store->settings = *settings;
    store->settings.url = xstrdup(settings->url);
    store->settings.prefix = xstrdup(settings->prefix);
    store->shards = xcalloc((size_t)settings->shards, sizeof(*store->shards));
    for (int shard = 0; shard < settings->shards; shard++) {
        store->shards[shard].prefix = keys_shard_prefix(settings->prefix, shard);
        store->shards[shard].clock_offset_us = clock_wall_ns() / 1000 - clock_monotonic_ns() / 1000;
    }
    store->incarnation = new_incarnation();
    store->homes = homes_create(&(struct homes_settings){
        .url = &store->url, .shards = settings->shards, .timeout_ms = settings->timeout_ms, .host = host_of(store) });
    lock_init(&store->renew_lock);
    lock_init(&store->lock);
    return store;
}

void store_stop(struct redis_store *store)
{
    homes_stop(store->homes);
}

void store_destroy(struct redis_store *store)
{
    if (store == NULL)
        return;
    homes_destroy(store->homes);
    for (int shard = 0; shard < store->settings.shards; shard++)
        free(store->shards[shard].prefix);
    free(store->shards);
    url_done(&store->url);
    free((char *)store->settings.url);
    free((char *)store->settings.prefix);
    lock_done(&store->lock);
    lock_done(&store->renew_lock);
    free(store);
}

struct homes *store_homes(struct redis_store *store)
{
    return store->homes;
}

struct store *store_port(struct redis_store *store)
{
    return &store->port;
}

bool store_shard_is_up(struct redis_store *store, int shard)
{
    const struct lane *lane = homes_lane(store->homes, shard);
    return lane != NULL && lane_is_up(lane);
}

bool store_is_up(struct redis_store *store)
{
    for (int shard = 0; shard < store->settings.shards; shard++) {
        if (!store_shard_is_up(store, shard))
            return false;
    }
    return true;
}

void store_counts(struct redis_store *store, struct store_counts *ret_counts)
{
    *ret_counts = (struct store_counts){ 0 };
    homes_add_counts(store->homes, ret_counts);
}

struct incarnation store_incarnation(struct redis_store *store)
{
    lock_take(&store->lock);
    struct incarnation incarnation = store->incarnation;
    lock_give(&store->lock);
    return incarnation;
}

bool store_is_self(struct redis_store *store, const struct incarnation *name)
{
    struct incarnation self = store_incarnation(store);

    return memcmp(&self, name, sizeof(self)) == 0;
}

static void renew(struct redis_store *store, bool is_rollback)
{
    assert_held(&store->renew_lock);
    lock_take(&store->lock);
    store->incarnation = new_incarnation();
    lock_give(&store->lock);
    if (store->settings.on_new_incarnation != NULL)
        store->settings.on_new_incarnation(store->settings.context, is_rollback);
}

void store_renew(struct redis_store *store)
{
    lock_take(&store->renew_lock);
    renew(store, false);
    lock_give(&store->renew_lock);
}

int64_t store_shard_clock_us(const struct redis_store *store, int shard)
{
    assert(shard >= 0 && shard < store->settings.shards);
    return store->shards[shard].clock_offset_us;
}

int64_t store_shard_now_ms(struct redis_store *store, int shard)
{
    return (clock_monotonic_ns() / 1000 + store_shard_clock_us(store, shard)) / 1000;
}

int64_t store_now_ms(struct redis_store *store)
{
    return store_shard_now_ms(store, 0);
}

uint64_t store_lineage(struct redis_store *store, int shard)
{
    assert(shard >= 0 && shard < store->settings.shards);
    return store->shards[shard].lineage;
}

void store_made_due_in_line(struct redis_store *store, int shard, const struct function *function, int64_t due_ms)
{
    assert(shard >= 0 && shard < store->settings.shards);
    lock_take(&store->lock);
    if (store->on_due != NULL)
        store->on_due(store->on_due_context, shard, function, due_ms);
    lock_give(&store->lock);
}

void store_made_due(struct redis_store *store, int shard, int64_t due_ms)
{
    store_made_due_in_line(store, shard, NULL, due_ms);
}

void store_posted(struct redis_store *store, int shard)
{
    assert(shard >= 0 && shard < store->settings.shards);
    lock_take(&store->lock);
    if (store->on_post != NULL)
        store->on_post(store->on_post_context, shard);
    lock_give(&store->lock);
}

int64_t store_seen_ms(const struct redis_store *store)
{
    int64_t seen_ms = INT64_MAX;

    for (int shard = 0; shard < store->settings.shards; shard++) {
        int64_t its_ms = store->shards[shard].seen_ms;
        seen_ms = its_ms < seen_ms ? its_ms : seen_ms;
    }
    return seen_ms;
}

const char *store_history_letter(const struct redis_store *store)
{
    static const char *const LETTERS[] = { [HISTORY_NONE] = "n", [HISTORY_FAILURES] = "f", [HISTORY_ALL] = "a" };

    assert((size_t)store->settings.history < COUNT_OF(LETTERS));
    return LETTERS[store->settings.history];
}

int store_shards(const struct redis_store *store)
{
    return store->settings.shards;
}

int store_shard_of(const struct redis_store *store, const char *run_id)
{
    return (int)(run_id_placement(run_id) % (unsigned)store->settings.shards);
}

const char *store_prefix(const struct redis_store *store, int shard)
{
    assert(shard >= 0 && shard < store->settings.shards);
    return store->shards[shard].prefix;
}

const struct store_settings *store_settings(const struct redis_store *store)
{
    return &store->settings;
}

void store_on_due(struct redis_store *store, void (*on_due)(void *context, int shard, const struct function *line_of, int64_t due_ms),
                  void *context)
{
    lock_take(&store->lock);
    store->on_due = on_due;
    store->on_due_context = context;
    lock_give(&store->lock);
}

void store_on_post(struct redis_store *store, void (*on_post)(void *context, int shard), void *context)
{
    lock_take(&store->lock);
    store->on_post = on_post;
    store->on_post_context = context;
    lock_give(&store->lock);
}

/* ---- what is found behind a link (lane threads) -------------------------------------------------- */

static bool is_home(const struct redis_store *store, int shard, const struct lane *lane)
{
    return homes_lane(store->homes, shard) == lane;
}

static int check_shards(struct redis_store *store, struct link *link, struct error *ret_error)
{
    const char *prefix = store_prefix(store, 0);
    AUTO_REPLY set = NULL;
    AUTO_REPLY stands = NULL;

    int status = link_ask(link, &set, ret_error, "SETNX %sshards %d", prefix, store->settings.shards);
    if (status != 0 && strstr(ret_error->text, "READONLY") == NULL)
        return status;
    status = link_ask(link, &stands, ret_error, "GET %sshards", prefix);
    if (status != 0)
        return status;
    int shards = stands->type == REDIS_REPLY_STRING ? atoi(stands->str) : store->settings.shards;
    if (shards == store->settings.shards)
        return 0;
    return error_set(ret_error, EINVAL,
                     "redis.shards is %d, but the runs under '%s' in this Redis are spread over %d: "
                     "set it to %d, or use another redis.prefix",
                     store->settings.shards, store->settings.prefix, shards, shards);
}

static int set_clock(struct redis_store *store, struct lane *lane, struct link *link, struct error *ret_error)
{
    AUTO_REPLY reply = NULL;
    int status = link_ask(link, &reply, ret_error, "TIME");

    if (status != 0 || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return status;
    int64_t now_us = atoll(reply->element[0]->str) * 1000000 + atoll(reply->element[1]->str);
    for (int shard = 0; shard < store->settings.shards; shard++) {
        if (is_home(store, shard, lane))
            store->shards[shard].clock_offset_us = now_us - clock_monotonic_ns() / 1000;
    }
    return 0;
}

/* Before this daemon's first request over the link: a run that it lets wait must know of what Redis has lost (scripts/rewind.lua). */
static int note_process(struct redis_store *store, struct lane *lane, struct link *link, struct error *ret_error)
{
    AUTO_FREE char *text = script_text(script_index("linked"));
    int asked = 0, status = 0;

    for (int shard = 0; shard < store->settings.shards; shard++) {
        if (!is_home(store, shard, lane))
            continue;
        if (redisAppendCommand(link->redis, "EVAL %s 1 %s", text, store_prefix(store, shard)) != REDIS_OK)
            abort();
        asked++;
    }
    for (; asked > 0 && status == 0; asked--) {
        AUTO_REPLY reply = NULL;
        status = link_hear(link, &reply, ret_error);
    }
    return status;
}

static int check_role(const struct redis_store *store, const struct link *link, struct error *ret_error)
{
    if (store->url.kind == URL_SERVER && link->is_cluster_node)
        return error_set(ret_error, EINVAL, "redis.url leads to a node of a Redis Cluster: begin it with redis+cluster://");
    if (store->url.kind != URL_SERVER && link->is_replica)
        return error_set(ret_error, EAGAIN, "it is a replica by now");
    return 0;
}

static void warn_of_settings(const struct link *link)
{
    if (!link->is_append_only)
        log_warn("Redis has appendonly no: all waiting runs are lost when it stops; set it to yes");
    if (link->evicts)
        log_warn("Redis has a maxmemory-policy that may delete runs when its memory is full; set it to noeviction");
    if (link->trusts_replicas)
        log_warn("Redis has replicas and min-replicas-to-write 0: while it is cut off from them it accepts writes that a failover loses; "
                 "set it to 1, and redis.durability_lag to min-replicas-max-lag and 2 s more");
}

/* What its shards stand on by now; where it is not what they stood on, the last writes may be lost. */
static void settle(struct redis_store *store, struct lane *lane)
{
    uint64_t lineage = lane_lineage(lane);
    bool is_rollback = false;

    lock_take(&store->renew_lock);
    for (int shard = 0; shard < store->settings.shards; shard++) {
        if (!is_home(store, shard, lane) || store->shards[shard].lineage == lineage)
            continue;
        is_rollback = is_rollback || store->shards[shard].lineage != 0;
        store->shards[shard].lineage = lineage;
        store->shards[shard].is_clock_new = true;
    }
    if (is_rollback)
        renew(store, true);
    lock_give(&store->renew_lock);
}

static bool is_new_to_us(const struct redis_store *store, uint64_t lineage)
{
    for (int shard = 0; shard < store->settings.shards; shard++) {
        if (store->shards[shard].lineage == lineage)
            return false;
    }
    return true;
}

static int on_linked(void *context, struct lane *lane, struct link *link, struct error *ret_error)
{
    struct redis_store *store = context;

    int status = check_role(store, link, ret_error);
    if (status == 0)
        status = rights_check(link, &store->url, store->settings.prefix, ret_error);
    if (status == 0 && is_home(store, 0, lane))
        status = check_shards(store, link, ret_error);
    if (status == 0)
        status = set_clock(store, lane, link, ret_error);
    if (status == 0 && !link->is_replica)
        status = note_process(store, lane, link, ret_error);
    if (status != 0)
        return status;
    if (is_home(store, 0, lane))
        store->is_agreed = true;
    if (is_new_to_us(store, link->lineage))
        warn_of_settings(link);
    settle(store, lane);
    return 0;
}

static int on_forbidden(void *context, const struct redis_place *place, struct error *ret_error)
{
    struct redis_store *store = context;
    return rights_check_at(place, &store->url, store->settings.prefix, store->settings.timeout_ms, ret_error);
}

static void on_tried(void *context, struct lane *lane, int status, const struct error *error)
{
    struct redis_store *store = context;

    homes_tried(store->homes, lane, status, error);
    if (status == -EINVAL && store->is_running && store->settings.fatal != NULL)
        store->settings.fatal(error->text);
}

static void on_route(void *context, struct request *request)
{
    struct redis_store *store = context;
    homes_route(store->homes, request);
}

static void on_astray(void *context, struct lane *lane, int shard, const struct redis_place *place)
{
    struct redis_store *store = context;
    homes_astray(store->homes, lane, shard, place);
}

/* What is sent in this worker's name is sent in its name of now. */
static void follow_incarnation(struct redis_store *store, struct request *request)
{
    if (request->script < 0 || request->call->owner_at < 0)
        return;
    if (store_is_self(store, &request->call->owner))
        return;
    struct incarnation self = store_incarnation(store);
    script_set_owner(request->call, &self);
    redisFreeCommand(request->command);
    request->command = NULL; /* it is made anew where it goes out */
}

static enum lane_admission on_admit(void *context, struct lane *lane, struct request *request)
{
    struct redis_store *store = context;

    if (!is_home(store, request->shard, lane))
        return LANE_LOSES;
    if (!store->is_agreed)
        return request->only_as != NULL ? LANE_ENDS : LANE_PUTS_OFF;
    if (store->shards[request->shard].lineage != lane_lineage(lane))
        settle(store, lane);
    if (request->only_as != NULL && !store_is_self(store, request->only_as))
        return LANE_ENDS;
    follow_incarnation(store, request);
    return LANE_SENDS;
}

static const char *on_prefix(void *context, int shard)
{
    return store_prefix(context, shard);
}

static void set_clock_by(struct shard *shard, int64_t server_ms)
{
    /* A reply that waited to be read makes Redis seem slow: believe the fast ones. */
    int64_t sample = server_ms * 1000 - clock_monotonic_ns() / 1000;
    int64_t offset = shard->clock_offset_us;
    bool is_new = atomic_exchange(&shard->is_clock_new, false);
    shard->clock_offset_us = is_new || sample >= offset ? sample : offset - (offset - sample + 31) / 32;
}

static void on_heard(void *context, const struct request *request, const redisReply *reply)
{
    struct redis_store *store = context;
    struct shard *shard = &store->shards[request->shard];
    int64_t sent_ms = request->sent_ns / 1000000;

    if (sent_ms > shard->seen_ms)
        shard->seen_ms = sent_ms;
    /* Each script that answers with a list has its server's time in the second place. */
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2 && reply->element[1]->type == REDIS_REPLY_INTEGER)
        set_clock_by(shard, reply->element[1]->integer);
}

/* ---- starting ------------------------------------------------------------------------------------ */

static struct lane_host host_of(struct redis_store *store)
{
    return (struct lane_host){ .linked = on_linked,
                               .forbidden = on_forbidden,
                               .tried = on_tried,
                               .admit = on_admit,
                               .prefix = on_prefix,
                               .route = on_route,
                               .astray = on_astray,
                               .heard = on_heard,
                               .context = store };
}

int store_start(struct redis_store *store, struct error *ret_error)
{
    int status = url_parse(store->settings.url, &store->url, ret_error);

    if (status == 0)
        status = homes_start(store->homes, ret_error);
    if (status == 0 || status == -EAGAIN)
        store->is_running = true;
    else
        store_stop(store);
    return status;
}

int store_open_link(struct redis_store *store, int shard, struct link *ret_link, struct error *ret_error)
{
    struct lane *lane = homes_lane(store->homes, shard);

    if (lane == NULL)
        return error_set(ret_error, EAGAIN, "nobody tells where Redis is");
    struct redis_place place = lane_place(lane);
    return link_open(ret_link, &store->url, &place, store->settings.timeout_ms, ret_error);
}
