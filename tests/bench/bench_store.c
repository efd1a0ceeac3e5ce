/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What durable steps cost: runs of 10 steps with results of 100 B through the store, by as many threads
 * as workers, beside a bare script that writes as much, pipelined by 32 over one connection. Both on a
 * private redis-server, append-only every second, in rounds one after another.
 *
 * Then what each transition costs, 20,000 of each, and what a run that waits takes of Redis's memory.
 *
 *   bench_store [THREADS [ROUNDS]]
 */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "store/redis/store_internal.h"

#define SECONDS_NS INT64_C(1500000000)
#define PIPELINE 32
#define STEPS 10

static char folder[] = "/tmp/stepd-bench-XXXXXX";
static char socket_path[64];
static atomic_bool is_over;
static atomic_long checkpoints;

static pid_t start_server(void)
{
    (void)snprintf(socket_path, sizeof(socket_path), "%s/redis.sock", folder);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_path, "--dir", folder, "--save", "", "--appendonly", "yes",
           "--appendfsync", "everysec", "--zset-max-listpack-value", "512", "--logfile", "redis.log", (char *)NULL);
    _exit(127);
}

static redisContext *connect_raw(void)
{
    for (int i = 0; i < 500; i++) {
        redisContext *redis = redisConnectUnix(socket_path);
        if (redis->err == 0)
            return redis;
        redisFree(redis);
        (void)usleep(10000);
    }
    (void)fprintf(stderr, "redis-server did not start\n");
    exit(1);
}

static void ask(redisContext *redis, const char *command)
{
    freeReplyObject(redisCommand(redis, command));
}

/* CPU that the server has used, and this process; s. */
struct cpu {
    double server, self;
};

static double info_number(const char *info, const char *name)
{
    const char *at = strstr(info, name);
    return at != NULL ? strtod(at + strlen(name), NULL) : 0;
}

static struct cpu cpu_now(redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "INFO cpu");
    struct rusage usage;
    struct cpu cpu = { .server =
                           info_number(reply->str, "used_cpu_user_main_thread:") + info_number(reply->str, "used_cpu_sys_main_thread:") };

    (void)getrusage(RUSAGE_SELF, &usage);
    cpu.self = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    freeReplyObject(reply);
    return cpu;
}

static void report(redisContext *redis, const char *what, int64_t start_ns, const struct cpu *start, double count)
{
    double s = (double)(clock_monotonic_ns() - start_ns) / 1e9;
    struct cpu now = cpu_now(redis);

    printf("%-28s %7.0f/s   CPU of Redis %5.1f us, of the client %5.1f us\n", what, count / s, (now.server - start->server) / count * 1e6,
           (now.self - start->self) / count * 1e6);
}

/* By what is kept, not by what is on its way to the disk and to clients. */
static double bytes_used(redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "INFO memory");
    double bytes = info_number(reply->str, "\nused_memory:") - info_number(reply->str, "\nmem_aof_buffer:") -
                   info_number(reply->str, "\nmem_clients_normal:");

    freeReplyObject(reply);
    return bytes;
}

/* ---- the floor ---------------------------------------------------------------------------------- */

static const char FLOOR[] = "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2]) redis.call('SETRANGE', KEYS[2], 0, ARGV[3]) return 1";

static void measure_floor(redisContext *redis)
{
    struct cpu cpu = cpu_now(redis);
    char result[100], header[64];
    redisReply *reply = redisCommand(redis, "SCRIPT LOAD %s", FLOOR);
    AUTO_FREE char *sha = xstrdup(reply->str);
    long done = 0;

    freeReplyObject(reply);
    memset(result, 'r', sizeof(result));
    memset(header, 'h', sizeof(header));
    int64_t start_ns = clock_monotonic_ns();
    while (clock_monotonic_ns() - start_ns < SECONDS_NS) {
        for (int i = 0; i < PIPELINE; i++, done++) {
            (void)memcpy(result, &done, sizeof(done));
            redisAppendCommand(redis, "EVALSHA %s 2 floor:steps:%ld floor:run:%ld %ld %b %b", sha, done / STEPS, done / STEPS, done % STEPS,
                               result, sizeof(result), header, sizeof(header));
        }
        for (int i = 0; i < PIPELINE; i++) {
            if (redisGetReply(redis, (void **)&reply) != REDIS_OK || reply->type == REDIS_REPLY_ERROR)
                exit(1);
            freeReplyObject(reply);
        }
    }
    report(redis, "bare script, 32 at once", start_ns, &cpu, (double)done);
}

/* ---- the store ---------------------------------------------------------------------------------- */

static void advance(struct store *port, struct run *run, const struct transition *change)
{
    struct transition_reply reply;

    if (port->ops->advance(port, run, change, &reply) != 0 || reply.answer != STORE_OK)
        abort();
    run->epoch = reply.epoch;
    run->owner = reply.owner;
    run->notes = reply.notes;
}

struct worker {
    struct store *port;
    int64_t offset;
    pthread_t thread;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    char value[200], result[100];
    const struct function function = { .id = "user-weekly-digest" };

    memset(value, 'v', sizeof(value));
    memset(result, 'r', sizeof(result));
    for (; !is_over; worker->offset++) {
        struct event event = { .view = {
                                   .topic = "events", .partition = 3, .offset = worker->offset, .raw = value, .raw_len = sizeof(value) } };
        struct run run = { .function = &function, .event = &event, .created_ms = 1700000000000, .first_epoch = 1 };
        run.id = run_id_of(&function, &event);
        for (size_t step = 0; step < STEPS; step++) {
            result[0] = (char)step;
            advance(worker->port, &run,
                    &(struct transition){ .kind = TRANSITION_CHECKPOINT, .position = step, .checkpoint = { result, sizeof(result) } });
            atomic_fetch_add_explicit(&checkpoints, 1, memory_order_relaxed);
        }
        advance(worker->port, &run, &(struct transition){ .kind = TRANSITION_FINISH });
    }
    return NULL;
}

static void measure_store(redisContext *redis, struct redis_store *store, struct worker *workers, int count)
{
    struct cpu cpu = cpu_now(redis);

    is_over = false;
    checkpoints = 0;
    int64_t start_ns = clock_monotonic_ns();
    for (int i = 0; i < count; i++) {
        workers[i].port = store_port(store);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            abort();
    }
    while (clock_monotonic_ns() - start_ns < SECONDS_NS)
        (void)usleep(10000);
    is_over = true;
    for (int i = 0; i < count; i++)
        (void)pthread_join(workers[i].thread, NULL);
    report(redis, "steps", start_ns, &cpu, (double)checkpoints);
}

/* ---- one transition after another ---------------------------------------------------------------- */

#define RUNS 20000
static atomic_long next_run;
static struct run runs[RUNS];
static struct event events[RUNS];
static const struct transition *current;
static const struct function measured = { .id = "user-weekly-digest" };

static void *change_each(void *port)
{
    for (long i; (i = atomic_fetch_add(&next_run, 1)) < RUNS;)
        advance(port, &runs[i], current);
    return NULL;
}

static void measure_change(redisContext *redis, struct redis_store *store, const char *what, const struct transition *change, int threads)
{
    pthread_t *ids = xcalloc((size_t)threads, sizeof(*ids));

    struct cpu cpu = cpu_now(redis);

    current = change;
    next_run = 0;
    int64_t start_ns = clock_monotonic_ns();
    for (int i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, change_each, store_port(store)) != 0)
            abort();
    }
    for (int i = 0; i < threads; i++)
        (void)pthread_join(ids[i], NULL);
    report(redis, what, start_ns, &cpu, RUNS);
    free(ids);
}

static void begin_runs(void)
{
    static char value[200];

    for (int i = 0; i < RUNS; i++) {
        events[i] = (struct event){ .view = { .topic = "events", .partition = 3, .offset = i, .raw = value, .raw_len = sizeof(value) } };
        runs[i] = (struct run){ .function = &measured, .event = &events[i], .created_ms = 1700000000000, .first_epoch = 1 };
        runs[i].id = run_id_of(&measured, &events[i]);
    }
}

static void measure_claims(redisContext *redis, struct redis_store *store)
{
    struct script_call call;
    long claimed = 0;

    script_begin(&call, "heartbeat", 0);
    script_add_self(store, &call);
    script_add_text(&call, "1");
    script_add_number(&call, 60000);
    script_add_text(&call, "");
    script_add_text(&call, "runs_started");
    script_add_number(&call, 0);
    redisReply *reply = NULL;
    if (store_call(store, &call, &reply) != 0)
        abort();
    freeReplyObject(reply);
    struct cpu cpu = cpu_now(redis);
    int64_t start_ns = clock_monotonic_ns();
    for (int serial = 1; claimed < RUNS; serial++) {
        script_begin(&call, "claim", 0);
        script_add_self(store, &call);
        script_add_number(&call, serial);
        script_add_number(&call, 10);
        if (store_call(store, &call, &reply) != 0)
            abort();
        claimed += (long)reply->element[3]->elements;
        freeReplyObject(reply);
    }
    report(redis, "claim, in tens", start_ns, &cpu, RUNS);
    struct incarnation self = store_incarnation(store);
    for (int i = 0; i < RUNS; i++) {
        runs[i].epoch++;
        runs[i].owner = self;
    }
}

static void measure_transitions(redisContext *redis, struct redis_store *store, int threads)
{
    static const char result[100] = "result";
    const struct transition take = { .kind = TRANSITION_CHECKPOINT, .checkpoint = { result, sizeof(result) } };
    const struct transition next = { .kind = TRANSITION_CHECKPOINT, .position = 1, .checkpoint = { result + 1, sizeof(result) - 1 } };
    const struct transition park = { .kind = TRANSITION_PARK, .status = RUN_DELAYED, .attempt = 1, .tail = { result, 60 } };
    const struct transition finish = { .kind = TRANSITION_FINISH, .tail = { result, 60 } };

    ask(redis, "FLUSHALL");
    begin_runs();
    double before = bytes_used(redis);
    measure_change(redis, store, "park at once", &park, threads);
    printf("%-28s %7.0f B\n", "a waiting run, event of 200 B", (bytes_used(redis) - before) / RUNS);
    ask(redis, "FLUSHALL");
    begin_runs();
    measure_change(redis, store, "take", &take, threads);
    measure_change(redis, store, "checkpoint", &next, threads);
    measure_change(redis, store, "park", &park, threads);
    measure_claims(redis, store);
    measure_change(redis, store, "finish", &finish, threads);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 32;
    int rounds = argc > 2 ? atoi(argv[2]) : 3;
    struct error error = { 0 };

    if (mkdtemp(folder) == NULL || threads < 1)
        return 1;
    pid_t server = start_server();
    redisContext *redis = connect_raw();
    AUTO_FREE char *url = xasprintf("unix://%s", socket_path);
    struct redis_store *store = store_create(&(struct store_settings){
        .url = url,
        .prefix = "bench",
        .shards = 1,
        .history = HISTORY_FAILURES,
        .history_age_ms = 86400000,
        .history_count = 1000,
        .state_bytes = 32 << 20,
        .lease_ms = 60000,
        .timeout_ms = 3000,
    });
    if (store_start(store, &error) != 0) {
        (void)fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    struct worker *workers = xcalloc((size_t)threads, sizeof(*workers));
    for (int i = 0; i < threads; i++)
        workers[i].offset = i * INT64_C(1000000000);
    for (int round = 0; round < rounds; round++) {
        ask(redis, "FLUSHALL");
        measure_floor(redis);
        ask(redis, "FLUSHALL");
        measure_store(redis, store, workers, threads);
    }
    measure_transitions(redis, store, threads);
    store_destroy(store);
    redisFree(redis);
    free(workers);
    (void)kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
    AUTO_FREE char *remove = xasprintf("rm -rf %s", folder);
    return system(remove);
}
