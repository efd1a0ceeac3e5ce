/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/link.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <xxhash.h>

#include "store/redis/tls.h"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* An answer that a person must act on, not one that time heals. */
static bool is_refusal(const char *text)
{
    return begins(text, "NOAUTH") || begins(text, "WRONGPASS") || begins(text, "NOPERM") || strstr(text, "invalid password") != NULL ||
           strstr(text, "DB index") != NULL || strstr(text, "without any password configured") != NULL;
}

static int check_reply(struct link *link, redisReply *reply, redisReply **ret_reply, struct error *ret_error)
{
    if (reply == NULL)
        return error_set(ret_error, EAGAIN, "Redis: %s", link->redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR) {
        int status = error_set(ret_error, is_refusal(reply->str) ? EACCES : EAGAIN, "Redis says: %.160s", reply->str);
        freeReplyObject(reply);
        return status;
    }
    *ret_reply = reply;
    return 0;
}

int link_ask(struct link *link, redisReply **ret_reply, struct error *ret_error, const char *format, ...)
{
    va_list arguments;

    assert(link->redis != NULL);
    va_start(arguments, format);
    redisReply *reply = redisvCommand(link->redis, format, arguments);
    va_end(arguments);
    return check_reply(link, reply, ret_reply, ret_error);
}

int link_hear(struct link *link, redisReply **ret_reply, struct error *ret_error)
{
    void *reply = NULL;

    assert(link->redis != NULL);
    (void)redisGetReply(link->redis, &reply);
    return check_reply(link, reply, ret_reply, ret_error);
}

/* ---- opening ----------------------------------------------------------------------------------- */

static struct timeval timeval_of(int64_t ms)
{
    return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

static int reach(struct link *link, const struct redis_url *url, const struct redis_place *place, int64_t timeout_ms,
                 struct error *ret_error)
{
    struct timeval timeout = timeval_of(timeout_ms);
    char where[PLACE_TEXT_SIZE];

    link->redis =
        place->port == 0 ? redisConnectUnixWithTimeout(place->name, timeout) : redisConnectWithTimeout(place->name, place->port, timeout);
    if (link->redis == NULL)
        abort();
    if (link->redis->err != 0)
        return error_set(ret_error, EAGAIN, "can't reach Redis at %s: %s", place_text(place, where), link->redis->errstr);
    (void)redisSetTimeout(link->redis, timeout);
    if (place->port != 0)
        (void)redisEnableKeepAlive(link->redis);
    return url->has_tls ? tls_begin(link->redis, place->name, ret_error) : 0;
}

static int login(struct link *link, const struct redis_url *url, struct error *ret_error)
{
    AUTO_REPLY reply = NULL;

    if (url->password == NULL)
        return 0;
    if (url->user != NULL)
        return link_ask(link, &reply, ret_error, "AUTH %s %s", url->user, url->password);
    return link_ask(link, &reply, ret_error, "AUTH %s", url->password);
}

/* What stands behind "name:" in a reply to INFO; false: it is not told. */
static bool read_info(const char *info, const char *name, char *ret_value, size_t size)
{
    AUTO_FREE char *wanted = xasprintf("\n%s:", name);
    const char *at = strstr(info, wanted);

    if (at == NULL)
        return false;
    at += strlen(wanted);
    (void)snprintf(ret_value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    return true;
}

static bool info_is(const char *info, const char *name, const char *value)
{
    char told[48];
    return read_info(info, name, told, sizeof(told)) && strcmp(told, value) == 0;
}

static void learn_identity(struct link *link, const char *info)
{
    char history[64] = "";
    char replicas[16] = "0", wanted[16] = "0";

    (void)read_info(info, "master_replid", history, sizeof(history));
    link->lineage = XXH3_64bits_withSeed(history, strlen(history), XXH3_64bits(link->run_id, strlen(link->run_id))) | 1;
    link->is_replica = info_is(info, "role", "slave");
    link->is_cluster_node = info_is(info, "cluster_enabled", "1");
    /* While it reads its file it does not write it. */
    link->is_append_only = info_is(info, "loading", "1") || !info_is(info, "aof_enabled", "0");
    link->evicts = strstr(info, "\nmaxmemory_policy:") != NULL && !info_is(info, "maxmemory_policy", "noeviction");
    link->trusts_replicas = read_info(info, "connected_slaves", replicas, sizeof(replicas)) && strcmp(replicas, "0") != 0 &&
                            !read_info(info, "min_slaves_good_slaves", wanted, sizeof(wanted));
}

static int identify(struct link *link, struct error *ret_error)
{
    AUTO_REPLY info = NULL;
    AUTO_REPLY client = NULL;

    int status = link_ask(link, &info, ret_error, "INFO");
    if (status != 0)
        return status;
    if (info->type != REDIS_REPLY_STRING || !read_info(info->str, "run_id", link->run_id, sizeof(link->run_id)))
        return error_set(ret_error, EAGAIN, "Redis: INFO tells no run_id");
    learn_identity(link, info->str);
    status = link_ask(link, &client, ret_error, "CLIENT ID");
    if (status == 0)
        link->client_id = client->integer;
    return status;
}

int link_connect(struct link *link, const struct redis_url *url, const struct redis_place *place, int64_t timeout_ms,
                 struct error *ret_error)
{
    *link = (struct link){ 0 };
    int status = reach(link, url, place, timeout_ms, ret_error);
    if (status == 0)
        status = login(link, url, ret_error);
    if (status != 0)
        link_close(link);
    return status;
}

static int select_database(struct link *link, const struct redis_url *url, struct error *ret_error)
{
    AUTO_REPLY reply = NULL;
    return url->database == 0 ? 0 : link_ask(link, &reply, ret_error, "SELECT %d", url->database);
}

int link_open(struct link *link, const struct redis_url *url, const struct redis_place *place, int64_t timeout_ms, struct error *ret_error)
{
    int status = link_connect(link, url, place, timeout_ms, ret_error);
    if (status != 0)
        return status;
    status = select_database(link, url, ret_error);
    if (status == 0)
        status = identify(link, ret_error);
    if (status != 0)
        link_close(link);
    return status;
}

void link_close(struct link *link)
{
    if (link->redis != NULL)
        redisFree(link->redis);
    link->redis = NULL;
}

int link_cut_off(struct link *link, const struct link *earlier, struct error *ret_error)
{
    if (earlier->client_id == 0 || strcmp(link->run_id, earlier->run_id) != 0)
        return 0;
    AUTO_REPLY reply = NULL; /* 0 when it had noticed by itself */
    return link_ask(link, &reply, ret_error, "CLIENT KILL ID %lld", (long long)earlier->client_id);
}

void link_stop_blocking(struct link *link)
{
    int flags = fcntl(link->redis->fd, F_GETFL);

    if (flags < 0 || fcntl(link->redis->fd, F_SETFL, flags | O_NONBLOCK) != 0)
        abort();
    link->redis->flags &= ~REDIS_BLOCK;
}
