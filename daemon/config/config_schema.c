/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_schema.h"

#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/log.h"

#define DAY_MS ((int64_t)86400 * 1000)
#define QUEUED_MOST INT64_C(1000000000)
#define ANY_MS (3650 * DAY_MS)

_Static_assert(sizeof(enum history_kept) == sizeof(int) && sizeof(enum log_level) == sizeof(int) &&
                   sizeof(enum log_format) == sizeof(int) && sizeof(enum stepd_ordering) == sizeof(int),
               "KEY_NAME writes an int");

static const char *const history_names[] = { "none", "failures", "all", NULL };
static const char *const ordering_names[] = { "unordered", "by_key", NULL };

#define AT(field) offsetof(struct config, field)
static const struct config_key redis_keys[] = {
    { "url", KEY_STRING, AT(redis.url), NOT_TOLD, 1, 0, NULL },
    { "prefix", KEY_STRING, AT(redis.prefix), NOT_TOLD, 1, 0, NULL },
    { "durability_lag", KEY_DURATION, AT(redis.durability_lag_ms), NOT_TOLD, 0, 3600000, NULL },
    { "timeout", KEY_DURATION, AT(redis.timeout_ms), NOT_TOLD, 10, 600000, NULL },
    { "shards", KEY_INT, AT(redis.shards), NOT_TOLD, 1, 1024, NULL },
};
static const struct config_key worker_keys[] = {
    { "threads", KEY_INT, AT(worker.threads), NOT_TOLD, 1, 4096, NULL },
    { "queue", KEY_INT, AT(worker.queue), NOT_TOLD, 1, 1000000, NULL },
    { "max_stuck", KEY_INT, AT(worker.max_stuck), NOT_TOLD, 1, 4096, NULL },
    { "drain_timeout", KEY_DURATION, AT(worker.drain_timeout_ms), NOT_TOLD, 0, ANY_MS, NULL },
    { "shutdown_timeout", KEY_DURATION, AT(worker.shutdown_timeout_ms), NOT_TOLD, 100, ANY_MS, NULL },
    { "journal", KEY_STRING, AT(worker.journal), NOT_TOLD, 0, 0, NULL },
    { "lease", KEY_DURATION, AT(worker.lease_ms), NOT_TOLD, 500, 600000, NULL },
};
static const struct config_key retry_keys[] = {
    { "retries", KEY_INT, AT(retry.retries), AT(retry.has_retries), 0, STEPD_MAX_RETRIES, NULL },
    { "schedule", KEY_SCHEDULE, AT(retry.schedule_ms), AT(retry.schedule_count), 0, ANY_MS, NULL },
    { "backoff", KEY_SCHEDULE, AT(retry.schedule_ms), AT(retry.schedule_count), 0, ANY_MS, NULL },
    { "jitter", KEY_DURATION, AT(retry.jitter_ms), AT(retry.has_jitter), 0, ANY_MS, NULL },
    { "max_after", KEY_DURATION, AT(retry.header_most_ms), NOT_TOLD, 1, ANY_MS, NULL },
};
static const struct config_key dead_letter_keys[] = {
    { "topic", KEY_STRING, AT(dead_letter_topic), NOT_TOLD, 1, 0, NULL },
};
static const struct config_key limits_keys[] = {
    { "event", KEY_SIZE, AT(limits.event_bytes), NOT_TOLD, 1024, 1 << 30, NULL },
    { "steps", KEY_INT, AT(limits.steps), NOT_TOLD, 1, 100000, NULL },
    { "result", KEY_SIZE, AT(limits.result_bytes), NOT_TOLD, 1024, 1 << 29, NULL },
    { "state", KEY_SIZE, AT(limits.state_bytes), NOT_TOLD, 1024, 1 << 30, NULL },
    { "waits", KEY_INT, AT(limits.waits), NOT_TOLD, 1, 10000000, NULL },
};
static const struct config_key http_keys[] = {
    { "listen", KEY_STRING, AT(http_listen), NOT_TOLD, 0, 0, NULL },
    { "token", KEY_STRING, AT(http_token), NOT_TOLD, 0, 0, NULL },
    { "without_token", KEY_BOOL, AT(http_without_token), NOT_TOLD, 0, 0, NULL },
    { "in_flight", KEY_INT, AT(http_in_flight), NOT_TOLD, 1, 1000000, NULL },
};
static const struct config_key inngest_keys[] = {
    { "apps", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "event_key", KEY_STRING, AT(inngest.event_key), NOT_TOLD, 1, 0, NULL },
    { "topic", KEY_STRING, AT(inngest.topic), NOT_TOLD, 1, 0, NULL },
    { "signing_key", KEY_STRING, AT(inngest.signing_key), NOT_TOLD, 1, 0, NULL },
    { "calls", KEY_INT, AT(inngest.calls), NOT_TOLD, 1, 100000, NULL },
};
static const struct config_key schema_registry_keys[] = {
    { "url", KEY_STRING, AT(schema_registry.url), NOT_TOLD, 1, 0, NULL },
    { "user", KEY_STRING, AT(schema_registry.user), NOT_TOLD, 1, 0, NULL },
    { "password", KEY_STRING, AT(schema_registry.password), NOT_TOLD, 0, 0, NULL },
    { "topics", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "ca_file", KEY_STRING, AT(schema_registry.ca_file), NOT_TOLD, 1, 0, NULL },
    { "certificate", KEY_STRING, AT(schema_registry.certificate), NOT_TOLD, 1, 0, NULL },
    { "private_key", KEY_STRING, AT(schema_registry.private_key), NOT_TOLD, 1, 0, NULL },
    { "verify", KEY_BOOL, AT(schema_registry.verifies), NOT_TOLD, 0, 0, NULL },
};
static const struct config_key pause_keys[] = {
    { "most", KEY_INT64, AT(pause_most), NOT_TOLD, 1, QUEUED_MOST, NULL },
};
static const struct config_key flow_keys[] = {
    { "most", KEY_INT64, AT(flow_most), NOT_TOLD, 1, QUEUED_MOST, NULL },
};
static const struct config_key tracing_keys[] = {
    { "otlp", KEY_STRING, AT(tracing.otlp), NOT_TOLD, 1, 0, NULL },
    { "sample", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
};
static const struct config_key log_keys[] = {
    { "level", KEY_NAME, AT(log.level), NOT_TOLD, 0, 0, LOG_LEVEL_NAMES },
    { "format", KEY_NAME, AT(log.format), NOT_TOLD, 0, 0, LOG_FORMAT_NAMES },
};
static const struct config_key top_keys[] = {
    { "kafka", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "topics", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "redis", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "modules", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "worker", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "retry", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "dead_letter", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "history", KEY_NAME, AT(history), NOT_TOLD, 0, 0, history_names },
    { "history_age", KEY_DURATION, AT(history_age_ms), NOT_TOLD, 1000, ANY_MS, NULL },
    { "history_limit", KEY_INT64, AT(history_limit), NOT_TOLD, 0, 1000000000, NULL },
    { "dedupe", KEY_DURATION, AT(dedupe_ms), NOT_TOLD, 0, ANY_MS, NULL },
    { "commit_interval", KEY_DURATION, AT(commit_interval_ms), NOT_TOLD, 10, 600000, NULL },
    { "limits", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "http", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "inngest", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "schema_registry", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "pause", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "flow", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "tracing", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "log", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "programs", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "redact", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "functions", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "options", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
};
#undef AT

#define AT(field) offsetof(struct config_function, field)
static const struct config_key function_keys[] = {
    { "use", KEY_STRING, AT(use), NOT_TOLD, 1, 0, NULL },
    { "event", KEY_STRING, AT(event), NOT_TOLD, 1, 0, NULL },
    { "topic", KEY_STRING, AT(topic), NOT_TOLD, 1, 0, NULL },
    { "enabled", KEY_BOOL, AT(is_enabled), NOT_TOLD, 0, 0, NULL },
    { "retries", KEY_INT, AT(retry.retries), AT(retry.has_retries), 0, STEPD_MAX_RETRIES, NULL },
    { "schedule", KEY_SCHEDULE, AT(retry.schedule_ms), AT(retry.schedule_count), 0, ANY_MS, NULL },
    { "backoff", KEY_SCHEDULE, AT(retry.schedule_ms), AT(retry.schedule_count), 0, ANY_MS, NULL },
    { "jitter", KEY_DURATION, AT(retry.jitter_ms), AT(retry.has_jitter), 0, ANY_MS, NULL },
    { "timeout", KEY_DURATION, AT(timeout_ms), AT(has_timeout), 0, ANY_MS, NULL },
    { "concurrency", KEY_INT, AT(concurrency), AT(has_concurrency), 0, 1000000, NULL },
    { "ordering", KEY_NAME, AT(ordering), AT(has_ordering), 0, 0, ordering_names },
    { "dedupe", KEY_DURATION, AT(dedupe_ms), AT(has_dedupe), 0, ANY_MS, NULL },
};
#undef AT

#define AT(field) offsetof(struct config_program, field)
static const struct config_key program_keys[] = {
    { "command", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "processes", KEY_INT, AT(processes), NOT_TOLD, 1, 1000, NULL },
    { "in_flight", KEY_INT, AT(in_flight), NOT_TOLD, 1, 100000, NULL },
    { "drain", KEY_DURATION, AT(drain_ms), NOT_TOLD, 0, ANY_MS, NULL },
    { "directory", KEY_STRING, AT(directory_given), NOT_TOLD, 1, 0, NULL },
    { "env", KEY_OTHER, 0, NOT_TOLD, 0, 0, NULL },
    { "inherit_env", KEY_BOOL, AT(inherits_environment), NOT_TOLD, 0, 0, NULL },
};
#undef AT

#define KEYS(list) \
    { \
        list, COUNT_OF(list) \
    }
const struct config_keys CONFIG_TOP = KEYS(top_keys);
const struct config_keys CONFIG_FUNCTION = KEYS(function_keys);
const struct config_keys CONFIG_PROGRAM = KEYS(program_keys);
const struct config_section CONFIG_SECTIONS[] = {
    { "redis", KEYS(redis_keys) },     { "worker", KEYS(worker_keys) },
    { "retry", KEYS(retry_keys) },     { "dead_letter", KEYS(dead_letter_keys) },
    { "limits", KEYS(limits_keys) },   { "http", KEYS(http_keys) },
    { "inngest", KEYS(inngest_keys) }, { "schema_registry", KEYS(schema_registry_keys) },
    { "pause", KEYS(pause_keys) },     { "flow", KEYS(flow_keys) },
    { "tracing", KEYS(tracing_keys) }, { "log", KEYS(log_keys) },
};
const size_t CONFIG_SECTION_COUNT = COUNT_OF(CONFIG_SECTIONS);

void config_set_defaults(struct config *config)
{
    config->redis.url = "redis://localhost:6379/0";
    config->redis.prefix = "stepd";
    config->redis.durability_lag_ms = 2000;
    config->redis.timeout_ms = 3000;
    config->redis.shards = 1;
    config->worker.threads = 32;
    config->worker.queue = 4096;
    config->worker.max_stuck = 8;
    config->worker.drain_timeout_ms = 10000;
    config->worker.shutdown_timeout_ms = 25000;
    config->worker.lease_ms = 5000;
    config->retry.header_most_ms = DAY_MS;
    config->worker.journal = "";
    config->dead_letter_topic = "%t.dead";
    config->inngest.calls = 1000;
    config->schema_registry.verifies = true;
    config->history = HISTORY_FAILURES;
    config->history_age_ms = 24 * 3600000;
    config->history_limit = 100000;
    config->commit_interval_ms = 1000;
    config->limits.event_bytes = 4 << 20;
    config->limits.result_bytes = 4 << 20;
    config->limits.state_bytes = 32 << 20;
    config->limits.steps = 1000;
    config->limits.waits = 10000;
    config->http_listen = "127.0.0.1:8288";
    config->http_token = "";
    config->http_in_flight = 10000;
    config->pause_most = 1000000;
    config->flow_most = 1000000;
    config->tracing.sample = 0.1;
    config->log.level = LOG_LEVEL_INFO;
    config->log.format = LOG_FORMAT_AUTO;
}
