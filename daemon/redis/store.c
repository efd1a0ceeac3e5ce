/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "redis/keys.h"
#include "redis/port.h"
#include "scripts.h"

#define BATCH_REQUESTS 1024
#define BATCH_BYTES ((size_t)16 << 20)
#define BACKOFF_MIN_MS 10
#define BACKOFF_MAX_MS 250
#define SHA_SIZE 40

/* A script is sent as its parts, one after another. */
#define SCRIPT_PARTS 6
struct script {
    const char *name;
    const char *parts[SCRIPT_PARTS];
};

static const struct script SCRIPTS[] = {
    { "take", { script_common, script_order, script_change, script_take } },
    { "advance", { script_checkpoint, script_common, script_order, script_ending, script_change, script_advance } },
    { "queue_behind", { script_common, script_order, script_queue_behind } },
    { "remember", { script_common, script_remember } },
    { "claim", { script_common, script_claim } },
    { "condemn", { script_common, script_condemn } },
    { "heartbeat", { script_common, script_heartbeat } },
    { "reap", { script_common, script_worker, script_reap } },
    { "leave", { script_common, script_worker, script_leave } },
    { "trim_taken", { script_common, script_trim_taken } },
    { "forget", { script_common, script_forget } },
    { "cancel", { script_common, script_order, script_ending, script_worker, script_cancel } },
    { "retry", { script_common, script_order, script_retry } },
};
#define SCRIPT_COUNT (sizeof(SCRIPTS) / sizeof(SCRIPTS[0]))

/* One call on its way. On its caller's stack; the store thread owns it until `done` is posted. */
struct request {
    struct request *next;
    char *command;             /* as it goes over the wire */
    size_t size;
    int script;                /* whose digest stands at sha_at; -1: a plain command */
    size_t sha_at;
    struct script_call *call;  /* script >= 0 */
    redisReply *reply;
    int status;
    sem_t done;
};

struct request_list {
    struct request *first;
    struct request **end;
};

struct redis_store {
    struct store port;
    struct store_settings settings;
    char **prefixes;                       /* by shard */
    struct link_address address;

    pthread_t thread;
    bool is_started;
    atomic_bool is_stopping;
    atomic_bool is_up;
    _Atomic(int64_t) clock_offset_ms;      /* Redis's time less our monotonic one */

    pthread_mutex_t lock;
    pthread_cond_t changed;                /* something waits, or is_stopping */
    struct request_list waiting;           /* lock */
    struct incarnation incarnation;        /* lock */
    void (*on_due)(void *context, int shard, int64_t due_ms); /* lock; called under it */
    void *on_due_context;                  /* lock */

    struct link link;                      /* store thread only, from here on */
    bool is_linked;
    struct link last_link;                 /* the one before: where to and who we were */
    char digests[SCRIPT_COUNT][SHA_SIZE + 1];
    bool has_scripts;
    bool is_away;                          /* said so; not back yet */
    int64_t away_since_ms;
    int64_t backoff_ms;
};

/* ---- lists ------------------------------------------------------------------------------------ */

static void list_init(struct request_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct request_list *list, struct request *request)
{
    request->next = NULL;
    *list->end = request;
    list->end = &request->next;
}

static struct request *list_take(struct request_list *list)
{
    struct request *request = list->first;

    if (request != NULL && (list->first = request->next) == NULL)
        list->end = &list->first;
    return request;
}

/* ---- the life of it ---------------------------------------------------------------------------- */

static struct incarnation new_incarnation(void)
{
    struct incarnation incarnation;

    if (getrandom(incarnation.bytes, sizeof(incarnation.bytes), 0) != (ssize_t)sizeof(incarnation.bytes))
        abort();
    return incarnation;
}

struct redis_store *store_create(const struct store_settings *settings)
{
    struct redis_store *store = xcalloc(1, sizeof(*store));
    pthread_condattr_t monotonic;

    assert(settings->shards >= 1);
    store->port.ops = &STORE_PORT_OPS;
    store->settings = *settings;
    store->settings.url = xstrdup(settings->url);
    store->settings.prefix = xstrdup(settings->prefix);
    store->prefixes = xcalloc((size_t)settings->shards, sizeof(*store->prefixes));
    for (int shard = 0; shard < settings->shards; shard++)
        store->prefixes[shard] = keys_shard_prefix(settings->prefix, shard);
    store->incarnation = new_incarnation();
    store->clock_offset_ms = clock_wall_ms() - clock_monotonic_ms();
    list_init(&store->waiting);
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return store;
}

void store_stop(struct redis_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    store->is_stopping = true;
    (void)pthread_cond_broadcast(&store->changed);
    (void)pthread_mutex_unlock(&store->lock);
}

void store_destroy(struct redis_store *store)
{
    if (store == NULL)
        return;
    store_stop(store);
    if (store->is_started)
        (void)pthread_join(store->thread, NULL);
    link_close(&store->link);
    link_address_done(&store->address);
    for (int shard = 0; shard < store->settings.shards; shard++)
        free(store->prefixes[shard]);
    free(store->prefixes);
    free((char *)store->settings.url);
    free((char *)store->settings.prefix);
    (void)pthread_cond_destroy(&store->changed);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

struct store *store_port(struct redis_store *store)
{
    return &store->port;
}

bool store_is_up(struct redis_store *store)
{
    return store->is_up;
}

struct incarnation store_incarnation(struct redis_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    struct incarnation incarnation = store->incarnation;
    (void)pthread_mutex_unlock(&store->lock);
    return incarnation;
}

static void renew(struct redis_store *store, bool is_rollback)
{
    (void)pthread_mutex_lock(&store->lock);
    store->incarnation = new_incarnation();
    (void)pthread_mutex_unlock(&store->lock);
    if (store->settings.on_new_incarnation != NULL)
        store->settings.on_new_incarnation(store->settings.context, is_rollback);
}

void store_renew(struct redis_store *store)
{
    renew(store, false);
}

int64_t store_now_ms(struct redis_store *store)
{
    return clock_monotonic_ms() + store->clock_offset_ms;
}

void store_made_due(struct redis_store *store, int shard, int64_t due_ms)
{
    (void)pthread_mutex_lock(&store->lock);
    if (store->on_due != NULL)
        store->on_due(store->on_due_context, shard, due_ms);
    (void)pthread_mutex_unlock(&store->lock);
}

int store_shards(const struct redis_store *store)
{
    return store->settings.shards;
}

int store_shard_of(const struct redis_store *store, const char *run_id)
{
    return (int)(run_id_placement(run_id) % (unsigned)store->settings.shards);
}

const char *store_prefix(const struct redis_store *store, int shard)
{
    return store->prefixes[shard];
}

const struct store_settings *store_settings(const struct redis_store *store)
{
    return &store->settings;
}

void store_on_due(struct redis_store *store, void (*on_due)(void *context, int shard, int64_t due_ms), void *context)
{
    (void)pthread_mutex_lock(&store->lock);
    store->on_due = on_due;
    store->on_due_context = context;
    (void)pthread_mutex_unlock(&store->lock);
}

/* ---- connecting (store thread, and store_start before there is one) ---------------------------- */

static int ask(struct redis_store *store, redisReply **ret_reply, struct error *ret_error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    redisReply *reply = redisvCommand(store->link.redis, format, arguments);
    va_end(arguments);
    if (reply == NULL)
        return error_set(ret_error, EAGAIN, "Redis: %s", store->link.redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR) {
        int status = error_set(ret_error, strncmp(reply->str, "NOPERM", 6) == 0 ? EACCES : EAGAIN,
                               "Redis says: %.160s", reply->str);
        freeReplyObject(reply);
        return status;
    }
    *ret_reply = reply;
    return 0;
}

/* The caller frees. */
static char *script_text(const struct script *script)
{
    char *text = xstrdup("");

    for (size_t i = 0; i < SCRIPT_PARTS && script->parts[i] != NULL; i++) {
        char *longer = xasprintf("%s%s", text, script->parts[i]);
        free(text);
        text = longer;
    }
    return text;
}

static int load_scripts(struct redis_store *store, struct error *ret_error)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        AUTO_FREE char *text = script_text(&SCRIPTS[i]);
        AUTO_REPLY reply = NULL;
        int status = ask(store, &reply, ret_error, "SCRIPT LOAD %s", text);
        if (status != 0)
            return status;
        if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_SIZE)
            return error_set(ret_error, EAGAIN, "Redis: SCRIPT LOAD answered no digest");
        memcpy(store->digests[i], reply->str, SHA_SIZE);
    }
    store->has_scripts = true;
    return 0;
}

static int check_shards(struct redis_store *store, struct error *ret_error)
{
    AUTO_REPLY set = NULL;
    AUTO_REPLY stands = NULL;

    int status = ask(store, &set, ret_error, "SETNX %s:shards %d", store->settings.prefix, store->settings.shards);
    if (status == 0)
        status = ask(store, &stands, ret_error, "GET %s:shards", store->settings.prefix);
    if (status != 0)
        return status;
    int shards = stands->type == REDIS_REPLY_STRING ? atoi(stands->str) : 0;
    if (shards == store->settings.shards)
        return 0;
    return error_set(ret_error, EINVAL, "redis.shards is %d, but the runs under '%s' in this Redis are spread over %d: "
                     "set it to %d, or use another redis.prefix", store->settings.shards, store->settings.prefix, shards, shards);
}

/* CONFIG may be closed to us; then nothing is said. */
static void check_setting(struct redis_store *store, const char *name, const char *wanted, const char *why)
{
    AUTO_REPLY reply = redisCommand(store->link.redis, "CONFIG GET %s", name);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return;
    if (strcmp(reply->element[1]->str, wanted) != 0)
        log_warn("Redis has %s %s: %s; set it to %s", name, reply->element[1]->str, why, wanted);
}

static int set_clock(struct redis_store *store, struct error *ret_error)
{
    AUTO_REPLY reply = NULL;
    int status = ask(store, &reply, ret_error, "TIME");

    if (status == 0 && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
        store->clock_offset_ms = atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000 - clock_monotonic_ms();
    return status;
}

static int connect_link(struct redis_store *store, struct error *ret_error)
{
    int status = link_open(&store->link, &store->address, store->settings.timeout_ms, ret_error);
    if (status != 0)
        return status;
    link_cut_off(&store->link, &store->last_link);
    status = check_shards(store, ret_error);
    if (status == 0)
        status = set_clock(store, ret_error);
    if (status == 0)
        status = load_scripts(store, ret_error);
    if (status != 0) {
        link_close(&store->link);
        return status;
    }

    bool is_first = store->last_link.run_id[0] == '\0';
    bool is_other = strcmp(store->link.run_id, store->last_link.run_id) != 0;
    if (is_other) {
        check_setting(store, "appendonly", "yes", "what waits in it is lost when it stops");
        check_setting(store, "maxmemory-policy", "noeviction", "it may drop runs when its memory is full");
    }
    store->last_link = store->link;
    store->is_linked = true;
    if (is_other && !is_first)
        renew(store, true);
    return 0;
}

static void disconnect(struct redis_store *store)
{
    link_close(&store->link);
    store->is_linked = false;
}

static void say_away(struct redis_store *store, const char *why)
{
    store->is_up = false;
    if (store->is_away)
        return;
    store->is_away = true;
    store->away_since_ms = clock_monotonic_ms();
    const char *script = strstr(why, " script: "); /* and its digest: of no use to a reader */
    int length = (int)(script != NULL ? (size_t)(script - why) : strlen(why));
    log_warn("Redis does not work now (%.*s): runs that need it wait, nothing is lost, trying on", length, why);
}

static void say_back(struct redis_store *store)
{
    store->is_up = true;
    store->backoff_ms = BACKOFF_MIN_MS;
    if (!store->is_away)
        return;
    store->is_away = false;
    log_info("Redis works again after %.1f s", (double)(clock_monotonic_ms() - store->away_since_ms) / 1000);
}

/* ---- the store thread -------------------------------------------------------------------------- */

static struct timespec monotonic_in(int64_t ms)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static void back_off(struct redis_store *store)
{
    struct timespec until = monotonic_in(store->backoff_ms);

    store->backoff_ms = store->backoff_ms * 2 < BACKOFF_MAX_MS ? store->backoff_ms * 2 : BACKOFF_MAX_MS;
    (void)pthread_mutex_lock(&store->lock);
    while (!store->is_stopping && pthread_cond_timedwait(&store->changed, &store->lock, &until) != ETIMEDOUT)
        ;
    (void)pthread_mutex_unlock(&store->lock);
}

static void deliver(struct request *request, int status, redisReply *reply)
{
    request->status = status;
    request->reply = reply;
    (void)sem_post(&request->done); /* the caller's stack is gone from here on */
}

static void format_request(struct request *request, size_t count, const char **words, const size_t *sizes)
{
    free(request->command);
    int size = redisFormatCommandArgv(&request->command, (int)count, words, sizes);
    if (size < 0)
        abort();
    request->size = (size_t)size;
}

static void format_script(struct redis_store *store, struct request *request)
{
    static const char NO_DIGEST[SHA_SIZE + 1] = "0000000000000000000000000000000000000000";
    struct script_call *call = request->call;
    const char *prefix = store->prefixes[call->shard];
    const char *words[SCRIPT_MAX_ARGUMENTS + 4] = { "EVALSHA", NO_DIGEST, "1", prefix };
    size_t sizes[SCRIPT_MAX_ARGUMENTS + 4] = { 7, SHA_SIZE, 1, strlen(prefix) };

    for (size_t i = 0; i < call->count; i++) {
        words[i + 4] = call->arguments[i].size != 0 ? call->arguments[i].data : "";
        sizes[i + 4] = call->arguments[i].size;
    }
    format_request(request, call->count + 4, words, sizes);
    request->sha_at = (size_t)snprintf(NULL, 0, "*%zu\r\n$7\r\nEVALSHA\r\n$40\r\n", call->count + 4);
}

/* What is sent in this worker's name is sent in its name of now. */
static void follow_incarnation(struct redis_store *store, struct request *request)
{
    if (request->script < 0 || request->call->owner_at < 0)
        return;
    struct incarnation self = store_incarnation(store);
    if (memcmp(&self, &request->call->owner, sizeof(self)) == 0)
        return;
    request->call->owner = self;
    keys_worker(&self, request->call->owner_hex);
    format_script(store, request);
}

/* Takes what waits, after `batch`; waits for something. False: stop. */
static bool collect(struct redis_store *store, struct request_list *batch)
{
    (void)pthread_mutex_lock(&store->lock);
    while (store->waiting.first == NULL && batch->first == NULL && !store->is_stopping)
        (void)pthread_cond_wait(&store->changed, &store->lock);
    bool goes_on = !store->is_stopping;
    size_t bytes = 0;
    for (int count = 0; goes_on && count < BATCH_REQUESTS && bytes < BATCH_BYTES && store->waiting.first != NULL; count++) {
        struct request *request = list_take(&store->waiting);
        bytes += request->size;
        list_add(batch, request);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return goes_on;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Errors that time heals. */
static bool is_passing(const char *text)
{
    static const char *const WORDS[] = { "BUSY ", "LOADING ", "READONLY ", "OOM ", "MISCONF ", "MASTERDOWN ", "NOREPLICAS ",
                                         "UNBLOCKED ", "TRYAGAIN ", "CLUSTERDOWN ", "NOAUTH ", "NOPERM ", "ERR max number" };

    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (begins(text, WORDS[i]))
            return true;
    }
    /* Inside a script the same errors come wrapped. */
    return strstr(text, "-OOM ") != NULL || strstr(text, "-READONLY ") != NULL || strstr(text, "-MISCONF ") != NULL ||
           strstr(text, "OOM command not allowed") != NULL || strstr(text, "-NOREPLICAS ") != NULL;
}

static void learn_time(struct redis_store *store, const struct request *request, const redisReply *reply)
{
    if (request->script < 0 || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
        return;
    /* A reply that waited to be read makes Redis seem slow: believe the fast ones. */
    int64_t sample = reply->element[1]->integer - clock_monotonic_ms();
    int64_t offset = store->clock_offset_ms;
    store->clock_offset_ms = sample >= offset ? sample : offset - (offset - sample + 31) / 32;
}

enum round { ROUND_DONE, ROUND_LOAD_SCRIPTS, ROUND_BACK_OFF };

/* Sends `batch` as one pipeline and delivers the replies. What must be asked again is in it after. */
static enum round run_batch(struct redis_store *store, struct request_list *batch)
{
    struct request_list again;
    enum round round = ROUND_DONE;
    bool is_unwritable = false;

    for (struct request *request = batch->first; request != NULL; request = request->next) {
        follow_incarnation(store, request);
        if (request->script >= 0)
            memcpy(request->command + request->sha_at, store->digests[request->script], SHA_SIZE);
        if (redisAppendFormattedCommand(store->link.redis, request->command, request->size) != REDIS_OK)
            abort();
    }
    list_init(&again);
    for (struct request *request; (request = batch->first) != NULL;) {
        redisReply *reply = NULL;
        if (redisGetReply(store->link.redis, (void **)&reply) != REDIS_OK) {
            bool is_silent = store->link.redis->err == REDIS_ERR_IO && errno == EAGAIN;
            say_away(store, is_silent ? "it does not answer" : store->link.redis->errstr);
            disconnect(store);
            *again.end = batch->first;
            if (batch->first != NULL)
                again.end = batch->end;
            round = ROUND_BACK_OFF;
            break;
        }
        (void)list_take(batch);
        if (reply->type != REDIS_REPLY_ERROR) {
            learn_time(store, request, reply);
            say_back(store);
            deliver(request, 0, reply);
            continue;
        }
        if (begins(reply->str, "NOSCRIPT")) {
            round = round == ROUND_DONE ? ROUND_LOAD_SCRIPTS : round;
            list_add(&again, request);
        } else if (is_passing(reply->str)) {
            say_away(store, reply->str);
            is_unwritable = is_unwritable || strstr(reply->str, "READONLY") != NULL;
            round = ROUND_BACK_OFF;
            list_add(&again, request);
        } else {
            log_error("Redis refuses %s: %s", request->script >= 0 ? SCRIPTS[request->script].name : "a command", reply->str);
            deliver(request, -EIO, NULL);
        }
        freeReplyObject(reply);
    }
    /* `again` may be empty, and its end then points into it. */
    batch->first = again.first;
    batch->end = again.first != NULL ? again.end : &batch->first;
    if (is_unwritable && store->is_linked)
        disconnect(store); /* the name may lead to the new master by now */
    return round;
}

static void connect_again(struct redis_store *store)
{
    struct error error = { 0 };
    int status = connect_link(store, &error);

    if (status == 0) {
        say_back(store);
        return;
    }
    say_away(store, error.text);
    if (status == -EINVAL && store->settings.fatal != NULL)
        store->settings.fatal(error.text);
    back_off(store);
}

static void *store_main(void *argument)
{
    struct redis_store *store = argument;
    struct request_list batch;
    struct error error = { 0 };

    sigset_t broken_pipe;

    /* hiredis writes to a closed link with write(2). */
    (void)sigemptyset(&broken_pipe);
    (void)sigaddset(&broken_pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    list_init(&batch);
    struct pulse *pulse = pulse_start("store", PULSE_LIMIT_MS + 2 * store->settings.timeout_ms);
    for (;;) {
        pulse_beat(pulse);
        if (!store->is_linked) {
            if (store->is_stopping)
                break;
            connect_again(store);
            continue;
        }
        pulse_rest(pulse);
        if (!collect(store, &batch))
            break;
        pulse_beat(pulse);
        enum round round = run_batch(store, &batch);
        if (round == ROUND_LOAD_SCRIPTS && load_scripts(store, &error) != 0) {
            say_away(store, error.text);
            disconnect(store);
        }
        if (round == ROUND_BACK_OFF)
            back_off(store);
    }
    for (struct request *request; (request = list_take(&batch)) != NULL;)
        deliver(request, -ESHUTDOWN, NULL);
    (void)pthread_mutex_lock(&store->lock);
    for (struct request *request; (request = list_take(&store->waiting)) != NULL;)
        deliver(request, -ESHUTDOWN, NULL);
    (void)pthread_mutex_unlock(&store->lock);
    pulse_stop(pulse);
    return NULL;
}

int store_start(struct redis_store *store, struct error *ret_error)
{
    struct error error = { 0 };
    int status = link_address_parse(store->settings.url, &store->address, ret_error);
    if (status != 0)
        return status;

    store->backoff_ms = BACKOFF_MIN_MS;
    int connected = connect_link(store, &error);
    if (connected == 0)
        store->is_up = true;
    if (connected != 0 && connected != -EAGAIN) {
        *ret_error = error;
        return connected;
    }
    int failed = pthread_create(&store->thread, NULL, store_main, store);
    if (failed != 0)
        return error_set(ret_error, failed, "can't start the store thread: %s", strerror(failed));
    store->is_started = true;
    if (connected != 0)
        *ret_error = error;
    return connected;
}

/* ---- calls ------------------------------------------------------------------------------------- */

static int submit(struct redis_store *store, struct request *request, redisReply **ret_reply)
{
    (void)sem_init(&request->done, 0, 0);
    (void)pthread_mutex_lock(&store->lock);
    bool is_taken = !store->is_stopping && store->is_started;
    if (is_taken) {
        bool was_empty = store->waiting.first == NULL;
        list_add(&store->waiting, request);
        if (was_empty)
            (void)pthread_cond_signal(&store->changed);
    }
    (void)pthread_mutex_unlock(&store->lock);
    if (is_taken) {
        pulse_rest_here(); /* the store thread answers for it */
        while (sem_wait(&request->done) != 0)
            assert(errno == EINTR);
        pulse_beat_here();
    } else {
        request->status = -ESHUTDOWN;
    }
    (void)sem_destroy(&request->done);
    free(request->command);
    if (request->status == 0)
        *ret_reply = request->reply;
    return request->status;
}

int store_command(struct redis_store *store, int shard, size_t count, const struct bytes *words, redisReply **ret_reply)
{
    struct request request = { .script = -1 };
    const char **texts = xcalloc(count, sizeof(*texts));
    size_t *sizes = xcalloc(count, sizeof(*sizes));

    (void)shard;
    for (size_t i = 0; i < count; i++) {
        texts[i] = words[i].size != 0 ? words[i].data : "";
        sizes[i] = words[i].size;
    }
    format_request(&request, count, texts, sizes);
    free(texts);
    free(sizes);
    return submit(store, &request, ret_reply);
}

int store_commandf(struct redis_store *store, int shard, redisReply **ret_reply, const char *format, ...)
{
    struct request request = { .script = -1 };
    va_list arguments;

    (void)shard;
    va_start(arguments, format);
    int size = redisvFormatCommand(&request.command, format, arguments);
    va_end(arguments);
    assert(size > 0);
    request.size = (size_t)size;
    return submit(store, &request, ret_reply);
}

static int script_index(const char *name)
{
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        if (strcmp(SCRIPTS[i].name, name) == 0)
            return (int)i;
    }
    abort(); /* a name that is misspelt in the source */
}

void script_begin(struct script_call *call, const char *script, int shard)
{
    call->script = script;
    call->shard = shard;
    call->count = 0;
    call->owner_at = -1;
}

void script_add(struct script_call *call, struct bytes argument)
{
    assert(call->count < SCRIPT_MAX_ARGUMENTS);
    call->arguments[call->count++] = argument;
}

void script_add_text(struct script_call *call, const char *text)
{
    script_add(call, (struct bytes){ text, strlen(text) });
}

void script_add_number(struct script_call *call, int64_t number)
{
    assert(call->count < SCRIPT_MAX_ARGUMENTS);
    char *text = call->numbers[call->count];
    int size = snprintf(text, sizeof(call->numbers[0]), "%" PRId64, number);
    script_add(call, (struct bytes){ text, (size_t)size });
}

void script_add_owner(struct script_call *call, const struct incarnation *owner)
{
    call->owner = *owner;
    keys_worker(owner, call->owner_hex);
    script_add(call, (struct bytes){ call->owner.bytes, sizeof(call->owner.bytes) });
    script_add(call, (struct bytes){ call->owner_hex, strlen(call->owner_hex) });
}

void script_add_self(struct redis_store *store, struct script_call *call)
{
    struct incarnation self = store_incarnation(store);

    call->owner_at = (int)call->count;
    script_add_owner(call, &self);
}

int store_call(struct redis_store *store, struct script_call *call, redisReply **ret_reply)
{
    struct request request = { .script = script_index(call->script), .call = call };

    format_script(store, &request);
    return submit(store, &request, ret_reply);
}
