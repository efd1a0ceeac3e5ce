/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/link.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* A part of a URL, %XX decoded. The caller frees. */
static char *url_part(const char *from, size_t size)
{
    char *part = xcalloc(size + 1, 1);
    size_t length = 0;

    for (size_t i = 0; i < size; i++) {
        int high = from[i] == '%' && i + 2 < size ? hex_digit(from[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(from[i + 2]) : -1;
        part[length++] = (char)(low >= 0 ? high << 4 | low : from[i]);
        i += low >= 0 ? 2 : 0;
    }
    return part;
}

/* "user:password@" or "password@" or ":password@"; returns what follows. */
static const char *parse_credentials(const char *at, struct link_address *address)
{
    const char *sign = strrchr(at, '@');
    const char *slash = strchr(at, '/');

    if (sign == NULL || (slash != NULL && sign > slash))
        return at;
    const char *colon = memchr(at, ':', (size_t)(sign - at));
    if (colon != NULL && colon > at)
        address->user = url_part(at, (size_t)(colon - at));
    const char *password = colon != NULL ? colon + 1 : at;
    address->password = url_part(password, (size_t)(sign - password));
    return sign + 1;
}

static int parse_number(const char *text, int limit, int *ret_number)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);

    if (end == text || *end != '\0' || number < 0 || number > limit)
        return -EINVAL;
    *ret_number = (int)number;
    return 0;
}

static int parse_unix(const char *at, struct link_address *address, struct error *ret_error)
{
    at = parse_credentials(at, address);
    const char *query = strchr(at, '?');
    address->path = url_part(at, query != NULL ? (size_t)(query - at) : strlen(at));
    if (address->path[0] != '/')
        return error_set(ret_error, EINVAL, "redis.url: unix:// wants an absolute path, as in unix:///run/redis/redis.sock");
    if (query != NULL && (!begins(query, "?db=") || parse_number(query + 4, 1 << 20, &address->database) != 0))
        return error_set(ret_error, EINVAL, "redis.url: only ?db=NUMBER may follow the path of unix://");
    return 0;
}

static int parse_tcp(const char *at, struct link_address *address, struct error *ret_error)
{
    at = parse_credentials(at, address);
    size_t size = strcspn(at, "/");
    char *place = url_part(at, size);
    const char *database = at + size;

    char *host_end = place[0] == '[' ? strchr(place, ']') : NULL;
    char *colon = strchr(host_end != NULL ? host_end : place, ':');
    int status = 0;
    if (colon != NULL) {
        *colon = '\0';
        status = parse_number(colon + 1, 65535, &address->port);
    }
    if (host_end != NULL) {
        *host_end = '\0';
        memmove(place, place + 1, strlen(place));
    }
    address->host = place[0] != '\0' ? place : xstrdup("localhost");
    if (place[0] == '\0')
        free(place);
    if (status != 0)
        return error_set(ret_error, EINVAL, "redis.url: the port is no number from 0 to 65535");
    if (database[0] == '/' && database[1] != '\0' && parse_number(database + 1, 1 << 20, &address->database) != 0)
        return error_set(ret_error, EINVAL, "redis.url: '%s' is no database number", database + 1);
    return 0;
}

int link_address_parse(const char *url, struct link_address *ret_address, struct error *ret_error)
{
    struct link_address address = { .port = 6379 };
    int status = 0;

    if (begins(url, "redis://"))
        status = parse_tcp(url + strlen("redis://"), &address, ret_error);
    else if (begins(url, "unix://"))
        status = parse_unix(url + strlen("unix://"), &address, ret_error);
    else if (begins(url, "rediss://"))
        status = error_set(ret_error, ENOTSUP, "redis.url: TLS (rediss://) is not yet supported by this build: use redis:// "
                           "through a TLS tunnel on this machine, such as stunnel");
    else if (begins(url, "redis+sentinel://") || begins(url, "redis+cluster://"))
        status = error_set(ret_error, ENOTSUP, "redis.url: Sentinel and Cluster are not yet supported by this build: "
                           "give one server as redis://HOST:PORT");
    else
        status = error_set(ret_error, EINVAL, "redis.url begins with none of redis:// and unix://");
    if (status != 0) {
        link_address_done(&address);
        return status;
    }
    *ret_address = address;
    return 0;
}

void link_address_done(struct link_address *address)
{
    free(address->host);
    free(address->path);
    free(address->user);
    free(address->password);
    *address = (struct link_address){ 0 };
}

static struct timeval timeval_of(int64_t ms)
{
    return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

/* An answer that a person must act on, not one that time heals. */
static bool is_refusal(const char *text)
{
    return begins(text, "NOAUTH") || begins(text, "WRONGPASS") || begins(text, "NOPERM") ||
           strstr(text, "invalid password") != NULL || strstr(text, "DB index") != NULL ||
           strstr(text, "without any password configured") != NULL;
}

static int expect_reply(struct link *link, redisReply **ret_reply, struct error *ret_error)
{
    redisReply *reply = NULL;

    if (redisGetReply(link->redis, (void **)&reply) != REDIS_OK)
        return error_set(ret_error, EAGAIN, "Redis: %s", link->redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR) {
        int code = is_refusal(reply->str) ? EACCES : EAGAIN;
        int status = error_set(ret_error, code, "Redis says: %.160s", reply->str);
        freeReplyObject(reply);
        return status;
    }
    *ret_reply = reply;
    return 0;
}

static int login(struct link *link, const struct link_address *address, struct error *ret_error)
{
    AUTO_REPLY auth = NULL;
    AUTO_REPLY selected = NULL;

    if (address->password != NULL) {
        if (address->user != NULL)
            redisAppendCommand(link->redis, "AUTH %s %s", address->user, address->password);
        else
            redisAppendCommand(link->redis, "AUTH %s", address->password);
        int status = expect_reply(link, &auth, ret_error);
        if (status != 0)
            return status;
    }
    if (address->database == 0)
        return 0;
    redisAppendCommand(link->redis, "SELECT %d", address->database);
    return expect_reply(link, &selected, ret_error);
}

static int identify(struct link *link, struct error *ret_error)
{
    AUTO_REPLY info = NULL;
    AUTO_REPLY client = NULL;

    redisAppendCommand(link->redis, "INFO server");
    int status = expect_reply(link, &info, ret_error);
    if (status != 0)
        return status;
    const char *at = info->type == REDIS_REPLY_STRING ? strstr(info->str, "\nrun_id:") : NULL;
    if (at == NULL)
        return error_set(ret_error, EAGAIN, "Redis: INFO tells no run_id");
    (void)snprintf(link->run_id, sizeof(link->run_id), "%.*s", (int)strcspn(at + 8, "\r\n"), at + 8);

    redisAppendCommand(link->redis, "CLIENT ID");
    status = expect_reply(link, &client, ret_error);
    if (status == 0)
        link->client_id = client->integer;
    return status;
}

int link_open(struct link *link, const struct link_address *address, int64_t timeout_ms, struct error *ret_error)
{
    struct timeval timeout = timeval_of(timeout_ms);

    *link = (struct link){ 0 };
    link->redis = address->path != NULL ? redisConnectUnixWithTimeout(address->path, timeout)
                                        : redisConnectWithTimeout(address->host, address->port, timeout);
    if (link->redis == NULL)
        abort();
    int status = 0;
    if (link->redis->err != 0)
        status = address->path != NULL
            ? error_set(ret_error, EAGAIN, "can't reach Redis at %s: %s", address->path, link->redis->errstr)
            : error_set(ret_error, EAGAIN, "can't reach Redis at %s:%d: %s", address->host, address->port, link->redis->errstr);
    if (status == 0) {
        (void)redisSetTimeout(link->redis, timeout);
        if (address->host != NULL)
            (void)redisEnableKeepAlive(link->redis);
        status = login(link, address, ret_error);
    }
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

void link_cut_off(struct link *link, const struct link *earlier)
{
    if (earlier->client_id == 0 || strcmp(link->run_id, earlier->run_id) != 0)
        return;
    AUTO_REPLY reply = redisCommand(link->redis, "CLIENT KILL ID %lld", (long long)earlier->client_id);
    (void)reply; /* 0 when it had noticed by itself */
}
