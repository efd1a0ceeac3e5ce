/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/apis.h"

#include "base/array.h"

/* ListOffsets: librdkafka 2.0.2's mock writes 4 bytes too many a partition from version 4 on. InitProducerId: from
   version 3 on a producer without an id yet may send 0 where -1 is meant, which Kafka forgives and the mock does not.
   Metadata: dev/metadata.h makes versions 3 and 4 of the mock's 2. ConsumerGroupHeartbeat: is refused with words. */
static const struct offer {
    int16_t api_key, newest;
} OFFERS[] = {
    { API_PRODUCE, 7 },
    { API_FETCH, 11 },
    { API_LIST_OFFSETS, 3 },
    { API_METADATA, 4 },
    { API_OFFSET_COMMIT, 7 },
    { API_OFFSET_FETCH, 5 },
    { API_FIND_COORDINATOR, 2 },
    { API_JOIN_GROUP, 5 },
    { API_HEARTBEAT, 3 },
    { API_LEAVE_GROUP, 1 },
    { API_SYNC_GROUP, 3 },
    { API_DESCRIBE_GROUPS, 4 },
    { API_LIST_GROUPS, 2 },
    { API_VERSIONS, 4 },
    { API_CREATE_TOPICS, 4 },
    { API_DELETE_TOPICS, 3 },
    { API_INIT_PRODUCER_ID, 2 },
    { API_ADD_PARTITIONS_TO_TXN, 1 },
    { API_ADD_OFFSETS_TO_TXN, 1 },
    { API_END_TXN, 1 },
    { API_TXN_OFFSET_COMMIT, 2 },
    { API_DESCRIBE_CONFIGS, 3 },
    { API_CONSUMER_GROUP_HEARTBEAT, 1 },
};
_Static_assert(COUNT_OF(OFFERS) < 127, "their count is one byte");

bool api_is_offered(int16_t api_key, int16_t version)
{
    for (size_t i = 0; i < COUNT_OF(OFFERS); i++)
        if (OFFERS[i].api_key == api_key)
            return version >= 0 && version <= OFFERS[i].newest;
    return false;
}

/* From version 3 on a count is itself plus one in a byte, and tagged fields, of which there are none, end each struct. */
static void put_count(struct wire_buffer *body, bool is_flexible)
{
    if (is_flexible)
        wire_put_i8(body, (int8_t)(COUNT_OF(OFFERS) + 1));
    else
        wire_put_i32(body, (int32_t)COUNT_OF(OFFERS));
}

static void put_offer(struct wire_buffer *body, const struct offer *offer)
{
    wire_put_i16(body, offer->api_key);
    wire_put_i16(body, 0);
    wire_put_i16(body, offer->newest);
}

/* A client that asks in a newer version is refused in version 0, by the book, and asks again. */
void api_put_versions(struct wire_buffer *body, int16_t version)
{
    const bool is_offered = api_is_offered(API_VERSIONS, version);
    const bool is_flexible = is_offered && version >= 3;

    wire_put_i16(body, is_offered ? OK : UNSUPPORTED_VERSION);
    put_count(body, is_flexible);
    for (size_t i = 0; i < COUNT_OF(OFFERS); i++) {
        put_offer(body, &OFFERS[i]);
        if (is_flexible)
            wire_put_i8(body, 0);
    }
    if (is_offered)
        wire_put_throttle(body, version, 1);
    if (is_flexible)
        wire_put_i8(body, 0);
}
