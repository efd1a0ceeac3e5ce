/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/rights.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "store/redis/refusal.h"

#define TOLD_MOST 110 /* bytes of what is missing that an error has room for */

enum needed_by { NEEDED, NEEDED_IN_CLUSTER, NEEDED_FOR_DATABASE };

/* In the order of the alphabet. Redis counts words before it looks at rights: each is asked with as many keys (or
 * whatever words) as it takes. */
static const struct right {
    const char *command;
    const char *subcommand; /* NULL: none */
    int words;
    enum needed_by needed_by;
} RIGHTS[] = {
    { "client", "id", 0, NEEDED },
    { "client", "kill", 1, NEEDED },
    { "cluster", "info", 0, NEEDED_IN_CLUSTER },
    { "cluster", "slots", 0, NEEDED_IN_CLUSTER },
    { "eval", NULL, 2, NEEDED },
    { "evalsha", NULL, 2, NEEDED },
    { "exists", NULL, 1, NEEDED },
    { "expire", NULL, 2, NEEDED },
    { "get", NULL, 1, NEEDED },
    { "getrange", NULL, 3, NEEDED },
    { "hdel", NULL, 2, NEEDED },
    { "hexists", NULL, 2, NEEDED },
    { "hget", NULL, 2, NEEDED },
    { "hgetall", NULL, 1, NEEDED },
    { "hincrby", NULL, 3, NEEDED },
    { "hmget", NULL, 2, NEEDED },
    { "hscan", NULL, 2, NEEDED },
    { "hset", NULL, 3, NEEDED },
    { "hsetnx", NULL, 3, NEEDED },
    { "hvals", NULL, 1, NEEDED },
    { "info", NULL, 0, NEEDED },
    { "lrange", NULL, 3, NEEDED },
    { "persist", NULL, 1, NEEDED },
    { "pexpire", NULL, 2, NEEDED },
    { "pexpireat", NULL, 2, NEEDED },
    { "pttl", NULL, 1, NEEDED },
    { "rpush", NULL, 2, NEEDED },
    { "rpushx", NULL, 2, NEEDED },
    { "sadd", NULL, 2, NEEDED },
    { "scan", NULL, 1, NEEDED },
    { "scard", NULL, 1, NEEDED },
    { "script", "load", 1, NEEDED },
    { "select", NULL, 1, NEEDED_FOR_DATABASE },
    { "set", NULL, 2, NEEDED },
    { "setnx", NULL, 2, NEEDED },
    { "setrange", NULL, 3, NEEDED },
    { "sismember", NULL, 2, NEEDED },
    { "smembers", NULL, 1, NEEDED },
    { "spop", NULL, 1, NEEDED },
    { "srandmember", NULL, 1, NEEDED },
    { "srem", NULL, 2, NEEDED },
    { "strlen", NULL, 1, NEEDED },
    { "time", NULL, 0, NEEDED },
    { "unlink", NULL, 1, NEEDED },
    { "zadd", NULL, 3, NEEDED },
    { "zcard", NULL, 1, NEEDED },
    { "zcount", NULL, 3, NEEDED },
    { "zpopmin", NULL, 1, NEEDED },
    { "zrange", NULL, 3, NEEDED },
    { "zrangebylex", NULL, 3, NEEDED },
    { "zrangebyscore", NULL, 3, NEEDED },
    { "zrank", NULL, 2, NEEDED },
    { "zrem", NULL, 2, NEEDED },
    { "zremrangebyrank", NULL, 3, NEEDED },
    { "zremrangebyscore", NULL, 3, NEEDED },
    { "zrevrange", NULL, 3, NEEDED },
    { "zrevrangebyscore", NULL, 3, NEEDED },
    { "zscan", NULL, 2, NEEDED },
    { "zscore", NULL, 2, NEEDED },
};
#define WORDS_MOST 5

bool rights_know(const char *command)
{
    for (size_t i = 0; i < COUNT_OF(RIGHTS); i++) {
        if (strcasecmp(RIGHTS[i].command, command) == 0)
            return true;
    }
    return false;
}

static bool is_needed(const struct right *right, const struct redis_url *url)
{
    switch (right->needed_by) {
    case NEEDED:
        return true;
    case NEEDED_IN_CLUSTER:
        return url->kind == URL_CLUSTER;
    case NEEDED_FOR_DATABASE:
        return url->database != 0;
    }
    abort(); /* a need that there is not */
}

/* EVAL and EVALSHA take their key third, after how many there are: with none they are asked for the command alone. */
static void ask_for(struct link *link, const struct right *right, const char *key)
{
    const char *words[WORDS_MOST] = { right->command };
    bool is_script = strncmp(right->command, "eval", 4) == 0;
    int count = 1;

    if (right->subcommand != NULL)
        words[count++] = right->subcommand;
    for (int i = 0; i < right->words; i++)
        words[count++] = is_script ? "0" : key;
    if (redisAppendCommandArgv(link->redis, count, words, NULL) != REDIS_OK)
        abort();
}

static bool is_refused(const redisReply *reply, const char *what)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOPERM", 6) == 0 && strcasestr(reply->str, what) != NULL;
}

/* Takes ownership of `word`. */
static void add_word(char **words, char *word)
{
    AUTO_FREE char *before = *words;
    AUTO_FREE char *last = word;

    *words = xasprintf("%s%s%s", before, before[0] != '\0' ? " " : "", last);
}

static char *right_text(const struct right *right)
{
    const char *subcommand = right->subcommand;
    return xasprintf("+%s%s%s", right->command, subcommand != NULL ? "|" : "", subcommand != NULL ? subcommand : "");
}

/* Takes the reply to each; false: the link is lost. */
static bool hear_all(struct link *link, const struct redis_url *url, const char *prefix, char **missing)
{
    bool has_keys = true;

    for (size_t i = 0; i < COUNT_OF(RIGHTS); i++) {
        redisReply *answer = NULL;
        if (!is_needed(&RIGHTS[i], url))
            continue;
        if (redisGetReply(link->redis, (void **)&answer) != REDIS_OK)
            return false;
        AUTO_REPLY reply = answer;
        if (is_refused(reply, "command")) {
            add_word(missing, right_text(&RIGHTS[i]));
        } else if (is_refused(reply, "key") && has_keys) {
            add_word(missing, xasprintf("~%s{*", prefix));
            has_keys = false;
        }
    }
    return true;
}

static bool is_done(struct link *link, const char *command)
{
    AUTO_REPLY reply = redisCommand(link->redis, command);
    return reply != NULL && reply->type == REDIS_REPLY_STATUS;
}

char *rights_missing(struct link *link, const struct redis_url *url, const char *prefix)
{
    AUTO_FREE char *key = xasprintf("%s{0}:rights", prefix);
    char *missing = xstrdup("");

    if (!is_done(link, "MULTI"))
        return missing;
    for (size_t i = 0; i < COUNT_OF(RIGHTS); i++) {
        if (is_needed(&RIGHTS[i], url))
            ask_for(link, &RIGHTS[i], key);
    }
    if (!hear_all(link, url, prefix, &missing) || !is_done(link, "DISCARD"))
        missing[0] = '\0';
    return missing;
}

/* Asked with a key that no script of ours names either. Only what is said of it counts: a node that has another slot, or that loads, says
 * something else. */
static int check_undeclared(struct link *link, const char *prefix, struct error *ret_error)
{
    AUTO_FREE char *key = xasprintf("%s{0}:", prefix);
    AUTO_REPLY reply = redisCommand(link->redis, "EVAL %s 1 %s", "return redis.call('EXISTS', KEYS[1] .. 'rights')", key);

    if (reply == NULL || reply->type != REDIS_REPLY_ERROR || !refusal_wants_declared_keys(reply->str))
        return 0;
    return error_set(
        ret_error, EACCES,
        "Redis takes no script that finds its keys as it runs, as stepd's do: it has to allow undeclared keys (docs/platforms.md)");
}

/* Up to TOLD_MOST bytes of whole words. */
static int told_length(const char *missing)
{
    size_t length = strlen(missing);

    if (length <= TOLD_MOST)
        return (int)length;
    length = TOLD_MOST;
    while (length > 0 && missing[length] != ' ')
        length--;
    return (int)length;
}

int rights_check(struct link *link, const struct redis_url *url, const char *prefix, struct error *ret_error)
{
    AUTO_FREE char *missing = rights_missing(link, url, prefix);

    if (missing[0] == '\0')
        return check_undeclared(link, prefix, ret_error);
    int length = told_length(missing);
    return error_set(ret_error, EACCES, "Redis's access rules lack what stepd needs: ACL SETUSER %.30s %.*s%s",
                     url->user != NULL ? url->user : "default", length, missing, missing[length] != '\0' ? " … (docs/security.md)" : "");
}

int rights_check_at(const struct redis_place *place, const struct redis_url *url, const char *prefix, int64_t timeout_ms,
                    struct error *ret_error)
{
    struct link link;

    if (link_connect(&link, url, place, timeout_ms, NULL) != 0)
        return 0;
    int status = rights_check(&link, url, prefix, ret_error);
    link_close(&link);
    return status;
}
