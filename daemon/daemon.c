/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "run/emit.h"
#include "crash/journal_place.h"
#include "config/config_faults.h"
#include "kafka/conf.h"
#include "store/crash_counts.h"
#include "store/redis/url.h"
#include "service/notify.h"
#include "view/store_config.h"

#define ROUND_LATE_MS 10000  /* the clock's last round is older: nothing that is due moves */
#define LOOK_EVERY_MS 250
#define GRACE_MS 5000        /* to stop what is left once all has drained */

static sem_t stop_asked; /* the process has one daemon */

/* ---- what the parts tell each other -------------------------------------------------------------- */

/* Any thread. Nothing is left to be tidy about: what is not committed or in the store comes again. */
static void fatal(const char *why)
{
    log_error("stepd ends: %s", why);
    log_close();
    _exit(EXIT_FAILURE);
}

static void on_new_incarnation(void *context, bool is_rollback)
{
    struct daemon *daemon = context;
    struct consumer *consumer = atomic_load(&daemon->consumer);

    if (consumer == NULL)
        return;
    dispatch_cancel(daemon->dispatch, NULL);
    if (!is_rollback)
        return;
    log_warn("Redis came back as another process and may have lost its last second: reading again from the committed offsets");
    consumer_rewind(consumer);
}

/* Waits for nobody: the timer thread asks. */
static const struct function *find_function(void *context, const char *id)
{
    const struct daemon *daemon = context;
    const struct function *function = functions_find(&daemon->loaded->functions, id);

    return function == NULL && daemon->inngest != NULL ? inngest_find_function(daemon->inngest, id) : function;
}

/* Asks Redis, too. */
static const struct function *learn_function(void *context, const char *id)
{
    const struct daemon *daemon = context;
    const struct function *function = find_function(context, id);

    return function == NULL && daemon->inngest != NULL ? inngest_learn_function(daemon->inngest, id) : function;
}

static void count(void *context, struct worker_counts *ret_counts)
{
    struct daemon *daemon = context;
    struct consumer *consumer = atomic_load(&daemon->consumer);
    struct consumer_counts consumed = { 0 };
    struct dispatch_counts counts;

    dispatch_counts(daemon->dispatch, &counts);
    if (consumer != NULL)
        consumer_counts(consumer, &consumed);
    *ret_counts = (struct worker_counts){
        .events_consumed = consumed.events_consumed,
        .runs_started = counts.runs_started,
        .runs_completed = counts.runs_completed,
        .runs_failed = counts.runs_failed,
        .retries_scheduled = counts.retries_scheduled,
        .dead_letters = counts.dead_letters,
    };
}

static void set_crashes(void *context, const char *run_id, int stops)
{
    crashes_set(context, run_id, stops);
}

static int load_partition(void *context, const char *topic, int32_t partition, struct key_set *keys, struct known_runs *ret_known)
{
    struct daemon *daemon = context;

    if (!recovery_wait(daemon->recovery) || (daemon->inngest != NULL && !inngest_wait(daemon->inngest)))
        return -ESHUTDOWN;
    int status = crash_counts_load(daemon->store, topic, partition, set_crashes, daemon->crashes);
    return status != 0 ? status : store_load_partition(daemon->store, topic, partition, keys, ret_known);
}

static int64_t seen_ms(void *context)
{
    struct daemon *daemon = context;

    return store_seen_ms(daemon->store);
}

static void on_committed(void *context, const char *topic, int32_t partition, int64_t committed)
{
    struct daemon *daemon = context;

    timers_trim(daemon->timers, topic, partition, committed);
}

static void on_crash_counted(void *context, const struct run *run)
{
    struct daemon *daemon = context;

    crash_counts_forget(daemon->store, run);
}

static void ask_to_stop(void *context, const char *signal_name)
{
    (void)context;
    log_info("%s: stopping", signal_name);
    (void)sem_post(&stop_asked);
}

static void ask_to_reload(void *context)
{
    struct daemon *daemon = context;

    reload_run(daemon->reload);
}

/* ---- start --------------------------------------------------------------------------------------- */

/* What only those who use it know to be wrong. */
static void check_addresses(const struct config *config, struct config_faults *faults)
{
    const struct setting *url = setting_find(setting_find(&config->root, "redis"), "url");
    struct redis_url parsed;
    struct error error;

    if (config->kafka != NULL)
        conf_check(config->kafka, faults);
    if (url_parse(config->redis.url, &parsed, &error) == 0)
        url_done(&parsed);
    else
        config_faults_add(faults, url != NULL ? &url->value_place : NULL, "%s", error.text);
}

int daemon_load(struct daemon *daemon, const char *config_path)
{
    struct config_faults faults = { 0 };

    daemon->config = config_load_to_check(config_path, &faults);
    if (daemon->config != NULL) {
        check_addresses(daemon->config, &faults);
        (void)!loader_load(daemon->config, &daemon->loaded, &faults);
    }
    int status = faults.count == 0 ? 0 : DAEMON_EXIT_CONFIG;
    config_faults_print(&faults, stderr);
    config_faults_done(&faults);
    return status;
}

static int start_store(struct daemon *daemon, struct error *ret_error)
{
    struct store_settings settings = store_settings_of(daemon->config);

    settings.on_new_incarnation = on_new_incarnation;
    settings.fatal = fatal;
    settings.context = daemon;
    daemon->store = store_create(&settings);
    int status = store_start(daemon->store, ret_error);
    if (status != -EAGAIN)
        return status;
    log_warn("%s: going on without; what needs Redis waits", ret_error->text);
    return 0;
}

static int start_producer(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    int status = producer_create(config->kafka, &daemon->producer, ret_error);

    for (size_t i = 0; status == 0 && config->topics[i] != NULL; i++) {
        AUTO_FREE char *letters = emit_letter_topic(config->dead_letter_topic, config->topics[i]);
        producer_expect(daemon->producer, letters);
        producer_expect(daemon->producer, config->topics[i]);
    }
    return status;
}

/* Twice as many slots as workers: stuck threads keep theirs. */
static int start_journal(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    AUTO_FREE char *path = journal_place(&(struct journal_owner){ config->path, config_kafka(config, "group.id"), config->worker.journal });

    daemon->crashes = crashes_create();
    if (path == NULL) {
        log_warn("the crash journal can't be written: neither $STATE_DIRECTORY, $XDG_STATE_HOME/stepd, /var/lib/stepd nor "
                 "~/.local/state/stepd; " JOURNAL_MISSING ": name a file as worker.journal");
        return 0;
    }
    size_t slots = (size_t)daemon->config->worker.threads * 2 + (size_t)daemon->config->worker.max_stuck;
    int status = journal_open(path, slots, &daemon->journal, ret_error);
    if (status == 0)
        journal_catch_crashes();
    return status;
}

static int start_recovery(struct daemon *daemon, struct error *ret_error)
{
    const struct recovery_settings settings = {
        .journal = daemon->journal,
        .store = daemon->store,
        .publisher = producer_port(daemon->producer),
        .attempts = dispatch_attempt_settings(daemon->dispatch),
        .find_function = learn_function,
        .context = daemon,
    };

    return recovery_start(&settings, &daemon->recovery, ret_error);
}

static int start_dispatch(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    const struct dispatch_settings settings = {
        .threads = config->worker.threads,
        .queue = config->worker.queue,
        .max_away = config->inngest.calls,
        .max_stuck = config->worker.max_stuck,
        .event_bytes = (size_t)config->limits.event_bytes,
        .steps = config->limits.steps,
        .result_bytes = (size_t)config->limits.result_bytes,
        .history = config->history,
        .dead_letter_topic = config->dead_letter_topic,
        .topics = config->topics,
        .store = store_port(daemon->store),
        .publisher = producer_port(daemon->producer),
        .modules = daemon->loaded->modules,
        .module_count = daemon->loaded->module_count,
        .routes = daemon->routes,
        .journal = daemon->journal,
        .crashes = daemon->crashes,
        .crash_counted = on_crash_counted,
        .learn_function = learn_function,
        .context = daemon,
        .function_count = daemon->loaded->functions.count + apps_function_room(daemon),
        .fatal = fatal,
    };

    daemon->dispatch = dispatch_create(&settings);
    return dispatch_start(daemon->dispatch, ret_error);
}

static bool may_take_over(void *context)
{
    return recovery_is_done(((struct daemon *)context)->recovery);
}

static int start_timers(struct daemon *daemon, struct error *ret_error)
{
    const struct timers_settings settings = {
        .store = daemon->store,
        .dispatch = daemon->dispatch,
        .find_function = find_function,
        .count = count,
        .may_take_over = may_take_over,
        .context = daemon,
    };

    daemon->timers = timers_create(&settings);
    return timers_start(daemon->timers, ret_error);
}

static int start_consumer(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    const struct consumer_settings settings = {
        .kafka = config->kafka,
        .topics = config->topics,
        .dispatch = daemon->dispatch,
        .queue = config->worker.queue,
        .commit_interval_ms = config->commit_interval_ms,
        .durability_lag_ms = config->redis.durability_lag_ms,
        .drain_timeout_ms = config->worker.drain_timeout_ms,
        .load_partition = load_partition,
        .store_seen_ms = seen_ms,
        .committed = on_committed,
        .fatal = fatal,
        .context = daemon,
    };
    struct consumer *consumer = NULL;

    int status = consumer_create(&settings, &consumer, ret_error);
    if (status != 0)
        return status;
    atomic_store(&daemon->consumer, consumer);
    return consumer_start(consumer, ret_error);
}

static int start_page(struct daemon *daemon, struct error *ret_error)
{
    const struct page_settings settings = {
        .config = daemon->config,
        .each_function = apps_each_function,
        .function_room = daemon->loaded->functions.count + apps_function_room(daemon),
        .dispatch = daemon->dispatch,
        .producer = daemon->producer,
        .consumer = &daemon->consumer,
        .store = store_settings_of(daemon->config),
        .is_ready = daemon_is_ready,
        .context = daemon,
    };

    daemon->page = page_create(&settings);
    return page_start(daemon->page, ret_error);
}

/* The page's, and what apps ask for. */
static const struct web_route *join_routes(struct daemon *daemon, size_t *ret_count)
{
    size_t page_count = 0, app_count = 0;
    const struct web_route *page = page_routes(daemon->page, &page_count);
    const struct web_route *apps = daemon->inngest != NULL ? inngest_routes(daemon->inngest, &app_count) : NULL;

    daemon->web_routes = xcalloc(page_count + app_count + 1, sizeof(*daemon->web_routes));
    if (app_count > 0)
        memcpy(daemon->web_routes, apps, app_count * sizeof(*apps));
    memcpy(daemon->web_routes + app_count, page, page_count * sizeof(*page));
    *ret_count = app_count + page_count;
    return daemon->web_routes;
}

static int start_http(struct daemon *daemon, struct error *ret_error)
{
    struct http_settings settings = {
        .listen = daemon->config->http_listen,
        .write_metrics = daemon_write_metrics,
        .is_ready = daemon_is_ready,
        .context = daemon,
    };

    if (settings.listen[0] == '\0')
        return 0;
    int status = start_page(daemon, ret_error);
    if (status != 0)
        return status;
    settings.routes = join_routes(daemon, &settings.route_count);
    if (daemon->inngest != NULL) /* each call may report steps, all at once */
        settings.more_connections = (unsigned)daemon->config->inngest.calls;
    return http_start(&settings, &daemon->http, ret_error);
}

/* The list of what a daemon is, in order. */
static int start_parts(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    const struct signal_actions actions = { .stop = ask_to_stop, .reload = ask_to_reload, .context = daemon };
    int status = modules_init(daemon->loaded, ret_error);

    daemon->reload = reload_create(config, daemon->loaded);
    daemon->routes = routes_create(daemon->loaded->functions.items, daemon->loaded->functions.count);
    if (status == 0)
        status = signals_start(&actions, &daemon->signals, ret_error);
    if (status == 0)
        status = watchdog_start(&daemon->watchdog, ret_error);
    if (status == 0)
        status = start_store(daemon, ret_error);
    if (status == 0)
        status = start_producer(daemon, ret_error);
    if (status == 0)
        status = start_journal(daemon, ret_error);
    if (status == 0)
        apps_create(daemon);
    if (status == 0)
        status = start_dispatch(daemon, ret_error);
    if (status == 0)
        status = start_recovery(daemon, ret_error);
    if (status == 0)
        status = start_timers(daemon, ret_error);
    if (status == 0)
        status = start_http(daemon, ret_error);
    if (status == 0)
        status = apps_start(daemon, ret_error);
    if (status == 0)
        status = start_consumer(daemon, ret_error);
    return status;
}

int daemon_start(struct daemon *daemon)
{
    struct error error = { 0 };

    daemon->started_ms = clock_wall_ms();
    log_open(daemon->config->log.level, daemon->config->log.format);
    (void)sem_init(&stop_asked, 0, 0);
    int status = start_parts(daemon, &error);
    if (status == 0)
        return 0;
    log_error("%s", error.text);
    return status == -EINVAL || status == -EACCES || status == -ENOTSUP ? DAEMON_EXIT_CONFIG : EXIT_FAILURE;
}

/* ---- serving ------------------------------------------------------------------------------------- */

bool daemon_is_ready(void *context, char *ret_reason, size_t size)
{
    struct daemon *daemon = context;
    struct consumer *consumer = atomic_load(&daemon->consumer);
    struct consumer_counts counts = { 0 };

    if (consumer != NULL)
        consumer_counts(consumer, &counts);
    if (watchdog_is_stuck(daemon->watchdog, ret_reason, size))
        return false;
    const char *reason = !counts.has_joined                 ? "waiting for Kafka's consumer group"
                         : !store_is_up(daemon->store)      ? "Redis does not work now: runs that need it wait"
                         : !producer_is_up(daemon->producer) ? "Kafka refuses what is to be produced: failed runs wait"
                         : clock_monotonic_ms() - timers_last_round_ms(daemon->timers) > ROUND_LATE_MS
                             ? "nothing that is due moves: Redis does not answer in time"
                             : NULL;
    if (reason == NULL)
        (void)snprintf(ret_reason, size, "ready: %zu partitions, %zu events in flight%s", counts.partitions, counts.in_flight,
                       counts.stalled > 0 ? "; some partitions have lag and do not move" : "");
    else
        (void)snprintf(ret_reason, size, "%s", reason);
    return reason == NULL;
}

static bool wait_for_stop(int64_t timeout_ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += timeout_ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return sem_clockwait(&stop_asked, CLOCK_MONOTONIC, &until) == 0;
}

void daemon_serve(struct daemon *daemon)
{
    struct pulse *pulse = pulse_start("main", PULSE_LIMIT_MS);
    bool was_ready = false;
    char reason[160];

    while (!wait_for_stop(was_ready ? LOOK_EVERY_MS * 4 : LOOK_EVERY_MS)) {
        bool is_ready = daemon_is_ready(daemon, reason, sizeof(reason));
        if (is_ready && !was_ready) {
            log_info("%s", reason);
            notify_ready();
            was_ready = true;
        }
        notify_status("%s", reason);
        pulse_beat(pulse);
    }
    pulse_stop(pulse);
}

/* ---- stop ---------------------------------------------------------------------------------------- */

/* Nothing new begins; what runs may end; what is done is committed. */
static void drain(struct daemon *daemon)
{
    const struct config *config = daemon->config;
    struct consumer *consumer = atomic_load(&daemon->consumer);
    int64_t until_ms = clock_monotonic_ms() + config->worker.shutdown_timeout_ms;

    notify_stopping();
    notify_extend_timeout(config->worker.shutdown_timeout_ms + GRACE_MS);
    if (daemon->timers != NULL)
        timers_pause(daemon->timers);
    if (consumer != NULL)
        consumer_pause(consumer);
    if (!dispatch_drain(daemon->dispatch, config->worker.drain_timeout_ms))
        log_warn("some attempts are not done after worker.drain_timeout: they are broken off and made again elsewhere");
    if (consumer != NULL) {
        int64_t left_ms = until_ms - clock_monotonic_ms();
        consumer_stop(consumer, left_ms > 1000 ? left_ms : 1000);
    }
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon->dispatch != NULL)
        drain(daemon);
    page_stop(daemon->page);
    inngest_stop(daemon->inngest);
    if (daemon->inngest != NULL && daemon->producer != NULL)
        producer_stop(daemon->producer); /* requests under way may wait for the brokers */
    http_stop(daemon->http);
    page_destroy(daemon->page);
    free(daemon->web_routes);
    timers_destroy(daemon->timers);
    if (daemon->producer != NULL)
        producer_stop(daemon->producer);
    if (daemon->store != NULL)
        store_stop(daemon->store);
    recovery_destroy(daemon->recovery);
    if (!dispatch_destroy(daemon->dispatch)) {
        log_warn("handlers that do not end are left behind");
        log_close();
        _exit(EXIT_SUCCESS);
    }
    consumer_destroy(atomic_load(&daemon->consumer));
    inngest_destroy(daemon->inngest);
    producer_destroy(daemon->producer, 1000);
    store_destroy(daemon->store);
    watchdog_stop(daemon->watchdog);
    signals_stop(daemon->signals);
    if (daemon->loaded != NULL)
        modules_exit(daemon->loaded);
    journal_close(daemon->journal);
    crashes_destroy(daemon->crashes);
    routes_destroy(daemon->routes);
    loaded_destroy(daemon->loaded);
    reload_destroy(daemon->reload);
    config_destroy(daemon->config);
    log_close();
}
