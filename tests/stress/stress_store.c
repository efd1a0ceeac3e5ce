/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Store and timers against a redis-server whose links are killed and whose scripts are flushed all the time,
 * while this worker changes its name: every run that is parked comes back, and a stop ends all that waits. Beside them runs get checkpoints,
 * over links that the lanes lend.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/redis/store_internal.h"
#include "store/redis/timers.h"

#define SHARDS 4
#define PARKING 8
#define RUNS_EACH 250
#define PUSHING 3
#define CHECKPOINTS 6
#define RUNS (PARKING * RUNS_EACH)
#define PATIENCE_MS 120000

static struct redis_store *store;
static struct function function = { .id = "f", .event = "app/x" };
static atomic_bool is_over;
static atomic_bool came_back[RUNS];
static atomic_int back_count;

static void fail(const char *what)
{
    (void)fprintf(stderr, "stress_store: %s\n", what);
    abort();
}

/* ---- a taker of runs that has always room, and notes what it is given --------------------------------- */

static size_t room(struct run_taker *taker)
{
    (void)taker;
    return 100;
}

static void take_run(struct run_taker *taker, struct claimed *claimed)
{
    (void)taker;
    int64_t offset = claimed->run.event->view.offset;
    if (offset < RUNS && !atomic_exchange(&came_back[offset], true)) /* others are those of add_checkpoints() */
        back_count++;
    claimed->release(claimed);
}

static size_t reserve(struct run_taker *taker, const struct function *of, size_t max)
{
    (void)taker;
    (void)of;
    return max;
}

static void give_back(struct run_taker *taker, const struct function *of, size_t count)
{
    (void)taker;
    (void)of;
    (void)count;
}

static void see_line(struct run_taker *taker, const struct function *of)
{
    (void)taker;
    (void)of;
}

static void cancel(struct run_taker *taker, const char *run_id)
{
    (void)taker;
    (void)run_id;
}

static void see_queued(struct run_taker *taker, const struct function *of, int64_t change)
{
    (void)taker;
    (void)of;
    (void)change;
}

static const struct run_taker_ops RUN_TAKER_OPS = {
    .free_workers = room,
    .take_run = take_run,
    .reserve = reserve,
    .give_back = give_back,
    .see_line = see_line,
    .see_queued = see_queued,
    .cancel = cancel,
};
static struct run_taker taker = { &RUN_TAKER_OPS };

static const struct function *find_function(void *context, const char *id)
{
    (void)context;
    (void)id;
    return &function;
}

static void count(void *context, struct worker_counts *ret_counts)
{
    (void)context;
    *ret_counts = (struct worker_counts){ .runs_started = (uint64_t)back_count };
}

/* ---- the server ---------------------------------------------------------------------------------- */

static char folder[] = "/tmp/stepd-stress-XXXXXX";
static char address[64];

static redisContext *connect_server(void)
{
    for (int i = 0; i < 1000; i++) {
        redisContext *redis = redisConnectUnix(address);
        if (redis->err == 0)
            return redis;
        redisFree(redis);
        (void)usleep(10000);
    }
    fail("no redis-server");
    return NULL;
}

static pid_t start_server(void)
{
    if (mkdtemp(folder) == NULL)
        fail("no temp folder");
    (void)snprintf(address, sizeof(address), "%s/redis.sock", folder);
    pid_t server = fork();
    if (server != 0)
        return server;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", address, "--save", "", "--logfile", "/dev/null", (char *)NULL);
    _exit(127);
}

static void stop_server(pid_t server)
{
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
    (void)unlink(address);
    (void)rmdir(folder);
}

static void say(redisContext *redis, const char *command)
{
    void *reply = redisCommand(redis, command);
    if (reply != NULL)
        freeReplyObject(reply);
}

/* ---- who asks, and who disturbs ------------------------------------------------------------------ */

static struct event event_at(int64_t offset)
{
    return (struct event){
        .view = { .id = "e", .name = "app/x", .topic = "events", .offset = offset, .raw = "{\"name\":\"app/x\"}", .raw_len = 16 }
    };
}

/* Between two of them a lane mostly sleeps. */
static void add_checkpoints(int64_t offset)
{
    struct event event = event_at(offset);
    struct run run = { .function = &function, .event = &event, .id = run_id_of(&function, &event), .created_ms = 1, .first_epoch = 1 };
    struct store *port = store_port(store);
    struct transition_reply reply;

    for (size_t i = 0; i < CHECKPOINTS; i++) {
        const struct transition change = { .kind = TRANSITION_CHECKPOINT, .position = i, .checkpoint = { "result", 6 } };
        if (port->ops->advance(port, &run, &change, &reply) != 0)
            fail("a checkpoint could not be kept");
        if (reply.answer != STORE_OK)
            return; /* of a worker under another name */
        run.epoch = reply.epoch;
        run.owner = reply.owner;
        run.notes = reply.notes;
        (void)usleep(500);
    }
    if (port->ops->advance(port, &run, &(struct transition){ .kind = TRANSITION_FINISH }, &reply) != 0)
        fail("a run could not end");
}

static void *add_many(void *argument)
{
    for (int64_t offset = 2 * RUNS + (intptr_t)argument; !is_over; offset += PUSHING)
        add_checkpoints(offset);
    return NULL;
}

static int park(int64_t offset, int64_t delay_ms)
{
    struct event event = event_at(offset);
    struct run run = { .function = &function, .event = &event, .created_ms = 1, .first_epoch = 1 };
    const struct transition change = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .delay_ms = delay_ms };
    struct store *port = store_port(store);
    struct transition_reply reply;

    run.id = run_id_of(&function, &event);
    return port->ops->advance(port, &run, &change, &reply);
}

static void *park_many(void *argument)
{
    int64_t first = (intptr_t)argument;

    for (int64_t offset = first; offset < first + RUNS_EACH; offset++) {
        if (park(offset, offset % 50) != 0)
            fail("a run could not be parked");
    }
    return NULL;
}

static void *park_until_stopped(void *argument)
{
    int64_t offset = RUNS + (intptr_t)argument * 1000000;
    int status;

    while ((status = park(offset++, 3600000)) == 0)
        ;
    if (status != -ESHUTDOWN)
        fail("a stop was not answered");
    return NULL;
}

static void *disturb(void *argument)
{
    redisContext *redis = connect_server();

    (void)argument;
    while (!is_over) {
        say(redis, "CLIENT KILL TYPE normal SKIPME yes");
        say(redis, "SCRIPT FLUSH");
        (void)usleep(20000);
        for (int i = 0; i < 1000 && !is_over && !store_is_up(store); i++) /* a link that is always cut while it is made is none */
            (void)usleep(10000);
    }
    redisFree(redis);
    return NULL;
}

static void *rename_worker(void *argument)
{
    (void)argument;
    while (!is_over) {
        store_renew(store);
        (void)usleep(100000);
    }
    return NULL;
}

static void start(pthread_t *thread, void *(*body)(void *argument), intptr_t argument)
{
    if (pthread_create(thread, NULL, body, (void *)argument) != 0)
        fail("no thread");
}

static void park_and_wait(void)
{
    pthread_t threads[PARKING], pushing[PUSHING], disturbing, renaming;
    int64_t until_ms = clock_monotonic_ms() + PATIENCE_MS;

    start(&disturbing, disturb, 0);
    start(&renaming, rename_worker, 0);
    for (int i = 0; i < PUSHING; i++)
        start(&pushing[i], add_many, i);
    for (int i = 0; i < PARKING; i++)
        start(&threads[i], park_many, (intptr_t)i * RUNS_EACH);
    for (int i = 0; i < PARKING; i++)
        (void)pthread_join(threads[i], NULL);
    while (back_count < RUNS && clock_monotonic_ms() < until_ms)
        (void)usleep(10000);
    is_over = true;
    for (int i = 0; i < PUSHING; i++)
        (void)pthread_join(pushing[i], NULL);
    (void)pthread_join(disturbing, NULL);
    (void)pthread_join(renaming, NULL);
    if (back_count != RUNS)
        fail("runs did not come back");
}

static void stop_amid_calls(struct timers *timers)
{
    pthread_t threads[PARKING];

    for (int i = 0; i < PARKING; i++)
        start(&threads[i], park_until_stopped, i);
    (void)usleep(100000);
    timers_destroy(timers);
    store_stop(store);
    for (int i = 0; i < PARKING; i++)
        (void)pthread_join(threads[i], NULL);
}

int main(void)
{
    struct error error = { 0 };
    pid_t server = start_server();

    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    redisFree(connect_server());
    AUTO_FREE char *url = xasprintf("unix://%s", address);
    store = store_create(&(struct store_settings){ .url = url,
                                                   .prefix = "stress",
                                                   .shards = SHARDS,
                                                   .history_age_ms = 86400000,
                                                   .history_count = 1000,
                                                   .state_bytes = 1 << 20,
                                                   .lease_ms = 1000,
                                                   .timeout_ms = 2000 });
    if (store_start(store, &error) != 0)
        fail(error.text);
    struct timers *timers =
        timers_create(&(struct timers_settings){ .store = store, .runs = &taker, .find_function = find_function, .count = count });
    if (timers_start(timers, &error) != 0)
        fail(error.text);
    park_and_wait();
    stop_amid_calls(timers);
    store_destroy(store);
    stop_server(server);
    return EXIT_SUCCESS;
}
