/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stepd.h: everything a handler module sees of stepd.
 *
 * A module is one shared object that declares its functions with STEPD_MODULE. The daemon loads
 * it, runs a function for each event that matches its trigger, retries what fails, and remembers
 * the steps that are done. A module links to nothing of stepd: the daemon exports these calls.
 *
 * Threads: each attempt runs on one worker thread and owns its `ctx`; a `ctx` must not be used by
 * another thread, nor after the function returned. Handlers may block.
 * Ownership: pointers that calls return are borrowed and live until the attempt ends, unless a call
 * says otherwise. Strings and buffers given to stepd are copied.
 *
 * ABI changes, newest first (the daemon accepts its own major number, and minors up to its own):
 *   1.1  stepd_parallel(), stepd_race(); stepd_invoke(); stepd_header(); stepd_event has headers and is_raw; stepd_pack(); STEPD_PATH; a function's
 *        settings from `events` on: flow control; a module's `check`
 *   1.0  first version
 */
#ifndef STEPD_STEPD_H
#define STEPD_STEPD_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STEPD_ABI_MAJOR 1
#define STEPD_ABI_MINOR 1

#ifdef __cplusplus
extern "C" {
#endif

#define STEPD_EXPORT __attribute__((visibility("default")))
#define STEPD_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#if defined(__GNUC__) && !defined(__clang__) && !defined(__cplusplus)
#define STEPD_DESIGNATED __attribute__((designated_init)) /* positional fields are an error */
#else
#define STEPD_DESIGNATED
#endif

struct stepd_ctx; /* one attempt of one run */

/* What functions, steps and step calls answer. Anything but STEPD_OK may be returned straight on. */
enum stepd_status {
    STEPD_OK,       /* done */
    STEPD_FAILED,   /* an error was set by stepd_error() or one of its kin, or a step failed for good */
    STEPD_SUSPENDED /* the run is parked (a retry, a sleep) and continues later; return now */
};

enum stepd_level { STEPD_LOG_ERROR, STEPD_LOG_WARN, STEPD_LOG_INFO, STEPD_LOG_DEBUG };

/* A header of a message. Names may stand more than once; the last counts: stepd_header(). */
struct stepd_header {
    const char *name;
    const void *value; /* NULL: a null value; not NUL-ended */
    size_t size;
};

/* One event, whatever format its message had. */
struct stepd_event {
    const char *id;             /* the event's id, or "<topic>-<partition>-<offset>" */
    const char *name;           /* the event's name, or its topic's */
    const msgpack_object *data; /* never NULL; nil when there is none, or when is_raw */
    const msgpack_object *user; /* the envelope's `user`, nil when absent */
    int64_t ts_ms;              /* the envelope's `ts`, else the message's time; ms since 1970 */
    const char *topic;
    int32_t partition;
    int64_t offset;
    const void *key; /* the message's key, NULL when it has none; not NUL-ended */
    size_t key_len;
    const void *raw; /* the message's value as it came */
    size_t raw_len;
    const char *traceparent; /* W3C Trace Context, to pass on; NULL: none */
    /* since 1.1: */
    const struct stepd_header *headers; /* the message's, in their order */
    size_t header_count;
    bool is_raw; /* the value can't be decoded (functions with a `.topic` trigger only):
                                    data is nil, see raw */
};

struct stepd_error {
    const char *name; /* "DatabaseError" */
    const char *message;
    int attempt;         /* zero-indexed attempt that failed */
    const char *step_id; /* the step that failed; NULL: the function itself */
};

enum stepd_step_status { STEPD_STEP_COMPLETED, STEPD_STEP_FAILED };

/* A finished step of this run. */
struct stepd_step {
    const char *id;
    enum stepd_step_status status;
    const msgpack_object *value;     /* the result; NULL when it failed */
    const struct stepd_error *error; /* NULL when it completed */
};

typedef enum stepd_status (*stepd_run_fn)(struct stepd_ctx *ctx);
typedef enum stepd_status (*stepd_step_fn)(struct stepd_ctx *ctx, const void *arg);

/* Delays before retry 0, 1, 2, … in ms, each 0 to 31,536,000,000 (a year); the last repeats. */
struct stepd_backoff {
    const int64_t *delays_ms;
    size_t count; /* 0: the settings of the function, or of the daemon */
};
#define STEPD_BACKOFF(...) \
    { \
        .delays_ms = (const int64_t[]){ __VA_ARGS__ }, .count = sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t) \
    }

/* The policy of one step. `retries` counts as it stands here. */
struct stepd_policy {
    int retries;                  /* 0 to 1000 */
    struct stepd_backoff backoff; /* left out: the function's */
    int64_t timeout_ms;           /* 0: the function's */
    bool at_most_once;            /* its start is recorded first; a crash that leaves the outcome
                                      unknown fails it with OutcomeUnknown */
};

enum stepd_ordering {
    STEPD_UNORDERED,
    STEPD_BY_KEY /* runs of one key of one topic one at a time, in offset order, across retries */
};

enum stepd_option_type {
    STEPD_STRING,      /* const char * */
    STEPD_INT,         /* int64_t */
    STEPD_BOOL,        /* bool */
    STEPD_DOUBLE,      /* double */
    STEPD_DURATION,    /* int64_t, ms; "30s", "5m" in the config */
    STEPD_SIZE,        /* int64_t, bytes; "4MiB" */
    STEPD_STRING_LIST, /* const char *const *, ended by NULL */
    STEPD_STRING_MAP,  /* const char *const *, name, value, name, value, …, ended by NULL */
    STEPD_PATH         /* const char *; a relative one of the config counts from the config's folder */
};

/* One setting that the daemon reads from its config, checks, and writes at `offset` of a zeroed
 * struct of the module's own. A table ends with an entry whose name is NULL: STEPD_OPTIONS. */
struct stepd_option {
    const char *name;
    enum stepd_option_type type;
    size_t offset;            /* offsetof(struct my_options, field) */
    const char *default_text; /* as it would stand in the config; NULL: it must be given */
    const char *help;
} STEPD_DESIGNATED;
#define STEPD_OPTION(...) \
    { \
        __VA_ARGS__ \
    }
#define STEPD_OPTIONS(...) ((const struct stepd_option[]){ __VA_ARGS__, { .name = NULL } })

/* ---- flow control ------------------------------------------------------------------------------
 * How much of the world a function may take at once. Expressions are CEL's over `event` (`id name data
 * user ts v topic key headers`), compiled when the module is read. `key` NULL: all events share one. */

struct stepd_texts {
    const char *const *items;
    size_t count;
};
#define STEPD_TEXTS(...) \
    { \
        .items = (const char *const[]){ __VA_ARGS__ }, .count = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *) \
    }
#define STEPD_EVENTS(...) STEPD_TEXTS(__VA_ARGS__)
#define STEPD_CRONS(...) STEPD_TEXTS(__VA_ARGS__)

enum stepd_catch_up { STEPD_CATCH_UP_LAST, STEPD_CATCH_UP_NONE, STEPD_CATCH_UP_ALL };

/* `limit` runs a period start for a key, the others never: they are counted. */
struct stepd_rate_limit {
    int64_t limit;
    int64_t period_ms;
    const char *key;
} STEPD_DESIGNATED;

/* `limit` + `burst` runs begin at once, then one each period / limit; the others wait for their turn. */
struct stepd_throttle {
    int64_t limit;
    int64_t period_ms;
    int64_t burst;
    const char *key;
} STEPD_DESIGNATED;

/* One run for what comes within `period_ms` of each other, with the latest event. */
struct stepd_debounce {
    int64_t period_ms;
    int64_t timeout_ms; /* at the latest so long after the first; 0: no limit */
    const char *key;
} STEPD_DESIGNATED;

/* One run for up to `size` events. */
struct stepd_batch {
    int64_t size;
    int64_t timeout_ms; /* begun so long after its first event */
    const char *key;
} STEPD_DESIGNATED;

/* Attempts that execute at once, in all daemons together. Functions that name one scope share its count. */
struct stepd_limit {
    int64_t limit;
    const char *key;
    const char *scope;
} STEPD_DESIGNATED;
struct stepd_limits {
    const struct stepd_limit *items;
    size_t count;
};
#define STEPD_LIMITS(...) \
    { \
        .items = (const struct stepd_limit[]){ __VA_ARGS__ }, \
        .count = sizeof((const struct stepd_limit[]){ __VA_ARGS__ }) / sizeof(struct stepd_limit) \
    }

enum stepd_singleton_mode { STEPD_SINGLETON_NONE, STEPD_SINGLETON_SKIP, STEPD_SINGLETON_CANCEL };

/* One living run for each key. */
struct stepd_singleton {
    enum stepd_singleton_mode mode;
    const char *key;
} STEPD_DESIGNATED;

/* A later event that ends the run. */
struct stepd_cancel {
    const char *event;
    const char *when;   /* over `async`, the later event, and `event`; NULL: each */
    int64_t timeout_ms; /* later ones do not count; 0: all do */
} STEPD_DESIGNATED;
struct stepd_cancels {
    const struct stepd_cancel *items;
    size_t count;
};
#define STEPD_CANCEL_ON(...) \
    { \
        .items = (const struct stepd_cancel[]){ __VA_ARGS__ }, \
        .count = sizeof((const struct stepd_cancel[]){ __VA_ARGS__ }) / sizeof(struct stepd_cancel) \
    }

/* Retries by the error's name; the first that matches counts, of functions and steps. */
struct stepd_error_policy {
    const char *error;            /* a trailing * matches a prefix */
    int retries;                  /* 0 to 1000 */
    struct stepd_backoff backoff; /* left out: the function's */
} STEPD_DESIGNATED;
struct stepd_error_policies {
    const struct stepd_error_policy *items;
    size_t count;
};
#define STEPD_ON_ERROR(...) \
    { \
        .items = (const struct stepd_error_policy[]){ __VA_ARGS__ }, \
        .count = sizeof((const struct stepd_error_policy[]){ __VA_ARGS__ }) / sizeof(struct stepd_error_policy) \
    }

/* After so many failed attempts of a key within the window none begins for a pause. */
struct stepd_breaker {
    int64_t failures;
    int64_t window_ms;
    int64_t pause_ms;
    const char *key;
} STEPD_DESIGNATED;

/* An event that may come before the run asks for it. */
struct stepd_expected {
    const char *event;
    const char *when;
} STEPD_DESIGNATED;
struct stepd_expecteds {
    const struct stepd_expected *items;
    size_t count;
};
#define STEPD_EXPECTS(...) \
    { \
        .items = (const struct stepd_expected[]){ __VA_ARGS__ }, \
        .count = sizeof((const struct stepd_expected[]){ __VA_ARGS__ }) / sizeof(struct stepd_expected) \
    }

/* One function: what starts it, what it does, how it is retried. `event` and `events` add up; `topic` stands alone. */
struct stepd_function {
    const char *id;    /* unique in the daemon; letters, digits, - _ . : and / */
    const char *event; /* an event's name; a trailing * matches a prefix */
    const char *topic; /* every message of this topic, whatever its bytes */
    stepd_run_fn run;
    stepd_run_fn on_failure; /* after the run failed for good; same event, retries of its own,
                                  stepd_last_error() set */
    int retries;             /* 0 to 1000, default 4: attempts are 1 + retries */
    int64_t timeout_ms;      /* of one attempt; 0, the default: none */
    struct stepd_backoff backoff;
    int64_t jitter_ms; /* uniform in [0, jitter_ms) is added to each delay; default 30,000 */
    enum stepd_ordering ordering;
    int concurrency;                    /* runs of it at once in one daemon; 0: no limit */
    int64_t dedupe_ms;                  /* a second event with the same id within it starts nothing; 0: off */
    const struct stepd_option *options; /* this function's own settings: stepd_options() */
    size_t options_size;                /* size of the struct that they fill */
    /* What types can't say of them, looked at before anything runs: 0, or anything else once it
     * wrote what is wrong ("'level' must be low or high, not 'hi'"). */
    int (*check)(const void *options, char *ret_why, size_t why_size);
#ifdef __cplusplus
    bool is_template; /* C++ keeps the word for itself */
#else
    bool template; /* not a function itself: each `functions: {ID: {use: THIS, …}}` of
                                  the config makes one, with options of its own */
#endif
    /* since 1.1: */
    struct stepd_texts events; /* more events that start it: STEPD_EVENTS(); one run an event, however many match */
    const char *when;          /* of events that it is not true of, nothing is started, listed or counted */
    struct stepd_texts cron;   /* STEPD_CRONS() */
    enum stepd_catch_up catch_up;
    const char *dedupe_key; /* with dedupe_ms: what tells events apart, instead of their ids */
    struct stepd_rate_limit rate_limit;
    struct stepd_throttle throttle;
    struct stepd_debounce debounce;
    struct stepd_batch batch;
    struct stepd_limits concurrency_limits; /* STEPD_LIMITS(), up to 8 */
    const char *priority;                   /* seconds that a run goes ahead of others that wait, -600 to 600 */
    struct stepd_singleton singleton;
    struct stepd_cancels cancel_on;       /* STEPD_CANCEL_ON() */
    int64_t start_timeout_ms;             /* not begun so long after its event: cancelled; 0: never */
    int64_t finish_timeout_ms;            /* not ended so long after it began: cancelled; 0: never */
    struct stepd_error_policies on_error; /* STEPD_ON_ERROR() */
    struct stepd_breaker breaker;
    struct stepd_expecteds expects; /* STEPD_EXPECTS() */
} STEPD_DESIGNATED;

#define STEPD_DEFAULT_RETRIES 4
#define STEPD_DEFAULT_JITTER_MS 30000
#define STEPD_MAX_RETRIES 1000

/* The first three numbers are read before anything else; they never move. */
struct stepd_module {
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t size;          /* of this struct */
    uint32_t function_size; /* of struct stepd_function */
    const char *name;       /* names the module in config and logs */
    const struct stepd_function *functions;
    size_t function_count;
    /* Called once, before any function; 0, or anything else to refuse to start (log why). What it
     * stores in *ret_shared is stepd_shared(). `options`: the filled struct, or NULL. */
    int (*init)(const void *options, void **ret_shared);
    void (*exit)(void *shared);                         /* once, after the last attempt */
    int (*thread_init)(void *shared, void **ret_local); /* on each worker thread: stepd_local() */
    void (*thread_exit)(void *shared, void *local);
    const struct stepd_option *options; /* the module's settings, `options: {NAME: …}` */
    size_t options_size;
    /* since 1.1: of the module's settings what a function's `check` is of its own; `stepd --check` asks it too */
    int (*check)(const void *options, char *ret_why, size_t why_size);
} STEPD_DESIGNATED;

/* Defaults stand first, the author's designators overwrite them (C11 6.7.9p19). */
#define STEPD_FUNCTION(...) \
    { \
        .retries = STEPD_DEFAULT_RETRIES, .jitter_ms = STEPD_DEFAULT_JITTER_MS, __VA_ARGS__ \
    }
#define STEPD_FUNCTIONS(...) \
    (const struct stepd_function[]){ __VA_ARGS__ }, \
        .function_count = sizeof((const struct stepd_function[]){ __VA_ARGS__ }) / sizeof(struct stepd_function)

#if defined(__clang__)
#define STEPD_QUIET_OVERRIDES _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Winitializer-overrides\"")
#define STEPD_QUIET_END _Pragma("clang diagnostic pop")
#else
#define STEPD_QUIET_OVERRIDES _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverride-init\"")
#define STEPD_QUIET_END _Pragma("GCC diagnostic pop")
#endif

/* Declares the module; once in a shared object. C only. */
#define STEPD_MODULE(...) \
    STEPD_QUIET_OVERRIDES \
    STEPD_EXPORT extern const struct stepd_module stepd_module; \
    const struct stepd_module stepd_module = { .abi_major = STEPD_ABI_MAJOR, \
                                               .abi_minor = STEPD_ABI_MINOR, \
                                               .size = sizeof(struct stepd_module), \
                                               .function_size = sizeof(struct stepd_function), \
                                               __VA_ARGS__ }; \
    STEPD_QUIET_END \
    STEPD_EXPORT extern const struct stepd_module stepd_module

/* Returns from the calling function unless `expression` is STEPD_OK. */
#define STEPD_TRY(expression) \
    do { \
        enum stepd_status stepd_try_status = (expression); \
        if (stepd_try_status != STEPD_OK) \
            return stepd_try_status; \
    } while (0)

/* ---- the run ------------------------------------------------------------------------------- */

STEPD_EXPORT const struct stepd_event *stepd_event(struct stepd_ctx *ctx);
/* All events of a function with .batch, in the order in which they came; stepd_event() is the first of them. A run without
 * one has 1. NULL: there is none at that index. */
STEPD_EXPORT size_t stepd_event_count(struct stepd_ctx *ctx);
STEPD_EXPORT bool stepd_has_batch(struct stepd_ctx *ctx); /* the function has .batch, of however many events this run is */
STEPD_EXPORT const struct stepd_event *stepd_event_at(struct stepd_ctx *ctx, size_t index);
/* A header of the event's message, the last of that name whatever the case of its letters, as it is
 * written, not NUL-ended; NULL: there is none, or it is null. `ret_size` may be NULL. */
STEPD_EXPORT const void *stepd_header(struct stepd_ctx *ctx, const char *name, size_t *ret_size);
STEPD_EXPORT int stepd_attempt(struct stepd_ctx *ctx);      /* zero-indexed */
STEPD_EXPORT int stepd_max_attempts(struct stepd_ctx *ctx); /* 1 + retries, of what is running */
STEPD_EXPORT const char *stepd_run_id(struct stepd_ctx *ctx);
STEPD_EXPORT const char *stepd_function_id(struct stepd_ctx *ctx);
/* How long what is running may still take: for the timeouts of what it waits for. INT64_MAX: no limit. */
STEPD_EXPORT int64_t stepd_time_left_ms(struct stepd_ctx *ctx);

/* The result of what is running, step or function: pack one object. Without one it is nil. What a
 * failed attempt packed is dropped. */
STEPD_EXPORT msgpack_packer *stepd_output(struct stepd_ctx *ctx);

/* True once the attempt's result will be ignored (timeout, cancelled, taken over, daemon stops):
 * long work should look now and then. */
STEPD_EXPORT bool stepd_is_cancelled(struct stepd_ctx *ctx);

STEPD_EXPORT void *stepd_shared(struct stepd_ctx *ctx);        /* from the module's init */
STEPD_EXPORT void *stepd_local(struct stepd_ctx *ctx);         /* from thread_init, this thread's */
STEPD_EXPORT const void *stepd_options(struct stepd_ctx *ctx); /* this function's, NULL: has none */

STEPD_EXPORT void stepd_log(struct stepd_ctx *ctx, enum stepd_level level, const char *format, ...) STEPD_PRINTF(3, 4);

/* The error that the latest failing step call answered with; in on_failure, what the run failed of;
 * in a retry before any of those, the previous attempt's error. NULL: none. */
STEPD_EXPORT const struct stepd_error *stepd_last_error(struct stepd_ctx *ctx);

/* ---- reading data: `path` is keys joined by dots ("user.address.0.city") ---------------------- */

/* NULL where there is nothing. An empty path is the object itself. */
STEPD_EXPORT const msgpack_object *stepd_get(struct stepd_ctx *ctx, const msgpack_object *object, const char *path);
/* `otherwise` where there is nothing, or nothing of that type. */
STEPD_EXPORT int64_t stepd_get_int(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, int64_t otherwise);
STEPD_EXPORT double stepd_get_double(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, double otherwise);
STEPD_EXPORT bool stepd_get_bool(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, bool otherwise);
STEPD_EXPORT const char *stepd_get_str(struct stepd_ctx *ctx, const msgpack_object *object, const char *path, const char *otherwise);

/* ---- JSON: both live until the attempt ends --------------------------------------------------- */

/* Always valid JSON, without spaces: bytes become base64, NaN null. An integer beyond 64 bits that
 * came as a number is a number. */
STEPD_EXPORT const char *stepd_to_json(struct stepd_ctx *ctx, const msgpack_object *object);
/* NULL: it is no JSON (RFC 8259, UTF-8, 64 levels). Integers stay exact: beyond 64 bits they are the
 * text of their digits. NaN, Infinity and -Infinity are nil, a lone surrogate is U+FFFD. */
STEPD_EXPORT const msgpack_object *stepd_from_json(struct stepd_ctx *ctx, const void *text, size_t size);
/* Appends an object that came from the event, a step or stepd_from_json(): its integers beyond 64 bits
 * stay numbers, where msgpack_pack_object() makes texts of them. Since ABI 1.1. */
STEPD_EXPORT void stepd_pack(struct stepd_ctx *ctx, msgpack_packer *packer, const msgpack_object *object);

/* ---- errors: all answer STEPD_FAILED, to be returned -------------------------------------------
 * `name` 1 to 100 bytes, the message up to 1,000; what is longer is cut. */

STEPD_EXPORT enum stepd_status stepd_error(struct stepd_ctx *ctx, const char *name, const char *format, ...) STEPD_PRINTF(3, 4);
STEPD_EXPORT enum stepd_status stepd_non_retriable(struct stepd_ctx *ctx, const char *name, const char *format, ...) STEPD_PRINTF(3, 4);
/* The next attempt is due exactly then, without jitter; it does not add attempts. Negative: now. */
STEPD_EXPORT enum stepd_status stepd_retry_after(struct stepd_ctx *ctx, int64_t delay_ms, const char *name, const char *format, ...)
    STEPD_PRINTF(4, 5);
STEPD_EXPORT enum stepd_status stepd_retry_at(struct stepd_ctx *ctx, int64_t unix_ms, const char *name, const char *format, ...)
    STEPD_PRINTF(4, 5);
/* `header_value`: of an HTTP Retry-After (RFC 9110, 10.2.3): seconds, or a date, no further ahead than
 * the config's `retry.max_after` (24 h). NULL or neither: as stepd_error(). */
STEPD_EXPORT enum stepd_status stepd_retry_after_http(struct stepd_ctx *ctx, const char *header_value, const char *name, const char *format,
                                                      ...) STEPD_PRINTF(4, 5);

/* ---- steps -------------------------------------------------------------------------------------
 * Each has an id, 1 to 200 bytes; one used again in a run is `id:1`, `id:2`, … in order of call. A
 * finished step never runs again in its run: its result comes from the checkpoint. Steps do not
 * nest. All block while Redis records what happened. */

/* `ret_result` may be NULL; where the step packed nothing it is nil. */
STEPD_EXPORT enum stepd_status stepd_step_run(struct stepd_ctx *ctx, const char *id, stepd_step_fn fn, const void *arg,
                                              const msgpack_object **ret_result);
STEPD_EXPORT enum stepd_status stepd_step_run_with(struct stepd_ctx *ctx, const struct stepd_policy *policy, const char *id,
                                                   stepd_step_fn fn, const void *arg, const msgpack_object **ret_result);
STEPD_EXPORT enum stepd_status stepd_sleep(struct stepd_ctx *ctx, const char *id, int64_t delay_ms);
STEPD_EXPORT enum stepd_status stepd_sleep_until(struct stepd_ctx *ctx, const char *id, int64_t unix_ms);
/* `data` is one msgpack object, or NULL for nil. Returns once the brokers have the event. */
STEPD_EXPORT enum stepd_status stepd_send_event(struct stepd_ctx *ctx, const char *id, const char *name, const msgpack_sbuffer *data);

/* One of several steps that are tried beside each other, each retried alone: `fn` has a ctx and a counter of
 * attempts of its own, runs on a thread of its own where one is free (stepd_local() is that thread's), and calls no
 * step. `arg` lives until `fn` returns: one past its timeout, or a second after it lost a race, may be left behind. */
struct stepd_branch {
    const char *id;
    stepd_step_fn fn;
    const void *arg;
    const struct stepd_policy *policy; /* NULL: the function's */
};
/* Returns once all are finished: STEPD_FAILED if one failed for good, with the error of the first that did, whose
 * result is NULL. `ret_results` has `count` places, or is NULL. Since ABI 1.1. */
STEPD_EXPORT enum stepd_status stepd_parallel(struct stepd_ctx *ctx, const struct stepd_branch *branches, size_t count,
                                              const msgpack_object **ret_results);
/* Returns when the first has succeeded; the others are dropped (they see stepd_is_cancelled()), their results NULL.
 * STEPD_FAILED where none succeeds. Since ABI 1.1. */
STEPD_EXPORT enum stepd_status stepd_race(struct stepd_ctx *ctx, const struct stepd_branch *branches, size_t count,
                                          const msgpack_object **ret_results);

/* What a run waits for: the next event of that name that `when` is true of. */
struct stepd_wait {
    const char *event;
    const char *when;   /* CEL over `async`, the later event, and `event`, the run's own; NULL: each */
    int64_t timeout_ms; /* 0: no end */
} STEPD_DESIGNATED;
/* Waits without a thread, and without memory in the daemon. *ret_event is the event, or NULL once the time is over; it
 * lives until the attempt ends. Any event counts that the broker acknowledges once the wait is recorded, none from before
 * the call. A `when` that can't be compiled fails the run (InvalidExpression), as does one wait too many of a name without
 * an equality on the later event in its `when` (TooManyWaits). Its `raw` is not kept. Since ABI 1.1. */
STEPD_EXPORT enum stepd_status stepd_wait_for_event(struct stepd_ctx *ctx, const char *id, const struct stepd_wait *wait,
                                                    const struct stepd_event **ret_event);
/* Starts the function, on whichever daemon or app has it, and waits for its result, or its error with its name and
 * message; holds no thread meanwhile. `data`: one msgpack object, NULL: nil. `timeout_ms` 0: none; once it is over the step
 * fails with InvokeTimeout, and the run goes on. NoSuchFunction, InvokeCancelled, InvokeSkipped (its settings start nothing),
 * InvokeTooDeep (100 inside each other), InvokeLost (Redis has lost keys of it); not retried itself. Since ABI 1.1. */
STEPD_EXPORT enum stepd_status stepd_invoke(struct stepd_ctx *ctx, const char *id, const char *function_id, const msgpack_sbuffer *data,
                                            int64_t timeout_ms, const msgpack_object **ret_result);

/* Finished steps, in order; in on_failure the function's, then its own. */
STEPD_EXPORT size_t stepd_step_count(struct stepd_ctx *ctx);
STEPD_EXPORT const struct stepd_step *stepd_step_at(struct stepd_ctx *ctx, size_t index); /* NULL past the end */

#ifdef __cplusplus
}
#endif
#endif
