/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon is made of. Each part starts what it owns, and says whether it can do its work and what it has
 * counted; parts.c lists them in the order in which they start. They end in the reverse of it, in two rounds: first
 * each halts, so that no thread waits for another part, then each ends and frees what it has.
 */
#ifndef STEPD_PARTS_PART_H
#define STEPD_PARTS_PART_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/metrics.h"
#include "base/web.h"
#include "run/function.h"

struct boundary_port;
struct config;
struct consumer;
struct crashes;
struct dispatch;
struct http;
struct http_pool;
struct inngest;
struct journal;
struct loaded;
struct matching;
struct page;
struct producer;
struct programs;
struct recovery;
struct redis_store;
struct schema_registry;
struct reload;
struct routes;
struct signals;
struct timers;
struct traces;
struct waits;
struct watchdog;
struct web_route;

/* The process has one. Each field is its part's to make and to end; others read it, and find NULL before it has
 * started. */
struct daemon {
    int64_t started_ms; /* wall clock */
    struct config *config;
    struct loaded *loaded;
    struct reload *reload;
    struct routes *routes;
    struct redis_store *store;
    struct waits *waits; /* waits.c's own */
    struct producer *producer;
    struct journal *journal;
    struct crashes *crashes;
    struct recovery *recovery;
    struct http_pool *http_pool;
    struct traces *traces; /* NULL: the config names no collector */
    struct dispatch *dispatch;
    struct timers *timers;
    _Atomic(struct consumer *) consumer; /* the store's threads look before there is one */
    struct schema_registry *registry;    /* NULL: the config names none */
    struct inngest *inngest;             /* NULL: the config has no such section */
    struct programs *programs;           /* NULL: the config names none */
    struct watchdog *watchdog;
    struct page *page;
    struct web_route *web_routes; /* all that http answers besides its own */
    struct http *http;
    struct signals *signals;
};

/* Whatever a part has not is NULL. */
struct part {
    const char *name;
    int (*start)(struct daemon *daemon, struct error *ret_error);
    /* Called even where the start failed or never came. */
    void (*halt)(struct daemon *daemon);
    void (*end)(struct daemon *daemon);
    /* Any thread. NULL: it can do its work; else why not, in one line that lives as long as the daemon, or that it
     * wrote into `room`. */
    const char *(*trouble)(struct daemon *daemon, char *room, size_t size);
    /* Any thread: what /metrics tells of it. */
    void (*write_metrics)(struct daemon *daemon, struct metrics_page *page);
};

/* All, NULL-ended. */
extern const struct part *const PARTS[];
extern const struct part PART_CRASH, PART_PROCESS, PART_STORE, PART_PUBLISH, PART_CALLS, PART_CALLS_OUT, PART_SDK, PART_PROGRAMS,
    PART_MESSAGES, PART_TRACES, PART_ENGINE, PART_RECOVERY, PART_DUE, PART_HTTP, PART_SDK_CALLS, PART_SCHEMAS, PART_INTAKE, PART_OPERATIONS,
    PART_WAITS;

/* Any thread. The process can't go on: ends it with a clear last line. Nothing is left to be tidy about: what is not
 * committed or in the store comes again. */
_Noreturn void part_fatal(const char *why);
/* Whether the daemon can do its work, and in one line why not. Any thread; `daemon` is a struct daemon. */
bool parts_are_ready(void *daemon, char *ret_reason, size_t size);
/* What /metrics tells. Any thread; `daemon` is a struct daemon. */
void parts_write_metrics(void *daemon, struct metrics_page *page);

/* functions.c: those of modules, then those of apps, then those of programs. `daemon` is a struct daemon. The timer thread asks: waits for
 * nothing. */
const struct function *part_find_function(void *daemon, const char *id);
/* The same, and asks the store for those that another daemon has heard of. */
const struct function *part_learn_function(void *daemon, const char *id);
/* Any thread: POST /invoke/FUNCTION; `daemon` is its context. */
#define PART_INVOKE_PATH "/invoke/"
void part_answer_invoke(void *daemon, const struct web_request *request, struct web_reply *reply);
void part_each_function(void *daemon, void (*each)(void *context, const struct function *function), void *context);
/* How many there may ever be. */
size_t part_function_room(const struct daemon *daemon);

/* waits.c: how events end waits, and where the partitions end for runs that begin to wait. */
struct matching *part_matching(struct daemon *daemon);
struct boundary_port *part_boundary(struct daemon *daemon);

/* operations.c, any thread: Redis came back as another process. */
void part_redis_rolled_back(void);
/* All functions are paused. */
bool part_is_held(void);

/* process.c: until a stop is asked for, or the time is over (false). */
bool part_wait_for_stop(int64_t timeout_ms);

#endif
