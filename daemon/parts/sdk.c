/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon as a server of Inngest's SDKs, where the config says so. */
#include "sdk/inngest.h"

#include <errno.h>

#include "config/config.h"
#include "modules/loader.h"
#include "parts/part.h"
#include "parts/sdk_runs.h"
#include "program/programs.h"
#include "publish/producer.h"
#include "store/runs.h"
#include "store/shelf.h"
#include "store/signals.h"
#include "view/run_view.h"

#define GONE_SHELF "inngest-gone"

typedef void (*each_fn)(void *context, const char *name, struct bytes thing);

/* Who registers asks again; a call that waits would hold up the daemon's start or stop. */
static int save(const struct daemon *daemon, const char *shelf, const char *name, struct bytes thing)
{
    return store_is_up(daemon->store) ? shelf_save(daemon->store, shelf, name, thing) : -EAGAIN;
}

static int load(const struct daemon *daemon, const char *shelf, each_fn each, void *context)
{
    return store_is_up(daemon->store) ? shelf_load(daemon->store, shelf, each, context) : -EAGAIN;
}

static int save_app(void *context, const char *name, struct bytes app)
{
    return save(context, INNGEST_SHELF, name, app);
}

static int load_apps(void *context, each_fn each, void *each_context)
{
    return load(context, INNGEST_SHELF, each, each_context);
}

static int save_gone(void *context, const char *id, struct bytes slug)
{
    return save(context, GONE_SHELF, id, slug);
}

static int load_gone(void *context, each_fn each, void *each_context)
{
    return load(context, GONE_SHELF, each, each_context);
}

static int save_absent(void *context, const char *url, struct bytes reason)
{
    return save(context, INNGEST_ABSENT_SHELF, url, reason);
}

/* The run's event, and those behind the first of a run of several. */
static void take_all(const struct run_view *view, const struct record *record,
                     void (*take)(void *take_context, const struct stepd_event *const *events, size_t count,
                                  const struct checkpoints *steps, enum run_phase phase),
                     void *take_context)
{
    AUTO_FREE struct event *more = xcalloc(record->more_count + 1, sizeof(*more));
    AUTO_FREE const struct stepd_event **events = xcalloc(record->more_count + 1, sizeof(*events));

    events[0] = &view->event.view;
    for (size_t i = 0; i < record->more_count; i++) {
        record_init_more(record, i, &more[i]);
        events[i + 1] = event_view(&more[i]);
    }
    take(take_context, events, record->more_count + 1, view->steps, record->phase);
    for (size_t i = 0; i < record->more_count; i++)
        event_done(&more[i]);
}

static int read_run(void *context, const char *id,
                    void (*take)(void *take_context, const struct stepd_event *const *events, size_t count, const struct checkpoints *steps,
                                 enum run_phase phase),
                    void *take_context)
{
    const struct daemon *daemon = context;
    struct shown_run shown;

    int status = shown_run_open(&shown, daemon->store, id);
    if (status != 0)
        return status;
    if (shown.view.has_event)
        take_all(&shown.view, &shown.run.record, take, take_context);
    else
        status = -EBADMSG;
    shown_run_done(&shown);
    return status;
}

/* The programs are there later than the apps. */
static char *find_holder(void *context, const char *id)
{
    const struct daemon *daemon = context;

    return programs_holder(daemon->programs, id);
}

static int begin_wait(void *context, const char *signal, const struct run_id *run, bool replaces, bool *ret_is_free)
{
    const struct daemon *daemon = context;

    return signals_begin(daemon->store, signal, run, replaces, ret_is_free);
}

static int end_wait(void *context, const char *signal, const struct run_id *run)
{
    const struct daemon *daemon = context;

    return signals_end(daemon->store, signal, run);
}

static int take_signal(void *context, const char *signal, const char *sender, struct run_id *ret_run)
{
    const struct daemon *daemon = context;

    return store_is_up(daemon->store) ? signals_take(daemon->store, signal, sender, ret_run) : -EAGAIN;
}

static int give_back_signal(void *context, const char *signal, const char *sender, const struct run_id *run)
{
    const struct daemon *daemon = context;

    return signals_give_back(daemon->store, signal, sender, run);
}

static struct backoff backoff_of(const struct config *config)
{
    struct backoff backoff = backoff_default;

    if (config->retry.schedule_count > 0) {
        backoff.delays_ms = config->retry.schedule_ms;
        backoff.count = config->retry.schedule_count;
    }
    backoff.header_most_ms = config->retry.header_most_ms;
    if (config->retry.has_jitter)
        backoff.jitter_ms = config->retry.jitter_ms;
    backoff.header_most_ms = config->retry.header_most_ms;
    return backoff;
}

static int create(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    struct inngest_settings settings = {
        .config = config,
        .apps = config->inngest.apps,
        .event_key = config->inngest.event_key,
        .signing_key = config->inngest.signing_key,
        .http_pool = daemon->http_pool,
        .topic = config->inngest.topic,
        .event_bytes = (size_t)config->limits.event_bytes,
        .backoff = backoff_of(config),
        .functions = daemon->loaded->functions.items,
        .function_count = daemon->loaded->functions.count,
        .find_holder = find_holder,
        .holder_context = daemon,
        .routes = daemon->routes,
        .publisher = producer_port(daemon->producer),
        .shelf = { save_app, load_apps, daemon },
        .gone = { save_gone, load_gone, daemon },
        .absent = { .save = save_absent, .context = daemon },
        .address = config->http_listen,
        .runs = { read_run, daemon },
        .runs_port = part_runs_port,
        .signals = { begin_wait, end_wait, take_signal, give_back_signal, daemon },
        .knows_function = part_knows_function,
    };

    settings.runs_port.context = daemon;
    (void)ret_error;
    if (config->inngest.is_on)
        daemon->inngest = inngest_create(&settings);
    return 0;
}

static void end(struct daemon *daemon)
{
    inngest_destroy(daemon->inngest);
}

const struct part PART_SDK = { .name = "sdk", .start = create, .end = end };

/* ---- its calls ----------------------------------------------------------------------------------- */

static int start_calls(struct daemon *daemon, struct error *ret_error)
{
    return daemon->inngest != NULL ? inngest_start(daemon->inngest, ret_error) : 0;
}

static void halt_calls(struct daemon *daemon)
{
    inngest_stop(daemon->inngest);
}

const struct part PART_SDK_CALLS = { .name = "sdk calls", .start = start_calls, .halt = halt_calls };
