/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "config/config.h"
#include "config/config_faults.h"
#include "engine/dispatch.h"
#include "intake/kafka/consumer.h"
#include "kafka/conf.h"
#include "modules/loader.h"
#include "program/programs.h"
#include "publish/producer.h"
#include "service/notify.h"
#include "store/redis/timers.h"
#include "store/redis/url.h"

#define LOOK_EVERY_MS 250
#define GRACE_MS 5000 /* to stop what is left once all has drained */

static bool is_faulty(const struct config_faults *faults, const struct place *place)
{
    for (size_t i = 0; i < faults->count; i++) {
        if (faults->items[i].place.file == place->file && faults->items[i].place.line == place->line)
            return true;
    }
    return false;
}

/* What is wrong with settings together, or with files that they name, shows when a client is made of them. What both
 * clients refuse is said once. */
static void check_clients(const struct setting *kafka, struct config_faults *faults)
{
    static int (*const CHECKS[])(const struct setting *kafka, struct error *ret_error) = { consumer_check, producer_check };
    struct error said = { 0 };

    for (size_t i = 0; i < COUNT_OF(CHECKS); i++) {
        struct error error = { 0 };
        if (CHECKS[i](kafka, &error) == 0 || strcmp(error.text, said.text) == 0)
            continue;
        const struct setting *named = conf_named(kafka, error.text);
        if (named != NULL && is_faulty(faults, &named->value_place))
            continue;
        config_faults_add(faults, named != NULL ? &named->value_place : &kafka->place, "librdkafka can't work so: %s", error.text);
        said = error;
    }
}

static void check_kafka(const struct setting *kafka, struct config_faults *faults)
{
    size_t before = faults->count;

    conf_check(kafka, faults);
    if (faults->count == before)
        check_clients(kafka, faults);
}

static void check_file(const struct setting *registry, const char *name, const char *path, struct config_faults *faults)
{
    if (path != NULL && access(path, R_OK) != 0)
        config_faults_add(faults, &setting_find(registry, name)->value_place,
                          "'%s' can't be read: %s: %s; put a PEM file there that this user may read, or leave '%s' out", name, path,
                          strerror(errno), name);
}

/* No request to the registry would ever be made without them. */
static void check_registry(const struct config *config, struct config_faults *faults)
{
    const struct setting *registry = setting_find(&config->root, "schema_registry");

    if (!config->schema_registry.is_on)
        return;
    check_file(registry, "ca_file", config->schema_registry.ca_file, faults);
    check_file(registry, "certificate", config->schema_registry.certificate, faults);
    check_file(registry, "private_key", config->schema_registry.private_key, faults);
}

/* What only those who use it know to be wrong. */
static void check_addresses(const struct config *config, struct config_faults *faults)
{
    const struct setting *url = setting_find(setting_find(&config->root, "redis"), "url");
    struct redis_url parsed;
    struct error error;

    if (config->kafka != NULL)
        check_kafka(config->kafka, faults);
    if (url_parse(config->redis.url, &parsed, &error) == 0)
        url_done(&parsed);
    else
        config_faults_add(faults, url != NULL ? &url->value_place : NULL, "%s", error.text);
    check_registry(config, faults);
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

/* A program may come later than its daemon: no reason to refuse the config. */
void daemon_warn(const struct daemon *daemon)
{
    const struct config *config = daemon->config;
    struct config_faults warnings = { 0 };

    if (config != NULL)
        programs_look(config, &warnings);
    config_warnings_print(&warnings, stderr);
    config_faults_done(&warnings);
}

int daemon_start(struct daemon *daemon)
{
    struct error error = { 0 };
    int status = 0;

    daemon->started_ms = clock_wall_ms();
    log_open(daemon->config->log.level, daemon->config->log.format);
    for (const struct part *const *part = PARTS; *part != NULL && status == 0; part++) {
        if ((*part)->start != NULL)
            status = (*part)->start(daemon, &error);
    }
    if (status == 0)
        return 0;
    log_error("%s", error.text);
    return status == -EINVAL || status == -EACCES || status == -ENOTSUP ? DAEMON_EXIT_CONFIG : EXIT_FAILURE;
}

void daemon_serve(struct daemon *daemon)
{
    struct pulse *pulse = pulse_start("main", PULSE_LIMIT_MS);
    bool was_ready = false;
    char reason[160];

    while (!part_wait_for_stop(was_ready ? LOOK_EVERY_MS * 4 : LOOK_EVERY_MS)) {
        bool is_ready = parts_are_ready(daemon, reason, sizeof(reason));
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
        log_warn("some attempts still run after worker.drain_timeout: the daemon breaks them off, and they are made again elsewhere");
    if (consumer != NULL) {
        int64_t left_ms = until_ms - clock_monotonic_ms();
        consumer_stop(consumer, left_ms > 1000 ? left_ms : 1000);
    }
}

void daemon_stop(struct daemon *daemon)
{
    size_t count = 0;

    while (PARTS[count] != NULL)
        count++;
    if (daemon->dispatch != NULL)
        drain(daemon);
    for (size_t i = count; i-- > 0;) {
        if (PARTS[i]->halt != NULL)
            PARTS[i]->halt(daemon);
    }
    for (size_t i = count; i-- > 0;) {
        if (PARTS[i]->end != NULL)
            PARTS[i]->end(daemon);
    }
    config_destroy(daemon->config);
    log_close();
}
