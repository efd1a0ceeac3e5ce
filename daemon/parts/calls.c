/* SPDX-License-Identifier: Apache-2.0 */
/* Requests over HTTP that runs wait for: of apps, and of functions that use the handler http. */
#include <stdint.h>
#include <sys/resource.h>

#include "base/log.h"
#include "config/config.h"
#include "http/http_pool.h"
#include "parts/part.h"

#define OTHER_DESCRIPTORS 512 /* of Kafka, Redis, handlers */

/* Each request has a connection: as many descriptors as that takes, as far as the process may have them. */
static int raise_descriptors(rlim_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return INT32_MAX;
    if (limit.rlim_cur < wanted && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur < INT32_MAX ? (int)limit.rlim_cur : INT32_MAX;
}

/* How many requests of functions may be under way at once. */
static int places(const struct config *config)
{
    const int others = OTHER_DESCRIPTORS + config->inngest.calls;
    const int room = raise_descriptors((rlim_t)config->http_in_flight + (rlim_t)others) - others;

    if (room >= config->http_in_flight)
        return config->http_in_flight;
    int most = room > 16 ? room : 16;
    log_info("%d requests of http functions are under way at once, not http.in_flight (%d): the limit of open files (ulimit -n, "
             "LimitNOFILE=) allows no more",
             most, config->http_in_flight);
    return most;
}

static int create(struct daemon *daemon, struct error *ret_error)
{
    const struct config *config = daemon->config;
    const int limits[HTTP_SHARES] = { [HTTP_OF_APPS] = config->inngest.calls, [HTTP_OF_FUNCTIONS] = places(config) };

    (void)ret_error;
    daemon->http_pool = http_pool_create(limits);
    return 0;
}

static void end(struct daemon *daemon)
{
    http_pool_destroy(daemon->http_pool);
}

const struct part PART_CALLS = { .name = "calls", .start = create, .end = end };

/* ---- they go out --------------------------------------------------------------------------------- */

static int start(struct daemon *daemon, struct error *ret_error)
{
    return http_pool_start(daemon->http_pool, ret_error);
}

/* Once there is HTTP: an app may report steps before its call is over. */
const struct part PART_CALLS_OUT = { .name = "calls going out", .start = start };
