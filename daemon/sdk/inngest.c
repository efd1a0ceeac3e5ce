/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/inngest.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/thread.h"
#include "codec/json.h"
#include "sdk/answer.h"
#include "sdk/app.h"
#include "sdk/calls.h"
#include "sdk/checkpoint.h"
#include "sdk/client.h"
#include "sdk/events.h"
#include "sdk/open_calls.h"
#include "sdk/registry.h"
#include "sdk/runs_api.h"
#include "sdk/signals.h"
#include "sdk/signature.h"
#include "sdk/state.h"

#define ROUND_MS 1000
#define ASK_APPS_EVERY_ROUNDS 5
#define ASK_TIMEOUT_MS 5000
#define REGISTRATION_MAX ((size_t)4 << 20)
#define ROUTE_COUNT 11

/* What is known of an app that the config names. */
struct asked {
    char *reason; /* why it is not there; empty: it is; NULL: nobody has asked */
    bool is_kept; /* on the shelf */
};

/* A search for functions that are called at a URL. */
struct address {
    const char *url;
    bool is_found;
};

struct inngest {
    struct inngest_settings settings;
    struct registry *registry;
    struct open_calls *open_calls;
    struct calls_settings calls;
    struct web_route routes[ROUTE_COUNT];
    struct asked *asked;    /* by app; the thread's */
    atomic_uint registered; /* how often any app did, or told the same again */
    struct thread thread;
    struct lock lock;
    struct condition woken;
    bool is_stopping; /* lock */
    bool is_loaded;   /* lock; what others registered before is known */
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
        atomic_fetch_add(&inngest->registered, 1);
        answer_text(reply, xasprintf("{\"ok\":true,\"modified\":%s}", is_new ? "true" : "false"));
        return;
    }
    log_warn("stepd refuses an app: %s", error != NULL ? error : "its registration can't be recorded now, since Redis does not work");
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
        { "GET", RUNS_PATH "*", 0, runs_api_show, &inngest->settings },
        { "DELETE", RUNS_PATH "*", CANCELLATION_MAX, runs_api_cancel, &inngest->settings },
        { "GET", EVENT_RUNS_PATH "*", 0, runs_api_list, &inngest->settings },
        { "POST", CANCELLATIONS_PATH, CANCELLATION_MAX, runs_api_cancel_all, &inngest->settings },
        { "POST", SIGNALS_PATH, inngest->settings.event_bytes * 2, signals_answer, &inngest->settings },
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

    LOCK_GUARD(&inngest->lock);
    bool answer = inngest->is_stopping;
    return answer;
}

static void note_address(void *context, const struct function *function)
{
    struct address *address = context;
    const struct sdk_function *own = function->options;

    address->is_found |= strncmp(own->url, address->url, strlen(address->url)) == 0;
}

/* Whether functions that are called there are in force, whoever of the daemons they were told. */
static bool has_functions_at(struct inngest *inngest, const char *url)
{
    struct address address = { .url = url };

    registry_each(inngest->registry, note_address, &address);
    return address.is_found;
}

/* Why the app is not there, which the caller frees; NULL: it is. An SDK registers before it answers. */
static char *reason_of(struct inngest *inngest, const char *url, const struct client_reply *reply, unsigned registered_before)
{
    const struct inngest_settings *settings = &inngest->settings;

    if (reply->status >= 300)
        return xasprintf("it answers %d: %.*s", reply->status, (int)(reply->body.size < 200 ? reply->body.size : 200),
                         (const char *)reply->body.data);
    if (atomic_load(&inngest->registered) != registered_before || has_functions_at(inngest, url))
        return NULL;
    return xasprintf("it answered, but has not registered here: is %s http://%s?",
                     settings->signing_key != NULL ? "INNGEST_BASE_URL" : "INNGEST_DEV", settings->address);
}

/* Each new reason is said once, and kept for stepctl as soon as the shelf takes it. Takes `reason`. */
static void note_reason(struct inngest *inngest, size_t position, char *reason)
{
    const struct app_shelf *shelf = &inngest->settings.absent;
    const char *url = inngest->settings.apps[position];
    struct asked *asked = &inngest->asked[position];
    const char *text = reason != NULL ? reason : "";

    if (asked->reason == NULL || strcmp(asked->reason, text) != 0) {
        if (reason != NULL)
            log_warn("app %s does not register: %s; stepd asks it again every %d s", url, reason, ROUND_MS / 1000 * ASK_APPS_EVERY_ROUNDS);
        free(asked->reason);
        asked->reason = xstrdup(text);
        asked->is_kept = false;
    }
    if (!asked->is_kept)
        asked->is_kept = shelf->save(shelf->context, url, (struct bytes){ text, strlen(text) }) == 0;
    free(reason);
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
        .method = "PUT",
        .url = url,
        .body = { body, strlen(body) },
        .headers = headers,
        .timeout_ms = ASK_TIMEOUT_MS,
        .is_cancelled = is_stopping,
        .context = inngest,
    };
    struct client_reply reply = { 0 };
    struct error error = { 0 };

    unsigned registered_before = atomic_load(&inngest->registered);
    int status = client_send(&request, &reply, &error);
    if (status == 0)
        note_reason(inngest, position, reason_of(inngest, url, &reply, registered_before));
    else if (status != -ECANCELED)
        note_reason(inngest, position, xstrdup(error.text));
}

/* False: it is to end. */
static bool wait_a_round(struct inngest *inngest)
{
    int64_t until_ms = clock_monotonic_ms() + ROUND_MS;

    LOCK_GUARD(&inngest->lock);
    while (!inngest->is_stopping && condition_wait_until(&inngest->woken, &inngest->lock, until_ms))
        ;
    return !inngest->is_stopping;
}

static void say_loaded(struct inngest *inngest)
{
    LOCK_GUARD(&inngest->lock);
    inngest->is_loaded = true;
    condition_wake_all(&inngest->woken);
}

bool inngest_wait(struct inngest *inngest)
{
    LOCK_GUARD(&inngest->lock);
    while (!inngest->is_loaded && !inngest->is_stopping)
        condition_wait(&inngest->woken, &inngest->lock);
    return inngest->is_loaded;
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
    size_t count = 0;

    inngest->settings = *settings;
    while (settings->apps[count] != NULL)
        count++;
    inngest->asked = xcalloc(count + 1, sizeof(*inngest->asked));
    inngest->open_calls = open_calls_create();
    inngest->calls = (struct calls_settings){
        .http_pool = settings->http_pool,
        .open_calls = inngest->open_calls,
        .signing_key = settings->signing_key,
        .signals = &inngest->settings.signals,
    };
    inngest->registry = registry_create(settings, &inngest->calls);
    lock_init(&inngest->lock);
    condition_init(&inngest->woken);
    fill_routes(inngest);
    return inngest;
}

int inngest_start(struct inngest *inngest, struct error *ret_error)
{
    const char *key = inngest->settings.signing_key;

    if (key != NULL && !signing_key_is_valid(key))
        return error_set(ret_error, EINVAL, "inngest.signing_key is none: it has hex digits behind 'signkey-ENV-'");
    return thread_start(&inngest->thread, "apps", 0, look_around, inngest, ret_error);
}

void inngest_stop(struct inngest *inngest)
{
    if (inngest == NULL)
        return;
    open_calls_stop(inngest->open_calls);
    LOCK_GUARD(&inngest->lock);
    inngest->is_stopping = true;
    condition_wake_all(&inngest->woken);
}

void inngest_destroy(struct inngest *inngest)
{
    if (inngest == NULL)
        return;
    inngest_stop(inngest);
    thread_join(&inngest->thread);
    open_calls_destroy(inngest->open_calls);
    registry_destroy(inngest->registry);
    condition_done(&inngest->woken);
    lock_done(&inngest->lock);
    for (size_t i = 0; inngest->settings.apps[i] != NULL; i++)
        free(inngest->asked[i].reason);
    free(inngest->asked);
    free(inngest);
}
