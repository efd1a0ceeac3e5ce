/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/inngest.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"
#include "sdk/answer.h"
#include "sdk/calls.h"
#include "sdk/checkpoint.h"
#include "sdk/client.h"
#include "sdk/courier.h"
#include "sdk/events.h"
#include "sdk/open_calls.h"
#include "sdk/registry.h"
#include "sdk/signature.h"
#include "sdk/state.h"

#define ROUND_S 1
#define ASK_APPS_EVERY_ROUNDS 5
#define ASK_TIMEOUT_MS 5000
#define REGISTRATION_MAX ((size_t)4 << 20)
#define ROUTE_COUNT 6

struct inngest {
    struct inngest_settings settings;
    struct registry *registry;
    struct courier *courier;
    struct open_calls *open_calls;
    struct calls_settings calls;
    struct web_route routes[ROUTE_COUNT];
    bool *is_unreachable;  /* by app; the thread's: said once */
    pthread_t thread;
    bool is_started;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool is_stopping;      /* lock */
    bool is_loaded;        /* lock; what others registered before is known */
};

/* ---- requests ------------------------------------------------------------------------------------- */

static void answer_register(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct inngest *inngest = context;
    AUTO_FREE char *error = NULL;
    bool is_new;

    if (!signing_key_admits(inngest->settings.signing_key, request->header(request, "Authorization"))) {
        answer_error(reply, 401, "the signing key is not the configured one");
        return;
    }
    int status = registry_register(inngest->registry, request->body, &is_new, &error);

    if (status == 0) {
        answer_text(reply, xasprintf("{\"ok\":true,\"modified\":%s}", is_new ? "true" : "false"));
        return;
    }
    log_warn("an app is refused: %s", error != NULL ? error : "it can't be kept now: Redis does not work");
    answer_error(reply, status == -EINVAL ? 400 : 503, error != NULL ? error : "it can't be kept now: Redis does not work");
}

/* The ids of a JSON array. */
static void list_one(void *context, const struct function *function)
{
    msgpack_sbuffer *ids = context;

    if (ids->size > 0)
        msgpack_sbuffer_write(ids, ",", 1);
    json_write_string(ids, (struct bytes){ function->id, strlen(function->id) });
}

/* What an SDK looks for to know that there is a server. */
static void answer_dev(void *context, const struct web_request *request, struct web_reply *reply)
{
    struct inngest *inngest = context;
    msgpack_sbuffer ids;

    (void)request;
    msgpack_sbuffer_init(&ids);
    registry_each(inngest->registry, list_one, &ids);
    answer_text(reply, xasprintf("{\"ok\":true,\"functions\":[%.*s]}", (int)ids.size, ids.size > 0 ? ids.data : ""));
    msgpack_sbuffer_destroy(&ids);
}

static void fill_routes(struct inngest *inngest)
{
    const struct web_route routes[ROUTE_COUNT] = {
        { "POST", EVENTS_PATH "*", inngest->settings.event_bytes * 2, events_answer, &inngest->settings },
        { "POST", "/fn/register", REGISTRATION_MAX, answer_register, inngest },
        { "PUT", "/fn/register", REGISTRATION_MAX, answer_register, inngest },
        { "GET", STATE_PATH "*", 0, state_answer, &inngest->settings },
        { "POST", CHECKPOINT_PATH "*", CHECKPOINT_MAX, checkpoint_answer, &inngest->calls },
        { "GET", "/dev", 0, answer_dev, inngest },
    };

    memcpy(inngest->routes, routes, sizeof(routes));
}

const struct web_route *inngest_routes(const struct inngest *inngest, size_t *ret_count)
{
    *ret_count = ROUTE_COUNT;
    return inngest->routes;
}

void inngest_each_function(struct inngest *inngest, void (*each)(void *context, const struct function *function), void *context)
{
    registry_each(inngest->registry, each, context);
}

const struct function *inngest_find_function(struct inngest *inngest, const char *id)
{
    return registry_find(inngest->registry, id);
}

/* A run may be there sooner than the thread has looked: after a start, or of an app that has just registered
 * elsewhere. */
const struct function *inngest_learn_function(struct inngest *inngest, const char *id)
{
    return registry_refresh(inngest->registry) == 0 ? registry_find(inngest->registry, id) : NULL;
}

/* ---- the apps are asked to register --------------------------------------------------------------- */

static bool is_stopping(void *context)
{
    struct inngest *inngest = context;

    (void)pthread_mutex_lock(&inngest->lock);
    bool answer = inngest->is_stopping;
    (void)pthread_mutex_unlock(&inngest->lock);
    return answer;
}

static void ask_app(struct inngest *inngest, size_t position)
{
    const char *url = inngest->settings.apps[position];
    const char *key = inngest->settings.signing_key;
    AUTO_FREE char *body = xasprintf("{\"url\":\"%s\"}", url);
    AUTO_FREE char *signature = key != NULL ? signature_make(key, (struct bytes){ body, strlen(body) }, clock_wall_ms() / 1000) : NULL;
    AUTO_FREE char *signed_by = key != NULL ? xasprintf("X-Inngest-Signature: %s", signature) : NULL;
    const char *kind = key != NULL ? "X-Inngest-Server-Kind: cloud" : "X-Inngest-Server-Kind: dev";
    const char *const headers[] = { "Content-Type: application/json", kind, signed_by, NULL };
    const struct client_request request = {
        .method = "PUT", .url = url, .body = { body, strlen(body) }, .headers = headers, .timeout_ms = ASK_TIMEOUT_MS,
        .is_cancelled = is_stopping, .context = inngest,
    };
    struct client_reply reply = { 0 };
    struct error error = { 0 };

    int status = client_send(&request, &reply, &error);
    bool is_unreachable = status != 0 || reply.status >= 300;
    if (is_unreachable && !inngest->is_unreachable[position] && status == 0)
        log_warn("app %s does not register, it answers %d: %.*s", url, reply.status, (int)(reply.body.size < 200 ? reply.body.size : 200),
                 (const char *)reply.body.data);
    else if (is_unreachable && !inngest->is_unreachable[position] && status != -ECANCELED)
        log_warn("app %s does not register: %s; it is asked again every %d s", url, error.text, ROUND_S * ASK_APPS_EVERY_ROUNDS);
    inngest->is_unreachable[position] = is_unreachable;
}

/* False: it is to end. */
static bool wait_a_round(struct inngest *inngest)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ROUND_S;
    (void)pthread_mutex_lock(&inngest->lock);
    while (!inngest->is_stopping && pthread_cond_timedwait(&inngest->woken, &inngest->lock, &until) == 0)
        continue;
    bool goes_on = !inngest->is_stopping;
    (void)pthread_mutex_unlock(&inngest->lock);
    return goes_on;
}

static void say_loaded(struct inngest *inngest)
{
    (void)pthread_mutex_lock(&inngest->lock);
    inngest->is_loaded = true;
    (void)pthread_cond_broadcast(&inngest->woken);
    (void)pthread_mutex_unlock(&inngest->lock);
}

bool inngest_wait(struct inngest *inngest)
{
    (void)pthread_mutex_lock(&inngest->lock);
    while (!inngest->is_loaded && !inngest->is_stopping)
        (void)pthread_cond_wait(&inngest->woken, &inngest->lock);
    bool is_loaded = inngest->is_loaded;
    (void)pthread_mutex_unlock(&inngest->lock);
    return is_loaded;
}

static void *look_around(void *context)
{
    struct inngest *inngest = context;

    for (unsigned round = 0;; round++) {
        if (registry_refresh(inngest->registry) == 0) /* else in the next round */
            say_loaded(inngest);
        for (size_t i = 0; round % ASK_APPS_EVERY_ROUNDS == 0 && inngest->settings.apps[i] != NULL; i++)
            ask_app(inngest, i);
        if (!wait_a_round(inngest))
            break;
    }
    return NULL;
}

/* ---- its life --------------------------------------------------------------------------------------- */

struct inngest *inngest_create(const struct inngest_settings *settings)
{
    struct inngest *inngest = xcalloc(1, sizeof(*inngest));
    pthread_condattr_t attributes;
    size_t count = 0;

    inngest->settings = *settings;
    while (settings->apps[count] != NULL)
        count++;
    inngest->is_unreachable = xcalloc(count + 1, sizeof(*inngest->is_unreachable));
    inngest->courier = courier_create(settings->calls);
    inngest->open_calls = open_calls_create();
    inngest->calls = (struct calls_settings){
        .courier = inngest->courier, .open_calls = inngest->open_calls, .signing_key = settings->signing_key,
    };
    inngest->registry = registry_create(settings, &inngest->calls);
    (void)pthread_mutex_init(&inngest->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&inngest->woken, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    fill_routes(inngest);
    return inngest;
}

int inngest_start(struct inngest *inngest, struct error *ret_error)
{
    const char *key = inngest->settings.signing_key;

    if (key != NULL && !signing_key_is_valid(key))
        return error_set(ret_error, EINVAL, "inngest.signing_key is none: it has hex digits behind 'signkey-ENV-'");
    int status = courier_start(inngest->courier, ret_error);
    if (status != 0)
        return status;
    status = pthread_create(&inngest->thread, NULL, look_around, inngest);
    if (status != 0)
        return error_set(ret_error, status, "no thread for the apps: %s", strerror(status));
    inngest->is_started = true;
    return 0;
}

void inngest_stop(struct inngest *inngest)
{
    if (inngest == NULL)
        return;
    open_calls_stop(inngest->open_calls);
    (void)pthread_mutex_lock(&inngest->lock);
    inngest->is_stopping = true;
    (void)pthread_cond_broadcast(&inngest->woken);
    (void)pthread_mutex_unlock(&inngest->lock);
}

void inngest_destroy(struct inngest *inngest)
{
    if (inngest == NULL)
        return;
    inngest_stop(inngest);
    if (inngest->is_started)
        (void)pthread_join(inngest->thread, NULL);
    courier_destroy(inngest->courier);
    open_calls_destroy(inngest->open_calls);
    registry_destroy(inngest->registry);
    (void)pthread_cond_destroy(&inngest->woken);
    (void)pthread_mutex_destroy(&inngest->lock);
    free(inngest->is_unreachable);
    free(inngest);
}
