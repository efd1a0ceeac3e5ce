/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/homes.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "store/redis/topology.h"

#define LOOK_AGAIN_MS 250      /* for where shards live, while it is not known */
#define LOOK_LEAST_MS 50       /* between two looks */
#define SENTINEL_EVERY_MS 1000 /* a master that was replaced may not know it */
#define CLUSTER_EVERY_MS 10000 /* its nodes say by themselves what moved */

/* A lane, and how connecting it ended. */
struct route {
    struct lane *lane;
    struct redis_place place; /* where it leads; "": nowhere */
    bool must_lead;           /* the lane is to be told so */
    bool was_tried;
    int status;
    struct error error;
};

struct homes {
    struct homes_settings settings;
    _Atomic(struct lane *) *lanes; /* by shard; written under the lock. NULL: not known where it lives */
    struct thread resolver;        /* of a server alone there is none */

    struct lock lock;
    struct condition changed;     /* must_look, is_stopping, a route was tried, the resolver has looked */
    struct route **routes;        /* lock; each stays until the end */
    size_t route_count;           /* lock */
    struct request_list homeless; /* lock */
    bool must_look;               /* lock; for where the shards live */
    bool has_looked;              /* lock */
    struct error look_error;      /* lock */
    int look_status;              /* lock; of the resolver's latest look */
    bool is_stopping;             /* lock */
};

struct homes *homes_create(const struct homes_settings *settings)
{
    assert(settings->shards >= 1);
    struct homes *homes = xcalloc(1, sizeof(*homes));
    homes->settings = *settings;
    homes->lanes = xcalloc((size_t)settings->shards, sizeof(*homes->lanes));
    request_list_init(&homes->homeless);
    lock_init(&homes->lock);
    condition_init(&homes->changed);
    return homes;
}

void homes_stop(struct homes *homes)
{
    struct request_list homeless;

    request_list_init(&homeless);
    lock_take(&homes->lock);
    homes->is_stopping = true;
    size_t count = homes->route_count; /* no more come */
    request_list_move(&homes->homeless, &homeless);
    condition_wake_all(&homes->changed);
    lock_give(&homes->lock);
    for (size_t i = 0; i < count; i++)
        lane_stop(homes->routes[i]->lane);
    request_list_end(&homeless, -ESHUTDOWN);
}

void homes_destroy(struct homes *homes)
{
    if (homes == NULL)
        return;
    homes_stop(homes);
    thread_join(&homes->resolver);
    for (size_t i = 0; i < homes->route_count; i++) {
        lane_destroy(homes->routes[i]->lane);
        free(homes->routes[i]);
    }
    free(homes->routes);
    free(homes->lanes);
    condition_done(&homes->changed);
    lock_done(&homes->lock);
    free(homes);
}

struct lane *homes_lane(const struct homes *homes, int shard)
{
    assert(shard >= 0 && shard < homes->settings.shards);
    return homes->lanes[shard];
}

/* ---- routes -------------------------------------------------------------------------------------- */

void homes_route(struct homes *homes, struct request *request)
{
    struct lane *lane = homes->lanes[request->shard];

    assert(request->shard >= 0 && request->shard < homes->settings.shards);
    if (lane == NULL) {
        lock_take(&homes->lock);
        lane = homes->lanes[request->shard];
        bool must_wait = lane == NULL && !homes->is_stopping;
        if (must_wait)
            request_list_add(&homes->homeless, request);
        lock_give(&homes->lock);
        if (must_wait)
            return;
    }
    if (lane == NULL || !lane_push(lane, request))
        request_end(request, -ESHUTDOWN, NULL);
}

bool homes_ask(struct homes *homes, struct request *request)
{
    struct lane *lane = homes_lane(homes, request->shard);

    return lane != NULL && lane_ask(lane, request);
}

static void look_soon(struct homes *homes)
{
    assert_held(&homes->lock);
    homes->must_look = true;
    condition_wake_all(&homes->changed);
}

/* NULL: no thread can be started now. */
static struct route *add_route(struct homes *homes)
{
    struct route *route = xcalloc(1, sizeof(*route));

    assert_held(&homes->lock);
    route->lane = lane_create(
        &(struct lane_settings){ .url = homes->settings.url, .timeout_ms = homes->settings.timeout_ms, .host = homes->settings.host });
    int status = lane_start(route->lane);
    if (status != 0) {
        log_error("can't start a thread for Redis: %s", strerror(-status));
        lane_destroy(route->lane);
        free(route);
        return NULL;
    }
    homes->routes = xrealloc(homes->routes, (homes->route_count + 1) * sizeof(struct route *));
    homes->routes[homes->route_count++] = route;
    return route;
}

static bool is_used(const struct homes *homes, const struct route *route)
{
    for (int shard = 0; shard < homes->settings.shards; shard++) {
        if (homes->lanes[shard] == route->lane)
            return true;
    }
    return false;
}

/* One that leads there, one that nobody uses any more, or a new one. */
static struct route *route_to(struct homes *homes, const struct redis_place *place)
{
    struct route *unused = NULL;

    assert_held(&homes->lock);
    for (size_t i = 0; i < homes->route_count; i++) {
        if (place_is_same(&homes->routes[i]->place, place))
            return homes->routes[i];
        if (!is_used(homes, homes->routes[i]))
            unused = homes->routes[i];
    }
    struct route *route = unused != NULL ? unused : add_route(homes);
    if (route == NULL)
        return NULL;
    route->place = *place;
    route->must_lead = true;
    return route;
}

/* Then lead_routes(). */
static void set_home(struct homes *homes, int shard, const struct redis_place *place)
{
    struct route *route = place->name[0] != '\0' ? route_to(homes, place) : NULL;

    assert(shard >= 0 && shard < homes->settings.shards);
    assert_held(&homes->lock);
    if (route == NULL || homes->lanes[shard] == route->lane)
        return;
    homes->lanes[shard] = route->lane;
    if (shard == 0)
        route->must_lead = true; /* linked anew it is asked what concerns all shards */
}

/* All lanes go where they lead by now; those that no shard needs rest. */
static void lead_routes(struct homes *homes)
{
    assert_held(&homes->lock);
    for (size_t i = 0; i < homes->route_count; i++) {
        struct route *route = homes->routes[i];
        if (route->place.name[0] != '\0' && !is_used(homes, route)) {
            route->place = (struct redis_place){ .port = 0 };
            route->must_lead = true;
        }
        if (!route->must_lead)
            continue;
        route->must_lead = false;
        route->was_tried = false;
        lane_lead_to(route->lane, route->place.name[0] != '\0' ? &route->place : NULL);
    }
}

void homes_astray(struct homes *homes, const struct lane *lane, int shard, const struct redis_place *place)
{
    assert(shard < homes->settings.shards);
    if (homes->settings.url->kind == URL_SERVER)
        return;
    lock_take(&homes->lock);
    if (!homes->is_stopping && place != NULL && shard >= 0 && homes->lanes[shard] == lane)
        set_home(homes, shard, place);
    lead_routes(homes);
    look_soon(homes);
    lock_give(&homes->lock);
}

void homes_tried(struct homes *homes, const struct lane *lane, int status, const struct error *error)
{
    lock_take(&homes->lock);
    for (size_t i = 0; i < homes->route_count; i++) {
        struct route *route = homes->routes[i];
        if (route->lane != lane)
            continue;
        route->was_tried = true;
        route->status = status;
        if (status != 0)
            route->error = *error;
    }
    condition_wake_all(&homes->changed);
    lock_give(&homes->lock);
}

void homes_add_counts(struct homes *homes, struct store_counts *counts)
{
    lock_take(&homes->lock);
    for (size_t i = 0; i < homes->route_count; i++)
        lane_add_counts(homes->routes[i]->lane, counts);
    lock_give(&homes->lock);
}

/* ---- the resolver: a thread that asks where the shards live ---------------------------------------- */

static void set_homes(struct homes *homes, const struct redis_place *places)
{
    struct request_list homeless;

    request_list_init(&homeless);
    lock_take(&homes->lock);
    for (int shard = 0; !homes->is_stopping && shard < homes->settings.shards; shard++)
        set_home(homes, shard, &places[shard]);
    lead_routes(homes);
    for (struct request *request; !homes->is_stopping && (request = request_list_take(&homes->homeless)) != NULL;)
        request_list_add(&homeless, request);
    lock_give(&homes->lock);
    for (struct request *request; (request = request_list_take(&homeless)) != NULL;)
        homes_route(homes, request);
}

/* Nodes that are up, and that can so tell of others. The caller frees. */
static struct redis_place *known_places(struct homes *homes, size_t *ret_count)
{
    size_t count = 0;

    lock_take(&homes->lock);
    struct redis_place *places = xcalloc(homes->route_count + 1, sizeof(*places));
    for (size_t i = 0; i < homes->route_count && homes->settings.url->kind == URL_CLUSTER; i++) {
        if (lane_is_up(homes->routes[i]->lane) && homes->routes[i]->place.name[0] != '\0')
            places[count++] = homes->routes[i]->place;
    }
    lock_give(&homes->lock);
    *ret_count = count;
    return places;
}

static void note_look(struct homes *homes, int status, const struct error *error)
{
    lock_take(&homes->lock);
    bool was_well = !homes->has_looked || homes->look_status == 0;
    homes->has_looked = true;
    homes->look_status = status;
    homes->look_error = *error;
    condition_wake_all(&homes->changed);
    lock_give(&homes->lock);
    if (status != 0 && was_well)
        log_warn("neither a sentinel nor a node says where Redis is (%s): stepd keeps asking", error->text);
}

/* Whether all shards have a home. */
static bool look(struct homes *homes)
{
    const struct homes_settings *settings = &homes->settings;
    size_t count = 0;
    AUTO_FREE struct redis_place *known = known_places(homes, &count);
    AUTO_FREE struct redis_place *places = xcalloc((size_t)settings->shards, sizeof(*places));
    struct error error = { 0 };

    assert_thread(&homes->resolver);
    int status = topology_find(settings->url, known, count, settings->shards, settings->timeout_ms, places, &error);
    if (status == 0)
        set_homes(homes, places);
    note_look(homes, status, &error);
    for (int shard = 0; shard < settings->shards; shard++) {
        if (homes->lanes[shard] == NULL)
            return false;
    }
    return status == 0;
}

/* Until `until_ms` (monotonic), or (from `least_ms` on) until it is asked to look. False: it stops. */
static bool wait_to_look(struct homes *homes, int64_t least_ms, int64_t until_ms)
{
    lock_take(&homes->lock);
    for (int64_t now_ms; !homes->is_stopping && (now_ms = clock_monotonic_ms()) < until_ms;) {
        if (homes->must_look && now_ms >= least_ms)
            break;
        int64_t end_ms = homes->must_look ? least_ms : until_ms;
        (void)condition_wait_until(&homes->changed, &homes->lock, end_ms);
    }
    homes->must_look = false;
    bool goes_on = !homes->is_stopping;
    lock_give(&homes->lock);
    return goes_on;
}

static void *resolver_main(void *argument)
{
    struct homes *homes = argument;
    int64_t every_ms = homes->settings.url->kind == URL_SENTINEL ? SENTINEL_EVERY_MS : CLUSTER_EVERY_MS;
    int64_t looked_ms;
    bool is_known;

    do {
        pulse_beat_here();
        is_known = look(homes);
        looked_ms = clock_monotonic_ms();
    } while (wait_to_look(homes, looked_ms + LOOK_LEAST_MS, looked_ms + (is_known ? every_ms : LOOK_AGAIN_MS)));
    return NULL;
}

/* ---- starting ------------------------------------------------------------------------------------ */

/* What came of it; -EINPROGRESS: not known yet. */
static int first_outcome(struct homes *homes, struct error *ret_error)
{
    int outcome = 0;

    assert_held(&homes->lock);
    if (homes->resolver.is_started && !homes->has_looked)
        return -EINPROGRESS;
    if (homes->resolver.is_started && homes->look_status != 0) {
        *ret_error = homes->look_error;
        return homes->look_status;
    }
    for (size_t i = 0; i < homes->route_count; i++) {
        const struct route *route = homes->routes[i];
        if (!is_used(homes, route))
            continue;
        if (!route->was_tried)
            return -EINPROGRESS;
        if (route->status != 0 && (outcome == 0 || outcome == -EAGAIN)) {
            outcome = route->status;
            *ret_error = route->error;
        }
    }
    return outcome;
}

static int begin_routes(struct homes *homes, struct error *ret_error)
{
    /* A look may wait for each of several servers. */
    if (homes->settings.url->kind != URL_SERVER)
        return thread_start(&homes->resolver, "topology", PULSE_LIMIT_MS + 8 * homes->settings.timeout_ms, resolver_main, homes, ret_error);
    LOCK_GUARD(&homes->lock);
    for (int shard = 0; shard < homes->settings.shards; shard++)
        set_home(homes, shard, &homes->settings.url->places[0]);
    lead_routes(homes);
    return homes->lanes[0] != NULL ? 0 : error_set(ret_error, EAGAIN, "can't start a thread for Redis: %s", strerror(EAGAIN));
}

int homes_start(struct homes *homes, struct error *ret_error)
{
    struct error error = { 0 };

    int status = begin_routes(homes, ret_error);
    if (status != 0)
        return status;
    lock_take(&homes->lock);
    while ((status = first_outcome(homes, &error)) == -EINPROGRESS && !homes->is_stopping)
        condition_wait(&homes->changed, &homes->lock);
    lock_give(&homes->lock);
    if (status != 0)
        *ret_error = error;
    return status;
}
