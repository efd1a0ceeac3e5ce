/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private redis-server on a Unix socket in a temp folder, and a store on it. Criterion runs each
 * test in a process of its own, so each has its own server; what fails here ends the test.
 */
#ifndef STEPD_TESTS_REDIS_FIXTURE_H
#define STEPD_TESTS_REDIS_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "run/run.h"
#include "store/redis/store_internal.h"

struct redis_fixture {
    char folder[64];
    char socket[96];
    char url[128];
    pid_t server;
    struct redis_store *store; /* NULL until store_open */
    int new_incarnations;
    int rollbacks;
};

void redis_fixture_start(struct redis_fixture *fixture);
void redis_fixture_stop(struct redis_fixture *fixture);
/* The server dies at once; append-only file with fsync always, so that nothing is lost. */
void redis_fixture_kill(struct redis_fixture *fixture);
void redis_fixture_restart(struct redis_fixture *fixture);

/* Settings for this server: prefix "t", 1 shard, history of failures, lease 5 s. */
struct store_settings redis_fixture_settings(struct redis_fixture *fixture);
/* A started store; the second form with settings of the caller's. */
struct redis_store *redis_fixture_open(struct redis_fixture *fixture);
struct redis_store *redis_fixture_open_with(const struct store_settings *settings);

/* One heartbeat of that store, of one run that was started: its lease begins. */
void redis_fixture_beat(struct redis_fixture *fixture);

/* A command as printf writes it, its reply as text: a string, a number, nothing for nil, elements
 * joined by blanks. Lives until the next. */
const char *redis_says(struct redis_store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Until it does, or a minute is over. */
bool redis_comes_to_say(struct redis_store *store, const char *wanted, const char *command);

/* One run in one event, to be changed at will. */
struct sample {
    struct function function;
    struct event event;
    struct run run;
};
void sample_init(struct sample *sample, int64_t offset);
/* The same of a function that keeps `key` in order. */
void sample_init_ordered(struct sample *sample, int64_t offset, const char *key);

#endif
