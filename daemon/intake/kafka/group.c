/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/group.h"

#include "base/clock.h"
#include "base/footprint.h"

#define NAME "stepd"
#define JOIN_GROUP 11 /* numbers of Kafka's protocol */
#define SYNC_GROUP 14
#define CONSUMER_GROUP_HEARTBEAT 68
#define LARGE_RESPONSE ((size_t)256 << 10)

static rd_kafka_resp_err_t on_request(rd_kafka_t *handle, int socket, const char *broker, int32_t broker_id, int16_t api, int16_t version,
                                      int32_t correlation_id, size_t size, void *opaque)
{
    struct group_watch *watch = opaque;

    (void)handle, (void)socket, (void)broker, (void)broker_id, (void)version, (void)correlation_id, (void)size;
    if (api == JOIN_GROUP)
        atomic_store(&watch->is_joining, true);
    if (api == CONSUMER_GROUP_HEARTBEAT)
        atomic_store(&watch->has_beaten, true);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A join that fails has no sync; the next one begins with a JoinGroup again. */
static rd_kafka_resp_err_t on_response(rd_kafka_t *handle, int socket, const char *broker, int32_t broker_id, int16_t api, int16_t version,
                                       int32_t correlation_id, size_t size, int64_t round_trip_us, rd_kafka_resp_err_t error, void *opaque)
{
    struct group_watch *watch = opaque;

    (void)handle, (void)socket, (void)broker, (void)broker_id, (void)version, (void)correlation_id, (void)round_trip_us;
    if (size >= LARGE_RESPONSE)
        footprint_reserve_here(); /* on the thread that reads from that broker */
    if (api == SYNC_GROUP)
        atomic_store(&watch->is_joining, false);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        atomic_store_explicit(&watch->answered_ms, clock_monotonic_ms(), memory_order_relaxed);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *handle, const rd_kafka_conf_t *conf, void *opaque, char *text, size_t size)
{
    (void)conf, (void)text, (void)size;
    rd_kafka_resp_err_t failed = rd_kafka_interceptor_add_on_request_sent(handle, NAME, on_request, opaque);
    if (failed == RD_KAFKA_RESP_ERR_NO_ERROR)
        failed = rd_kafka_interceptor_add_on_response_received(handle, NAME, on_response, opaque);
    return failed;
}

void group_watch_add(struct group_watch *watch, rd_kafka_conf_t *conf)
{
    (void)rd_kafka_conf_interceptor_add_on_new(conf, NAME, on_new, watch);
}
