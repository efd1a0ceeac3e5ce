/* SPDX-License-Identifier: Apache-2.0 */
#include "store/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis/rights.h"
#include "store/redis/store_internal.h"
#include "store/redis/topology.h"

/* A line `name:value` of INFO. */
static void read_info(const char *info, const char *name, char ret_value[static STORE_HEALTH_TEXT])
{
    AUTO_FREE char *wanted = xasprintf("\n%s:", name);
    const char *at = strstr(info, wanted);

    ret_value[0] = '\0';
    if (at != NULL) {
        at += strlen(wanted);
        (void)snprintf(ret_value, STORE_HEALTH_TEXT, "%.*s", (int)strcspn(at, "\r\n"), at);
    }
}

/* Older servers know the setting by another name. */
static long read_setting(struct link *link, const char *name, const char *older_name)
{
    const char *const names[] = { name, older_name };

    for (size_t i = 0; i < 2; i++) {
        AUTO_REPLY reply = redisCommand(link->redis, "CONFIG GET %s", names[i]);
        if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
            return strtol(reply->element[1]->str, NULL, 10);
    }
    return -1;
}

/* On a connection of its own: a command that is refused there is no fault of the store's. */
static void read_settings(struct redis_store *store, struct store_health *health)
{
    struct link link;

    health->zset_listpack_value = -1;
    health->hash_listpack_value = -1;
    if (store_open_link(store, 0, &link, NULL) != 0)
        return;
    health->zset_listpack_value = read_setting(&link, "zset-max-listpack-value", "zset-max-ziplist-value");
    health->hash_listpack_value = read_setting(&link, "hash-max-listpack-value", "hash-max-ziplist-value");
    link_close(&link);
}

/* Valkey's redis_version is that of the Redis that it is compatible with. */
static void read_product(const char *info, struct store_health *health)
{
    read_info(info, "valkey_version", health->version);
    health->product = health->version[0] != '\0' ? "Valkey" : "Redis";
    if (health->version[0] == '\0')
        read_info(info, "redis_version", health->version);
}

void store_health_read(const char *info, struct store_health *ret_health)
{
    char is_on[STORE_HEALTH_TEXT];

    read_product(info, ret_health);
    read_info(info, "aof_enabled", is_on);
    read_info(info, "aof_last_write_status", ret_health->append_status);
    read_info(info, "maxmemory_policy", ret_health->eviction);
    ret_health->has_append_only_file = strcmp(is_on, "1") == 0;
}

int store_health(struct redis_store *store, struct store_health *ret_health)
{
    AUTO_REPLY info = NULL;
    int status = store_commandf(store, 0, &info, "INFO");

    if (status != 0)
        return status;
    store_health_read(info->str != NULL ? info->str : "", ret_health);
    read_settings(store, ret_health);
    return 0;
}

/* The server that sentinels name; else the first of the URL. */
static int find_server(const struct redis_url *url, int64_t timeout_ms, struct redis_place *ret_place)
{
    if (url->kind == URL_SENTINEL)
        return topology_find(url, NULL, 0, 1, timeout_ms, ret_place, NULL);
    *ret_place = url->places[0];
    return 0;
}

char *store_rights_missing(const struct store_settings *settings)
{
    struct redis_url url;
    struct redis_place place;
    struct link link;
    char *missing = NULL;

    if (url_parse(settings->url, &url, NULL) != 0)
        return xstrdup("");
    if (find_server(&url, settings->timeout_ms, &place) == 0 && link_connect(&link, &url, &place, settings->timeout_ms, NULL) == 0) {
        missing = rights_missing(&link, &url, settings->prefix);
        link_close(&link);
    }
    url_done(&url);
    return missing != NULL ? missing : xstrdup("");
}
