/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of Kafka's protocol that the embedded broker offers, each up to the newest version whose layout the
 * mock broker and its front get right. A request that is not in the list is not answered at all, whatever the mock
 * broker of the librdkafka that is installed would do with it.
 */
#ifndef STEPD_DEV_APIS_H
#define STEPD_DEV_APIS_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/wire.h"

enum api_key {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_LIST_OFFSETS = 2,
    API_METADATA = 3,
    API_OFFSET_COMMIT = 8,
    API_OFFSET_FETCH = 9,
    API_FIND_COORDINATOR = 10,
    API_JOIN_GROUP = 11,
    API_HEARTBEAT = 12,
    API_LEAVE_GROUP = 13,
    API_SYNC_GROUP = 14,
    API_DESCRIBE_GROUPS = 15,
    API_LIST_GROUPS = 16,
    API_VERSIONS = 18,
    API_CREATE_TOPICS = 19,
    API_DELETE_TOPICS = 20,
    API_INIT_PRODUCER_ID = 22,
    API_ADD_PARTITIONS_TO_TXN = 24,
    API_ADD_OFFSETS_TO_TXN = 25,
    API_END_TXN = 26,
    API_TXN_OFFSET_COMMIT = 28,
    API_DESCRIBE_CONFIGS = 32,
    API_CONSUMER_GROUP_HEARTBEAT = 68
};

/* Kafka's error codes, as far as the front gives them. */
enum kafka_error {
    OK = 0,
    UNKNOWN_TOPIC_OR_PARTITION = 3,
    REQUEST_TIMED_OUT = 7,
    INVALID_TOPIC = 17,
    ILLEGAL_GENERATION = 22,
    INCONSISTENT_GROUP_PROTOCOL = 23,
    INVALID_GROUP_ID = 24,
    UNKNOWN_MEMBER_ID = 25,
    REBALANCE_IN_PROGRESS = 27,
    UNSUPPORTED_VERSION = 35,
    TOPIC_ALREADY_EXISTS = 36,
    INVALID_PARTITIONS = 37,
    INVALID_REPLICATION_FACTOR = 38,
    INVALID_REQUEST = 42,
    TOPIC_DELETION_DISABLED = 73,
    FENCED_INSTANCE_ID = 82
};

bool api_is_offered(int16_t api_key, int16_t version);

/* Adds the answer to an ApiVersions request, of a version that is offered or not. */
void api_put_versions(struct wire_buffer *body, int16_t version);

#endif
