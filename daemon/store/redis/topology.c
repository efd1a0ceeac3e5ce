/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/topology.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pulse.h"
#include "store/redis/link.h"

#define SLOTS 16384

/* ---- slots ------------------------------------------------------------------------------------- */

/* CRC-16/XMODEM. */
static unsigned crc_16(const char *text)
{
    unsigned crc = 0;

    for (; *text != '\0'; text++) {
        crc ^= (unsigned)(unsigned char)*text << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1 & 0xffff;
    }
    return crc;
}

int topology_slot(int shard)
{
    char tag[16];

    (void)snprintf(tag, sizeof(tag), "%d", shard);
    return (int)(crc_16(tag) % SLOTS);
}

/* ---- a Cluster ---------------------------------------------------------------------------------- */

/* [first slot, last slot, [host, port, …] of the master, …] */
static void take_range(const redisReply *range, const struct redis_place *asked, int shards, struct redis_place *homes)
{
    struct redis_place master = { .port = 0 };

    if (range->elements < 3 || range->element[2]->elements < 2)
        return;
    const redisReply *host = range->element[2]->element[0];
    bool has_host = host->type == REDIS_REPLY_STRING && host->len > 0 && strcmp(host->str, "?") != 0;
    (void)snprintf(master.name, sizeof(master.name), "%s", has_host ? host->str : asked->name);
    master.port = (int)range->element[2]->element[1]->integer;
    for (int shard = 0; shard < shards; shard++) {
        int slot = topology_slot(shard);
        if (slot >= range->element[0]->integer && slot <= range->element[1]->integer)
            homes[shard] = master;
    }
}

static int ask_node(struct link *link, const struct redis_place *place, int shards, struct redis_place *homes, struct error *ret_error)
{
    AUTO_REPLY info = NULL;
    AUTO_REPLY slots = NULL;

    int status = link_ask(link, &info, ret_error, "CLUSTER INFO");
    if (status != 0)
        return status;
    if (info->str == NULL || strstr(info->str, "cluster_state:ok") == NULL)
        return error_set(ret_error, EAGAIN, "the Cluster is down, says its node %.60s:%d", place->name, place->port);
    status = link_ask(link, &slots, ret_error, "CLUSTER SLOTS");
    for (size_t i = 0; status == 0 && i < slots->elements; i++)
        take_range(slots->element[i], place, shards, homes);
    return status;
}

/* ---- sentinels ---------------------------------------------------------------------------------- */

static int ask_sentinel(struct link *link, const char *master, int shards, struct redis_place *homes, struct error *ret_error)
{
    AUTO_REPLY reply = NULL;
    struct redis_place place = { .port = 0 };

    int status = link_ask(link, &reply, ret_error, "SENTINEL get-master-addr-by-name %s", master);
    if (status != 0)
        return status;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return error_set(ret_error, EAGAIN, "the sentinels know no master '%.60s' (redis.url)", master);
    (void)snprintf(place.name, sizeof(place.name), "%s", reply->element[0]->str);
    place.port = atoi(reply->element[1]->str);
    for (int shard = 0; shard < shards; shard++)
        homes[shard] = place;
    return 0;
}

/* Sentinels have passwords of their own, mostly none. */
static int reach_sentinel(struct link *link, const struct redis_url *url, const struct redis_place *place, int64_t timeout_ms,
                          struct error *ret_error)
{
    struct redis_url open = *url;
    AUTO_REPLY pong = NULL;

    open.user = open.password = NULL;
    int status = link_connect(link, &open, place, timeout_ms, ret_error);
    if (status == 0 && link_ask(link, &pong, ret_error, "PING") == -EACCES && url->password != NULL) {
        link_close(link);
        status = link_connect(link, url, place, timeout_ms, ret_error);
    }
    return status;
}

/* ---- either ------------------------------------------------------------------------------------- */

static int ask(const struct redis_url *url, const struct redis_place *place, int shards, int64_t timeout_ms, struct redis_place *homes,
               struct error *ret_error)
{
    struct link link;
    bool is_cluster = url->kind == URL_CLUSTER;

    pulse_beat_here();
    memset(homes, 0, (size_t)shards * sizeof(*homes));
    int status =
        is_cluster ? link_connect(&link, url, place, timeout_ms, ret_error) : reach_sentinel(&link, url, place, timeout_ms, ret_error);
    if (status != 0)
        return status;
    status = is_cluster ? ask_node(&link, place, shards, homes, ret_error) : ask_sentinel(&link, url->master, shards, homes, ret_error);
    link_close(&link);
    return status;
}

int topology_find(const struct redis_url *url, const struct redis_place *known, size_t known_count, int shards, int64_t timeout_ms,
                  struct redis_place *ret_homes, struct error *ret_error)
{
    int status = -EAGAIN;

    for (size_t i = 0; status != 0 && i < known_count; i++)
        status = ask(url, &known[i], shards, timeout_ms, ret_homes, ret_error);
    for (size_t i = 0; status != 0 && i < url->count; i++)
        status = ask(url, &url->places[i], shards, timeout_ms, ret_homes, ret_error);
    return status;
}
