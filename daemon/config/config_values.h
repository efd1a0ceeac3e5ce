/* SPDX-License-Identifier: Apache-2.0 */
/* What a config says, once it is read. */
#ifndef STEPD_CONFIG_CONFIG_VALUES_H
#define STEPD_CONFIG_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stepd/stepd.h>

#include "base/log.h"
#include "config/history_kept.h"
#include "config/setting.h"

struct config_faults;

/* Retry settings, of all functions or one; what was not given is the module's. */
struct config_retry {
    bool has_retries;
    int retries;
    bool has_jitter;
    int64_t jitter_ms;
    int64_t *schedule_ms;
    size_t schedule_count;  /* 0: not given */
    int64_t header_most_ms; /* `max_after`; of all functions alone */
};

struct config_function {
    const char *id;
    struct place place;
    const char *use;   /* NULL: not given; the template that it is made of */
    const char *event; /* NULL: not given */
    const char *topic; /* NULL: not given */
    bool is_enabled;   /* `enabled`; true unless given */
    struct config_retry retry;
    bool has_timeout;
    int64_t timeout_ms;
    bool has_concurrency;
    int concurrency;
    bool has_ordering;
    enum stepd_ordering ordering;
    bool has_dedupe;
    int64_t dedupe_ms;
    struct setting flow;    /* a map of the keys of flow control: config_flow.h */
    struct setting options; /* a map of every other key: the function's own settings */
};

/* A program that is started once and declares its functions itself. */
struct config_program {
    const char *name;
    struct place place;
    const char **command; /* NULL-ended; the program and its arguments */
    int processes;
    int in_flight;               /* calls at once, of each process */
    int64_t drain_ms;            /* for what is under way when a process is replaced */
    const char *directory_given; /* NULL: not given */
    char *directory;             /* where it runs, absolute; empty: the daemon's own */
    const char **environment;    /* name, value, …, NULL-ended */
    bool inherits_environment;
};

struct config {
    char *path;          /* of the main file, absolute */
    struct setting root; /* all that was read; what the others point into */

    const struct setting *kafka; /* a map of scalars, for librdkafka; never NULL */
    const char **topics;         /* NULL-ended */
    char **modules;              /* NULL-ended; absolute */

    struct {
        const char *url;
        const char *prefix;
        int64_t durability_lag_ms;
        int64_t timeout_ms; /* connecting, and a reply */
        int shards;
    } redis;

    struct {
        int threads;
        int queue; /* messages in flight at most */
        int max_stuck;
        const char *journal; /* the crash journal's file; relative to the config's folder; "": crash/journal_place.h */
        int64_t drain_timeout_ms;
        int64_t shutdown_timeout_ms;
        int64_t lease_ms;
    } worker;

    struct config_retry retry;     /* of all functions */
    const char *dead_letter_topic; /* %t: the event's topic */
    enum history_kept history;
    int64_t history_age_ms;
    int64_t history_limit;
    int64_t dedupe_ms; /* of all functions; 0: off */
    int64_t commit_interval_ms;

    struct {
        int64_t event_bytes;
        int64_t result_bytes;
        int64_t state_bytes;
        int steps;
        int waits; /* of runs for events of one name, without an index */
    } limits;

    const char *http_listen; /* "host:port"; empty: no HTTP */
    const char *http_token;  /* that the page asks of who changes something; empty: nobody may */
    bool http_without_token; /* anyone may who reaches the address */
    int http_in_flight;      /* requests of functions of `http` under way at once */
    struct {
        bool is_on;              /* there is such a section */
        const char **apps;       /* NULL-ended; URLs that are asked to register */
        const char *event_key;   /* NULL: any */
        const char *signing_key; /* NULL: none */
        int calls;               /* to apps, at once */
        const char *topic;       /* of events that come in over HTTP; one of `topics` */
    } inngest;
    struct {
        bool is_on;       /* there is such a section */
        const char *url;  /* without a slash at its end */
        const char *user; /* NULL: none; and so are the next four */
        const char *password;
        const char *ca_file; /* absolute, and so are the next two */
        const char *certificate;
        const char *private_key;
        bool verifies;       /* whose certificate the registry shows */
        const char **topics; /* patterns, NULL-ended; NULL: of all topics values may be framed */
        char *owned[4];      /* what of these is not the settings' */
    } schema_registry;
    int64_t pause_most; /* queued runs of a paused function; past it the partitions that bring more stop */
    int64_t flow_most;  /* the same of any other function */
    struct {
        const char *otlp; /* a collector's URL; NULL: nothing is traced */
        double sample;    /* of runs of which no producer has decided: 0 to 1 */
    } tracing;
    struct {
        enum log_level level;
        enum log_format format;
    } log;

    struct config_program *programs;
    size_t program_count;
    const char **redact; /* NULL-ended: headers whose values are not shown, as in a shell, in any case of letters */

    struct config_function *functions;
    size_t function_count;
    const struct setting *options; /* a map: module -> map of its options; may be NULL */
};

/* Whether `topics` has it. */
bool config_reads_topic(const struct config *config, const char *topic);
/* Reads one entry of `functions:`, whose fields point into `setting`; freed by config_function_done(). */
void config_function_read(const struct setting *setting, struct config_function *function, struct config_faults *faults);
void config_function_done(struct config_function *function);

#endif
