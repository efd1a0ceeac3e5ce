/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/pulse.h"
#include "store/redis/homes.h"
#include "store/redis/wire.h"

/* A request that its caller waits for. */
struct awaited {
    struct request request; /* first */
    sem_t done;
};

static_assert(offsetof(struct awaited, request) == 0, "post() is given the request");

static void post(struct request *request)
{
    (void)sem_post(&((struct awaited *)request)->done);
}

/* What it is answered is its end, whatever that is (request.h). */
static bool may_ask_itself(const struct request *request)
{
    return request->only_as != NULL;
}

static int await(struct redis_store *store, struct awaited *awaited, redisReply **ret_reply)
{
    awaited->request.done = post;
    (void)sem_init(&awaited->done, 0, 0);
    pulse_rest_here(); /* the lane answers for it */
    if (!may_ask_itself(&awaited->request) || !homes_ask(store_homes(store), &awaited->request))
        homes_route(store_homes(store), &awaited->request);
    while (sem_wait(&awaited->done) != 0)
        assert(errno == EINTR);
    pulse_beat_here();
    (void)sem_destroy(&awaited->done);
    if (awaited->request.status == 0)
        *ret_reply = awaited->request.reply;
    return awaited->request.status;
}

int store_command(struct redis_store *store, int shard, size_t count, const struct bytes *words, redisReply **ret_reply)
{
    struct awaited awaited = { .request = { .script = -1, .shard = shard } };
    AUTO_FREE const char **texts = xcalloc(count, sizeof(*texts));
    AUTO_FREE size_t *sizes = xcalloc(count, sizeof(*sizes));

    assert(count > 0 && shard >= 0 && shard < store_shards(store));
    for (size_t i = 0; i < count; i++) {
        texts[i] = words[i].size != 0 ? words[i].data : "";
        sizes[i] = words[i].size;
    }
    long long size = redisFormatCommandArgv(&awaited.request.command, (int)count, texts, sizes);
    if (size < 0)
        abort();
    awaited.request.size = (size_t)size;
    return await(store, &awaited, ret_reply);
}

int store_commandf(struct redis_store *store, int shard, redisReply **ret_reply, const char *format, ...)
{
    struct awaited awaited = { .request = { .script = -1, .shard = shard } };
    va_list arguments;

    va_start(arguments, format);
    int size = redisvFormatCommand(&awaited.request.command, format, arguments);
    va_end(arguments);
    assert(size > 0);
    awaited.request.size = (size_t)size;
    return await(store, &awaited, ret_reply);
}

/* "RPUSHX key bytes" as it goes over the wire; the caller frees. */
static char *format_push(const char *prefix, const char *key, struct bytes bytes, size_t *ret_size)
{
    const struct bytes parts[2] = { { prefix, strlen(prefix) }, { key, strlen(key) } };
    char *command = xmalloc(4 * WIRE_WORD_MOST + strlen("RPUSHX") + parts[0].size + parts[1].size + bytes.size);

    char *at = wire_put(wire_put_count(command, 3), (struct bytes){ "RPUSHX", 6 });
    at = wire_put(wire_put_joined(at, parts[0], parts[1]), bytes);
    *ret_size = (size_t)(at - command);
    return command;
}

int store_push(struct redis_store *store, int shard, const char *key, struct bytes bytes, const struct incarnation *only_as,
               int64_t *ret_length)
{
    struct awaited awaited = { .request = { .script = -1, .shard = shard, .only_as = only_as } };
    AUTO_REPLY reply = NULL;

    if (!store_is_self(store, only_as))
        return -EAGAIN;
    awaited.request.command = format_push(store_prefix(store, shard), key, bytes, &awaited.request.size);
    int status = await(store, &awaited, &reply);
    if (status == 0)
        *ret_length = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    return status;
}

void script_add_self(struct redis_store *store, struct script_call *call)
{
    struct incarnation self = store_incarnation(store);

    script_add_self_as(call, &self);
}

static struct request request_of(struct redis_store *store, struct script_call *call)
{
    struct request request = { .script = call->script, .call = call, .shard = call->shard };

    request.size = script_size(call, store_prefix(store, call->shard));
    return request;
}

int store_call(struct redis_store *store, struct script_call *call, redisReply **ret_reply)
{
    struct awaited awaited = { .request = request_of(store, call) };

    return await(store, &awaited, ret_reply);
}

void store_call_later(struct redis_store *store, struct script_call *call, struct request *request, void (*done)(struct request *request))
{
    *request = request_of(store, call);
    request->done = done;
    if (call->group == GROUP_NONE)
        request->command = script_format(call, store_prefix(store, call->shard), &request->size, &request->sha_at);
    homes_route(store_homes(store), request);
}
