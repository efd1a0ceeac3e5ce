/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_host.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define ROOM_LEAST 32
#define IDLE_NS INT64_C(1000000000)
#define QUICK_NS INT64_C(20000000) /* a server that can answer so fast is in no need of more at once, … */
#define GROWS_BY 8
#define SLOW_NS INT64_C(500000000) /* … unless most of its answers take so long */

/* "scheme://host:port", without what follows. */
static size_t name_size(const char *url)
{
    const char *host = strstr(url, "://");

    host = host != NULL ? host + 3 : url;
    return (size_t)(host - url) + strcspn(host, "/?#");
}

struct http_host *http_host_find(struct http_host **list, const char *url)
{
    size_t size = name_size(url);

    for (struct http_host *host = *list; host != NULL; host = host->next) {
        if (host->size == size && memcmp(host->name, url, size) == 0)
            return host;
    }
    struct http_host *host = xcalloc(1, sizeof(*host));
    host->name = xstrndup(url, size);
    host->size = size;
    host->room = ROOM_LEAST;
    host->ended_ns = -IDLE_NS;
    host->next = *list;
    *list = host;
    return host;
}

void http_hosts_destroy(struct http_host *list)
{
    for (struct http_host *host = list, *next; host != NULL; host = next) {
        next = host->next;
        free(host->name);
        free(host);
    }
}

static void look_anew(struct http_host *host, int64_t now_ns)
{
    host->looked_ns = now_ns;
    host->answers = 0;
    host->least_ns = INT64_MAX;
    host->sum_ns = 0;
}

static bool is_slow(const struct http_host *host)
{
    return host->answers == 0 || host->least_ns > QUICK_NS || host->sum_ns / host->answers > SLOW_NS;
}

/* Nobody waited for room until now, or for long enough that one knows how it answers. */
static void look(struct http_host *host, int64_t now_ns)
{
    if (now_ns - host->looked_ns < HTTP_HOST_LOOK_NS)
        return;
    if (is_slow(host) && host->room < INT_MAX / GROWS_BY)
        host->room *= GROWS_BY;
    look_anew(host, now_ns);
}

static unsigned lane_with_room(const struct http_host *host)
{
    unsigned lane = 0;

    while (lane < HTTP_LANES - 1 && host->lanes[lane] >= HTTP_LANE_CALLS)
        lane++;
    return lane;
}

struct http_call *http_host_next(struct http_host *host, int64_t now_ns)
{
    if (host->waiting.first == NULL)
        return NULL;
    if (host->under_way == 0 && now_ns - host->ended_ns > IDLE_NS) {
        host->room = ROOM_LEAST;
        look_anew(host, now_ns);
    }
    if (host->under_way >= host->room)
        look(host, now_ns);
    if (host->under_way >= host->room)
        return NULL;
    struct http_call *call = http_call_list_take(&host->waiting);
    call->lane = lane_with_room(host);
    host->lanes[call->lane]++;
    host->under_way++;
    return call;
}

void http_host_end(struct http_host *host, unsigned lane, int64_t since_ns, int64_t now_ns)
{
    int64_t took_ns = now_ns - since_ns;

    assert(host->under_way > 0 && lane < HTTP_LANES && host->lanes[lane] > 0);
    assert(took_ns >= 0);
    host->under_way--;
    host->lanes[lane]--;
    host->ended_ns = now_ns;
    host->answers++;
    host->sum_ns += took_ns;
    if (took_ns < host->least_ns)
        host->least_ns = took_ns;
}
