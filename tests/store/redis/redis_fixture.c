/* SPDX-License-Identifier: Apache-2.0 */
#include "redis_fixture.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void launch(struct redis_fixture *fixture)
{
    fixture->server = fork();
    cr_assert(fixture->server >= 0);
    if (fixture->server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", fixture->socket, "--dir", fixture->folder, "--save", "",
               "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning", "--logfile", "redis.log", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 6000; i++) {
        redisContext *redis = redisConnectUnix(fixture->socket);
        redisReply *reply = redis->err == 0 ? redisCommand(redis, "PING") : NULL;
        bool is_ready = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        if (reply != NULL)
            freeReplyObject(reply);
        redisFree(redis);
        if (is_ready)
            return;
        (void)usleep(10000);
    }
    cr_assert_fail("redis-server did not start: see %s/redis.log", fixture->folder);
}

void redis_fixture_start(struct redis_fixture *fixture)
{
    *fixture = (struct redis_fixture){ .folder = "/tmp/stepd-redis-XXXXXX" };
    (void)signal(SIGPIPE, SIG_IGN); /* as in the daemon */
    cr_assert_not_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->socket, sizeof(fixture->socket), "%s/redis.sock", fixture->folder);
    (void)snprintf(fixture->url, sizeof(fixture->url), "unix://%s", fixture->socket);
    launch(fixture);
}

void redis_fixture_kill(struct redis_fixture *fixture)
{
    if (fixture->server <= 0)
        return;
    (void)kill(fixture->server, SIGKILL);
    (void)waitpid(fixture->server, NULL, 0);
    fixture->server = 0;
}

void redis_fixture_restart(struct redis_fixture *fixture)
{
    redis_fixture_kill(fixture);
    launch(fixture);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void redis_fixture_stop(struct redis_fixture *fixture)
{
    store_destroy(fixture->store);
    fixture->store = NULL;
    redis_fixture_kill(fixture);
    (void)nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void count_incarnation(void *context, bool is_rollback)
{
    struct redis_fixture *fixture = context;

    fixture->new_incarnations++;
    fixture->rollbacks += is_rollback;
}

struct store_settings redis_fixture_settings(struct redis_fixture *fixture)
{
    return (struct store_settings){
        .url = fixture->url,
        .prefix = "t",
        .shards = 1,
        .history = HISTORY_FAILURES,
        .history_age_ms = 86400000,
        .history_count = 100000,
        .state_bytes = 1 << 20,
        .lease_ms = 5000,
        .timeout_ms = 1000,
        .on_new_incarnation = count_incarnation,
        .context = fixture,
    };
}

struct redis_store *redis_fixture_open_with(const struct store_settings *settings)
{
    struct error error = { 0 };
    struct redis_store *store = store_create(settings);

    cr_assert_eq(store_start(store, &error), 0, "%s", error.text);
    return store;
}

struct redis_store *redis_fixture_open(struct redis_fixture *fixture)
{
    struct store_settings settings = redis_fixture_settings(fixture);

    fixture->store = redis_fixture_open_with(&settings);
    return fixture->store;
}

static void append(char *text, size_t size, const redisReply *reply)
{
    size_t length = strlen(text);

    if (reply->type == REDIS_REPLY_INTEGER) {
        (void)snprintf(text + length, size - length, "%lld", reply->integer);
    } else if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS) {
        (void)snprintf(text + length, size - length, "%s", reply->str);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        for (size_t i = 0; i < reply->elements; i++) {
            length = strlen(text);
            if (i > 0)
                (void)snprintf(text + length, size - length, " ");
            append(text, size, reply->element[i]);
        }
    }
}

const char *redis_says(struct redis_store *store, const char *format, ...)
{
    static char text[8192];
    struct bytes words[16];
    size_t count = 0;
    va_list arguments;

    va_start(arguments, format);
    AUTO_FREE char *command = xvasprintf(format, arguments);
    va_end(arguments);
    for (char *word = strtok(command, " "); word != NULL && count < 16; word = strtok(NULL, " "))
        words[count++] = (struct bytes){ word, strlen(word) };
    AUTO_REPLY reply = NULL;
    cr_assert_eq(store_command(store, 0, count, words, &reply), 0, "%s", format);
    text[0] = '\0';
    append(text, sizeof(text), reply);
    return text;
}

bool redis_comes_to_say(struct redis_store *store, const char *wanted, const char *command)
{
    for (int i = 0; i < 6000 && strcmp(redis_says(store, "%s", command), wanted) != 0; i++)
        (void)usleep(10000);
    return strcmp(redis_says(store, "%s", command), wanted) == 0;
}

void sample_init(struct sample *sample, int64_t offset)
{
    *sample = (struct sample){
        .function = { .id = "f", .event = "app/x" },
        .event = {
            .view = { .id = "e", .name = "app/x", .topic = "events", .partition = 3, .offset = offset,
                      .raw = "{\"name\":\"app/x\"}", .raw_len = 16 },
            .timestamp_ms = 1700000000000 + offset,
        },
    };
    sample->run.function = &sample->function;
    sample->run.event = &sample->event;
    sample->run.created_ms = sample->event.timestamp_ms;
    sample->run.first_epoch = 1;
    sample->run.id = run_id_of(&sample->function, &sample->event);
}

void sample_init_ordered(struct sample *sample, int64_t offset, const char *key)
{
    sample_init(sample, offset);
    sample->function.ordering = STEPD_BY_KEY;
    sample->event.view.key = key;
    sample->event.view.key_len = strlen(key);
    sample->run.id = run_id_of(&sample->function, &sample->event);
}

void redis_fixture_beat(struct redis_fixture *fixture)
{
    struct script_call call;
    AUTO_REPLY reply = NULL;

    script_begin(&call, "heartbeat", 0);
    script_add_self(fixture->store, &call);
    script_add_text(&call, "1");
    script_add_number(&call, 60000);
    script_add_text(&call, "");
    script_add_text(&call, "runs_started");
    script_add_number(&call, 0);
    cr_assert_eq(store_call(fixture->store, &call, &reply), 0);
}
