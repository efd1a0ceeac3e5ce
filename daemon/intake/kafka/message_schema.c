/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/kafka/message_schema.h"

bool message_schema_key(const rd_kafka_message_t *message, const rd_kafka_headers_t *headers, struct schema_key *ret_key)
{
    bool is_framed = framing_of_value((struct bytes){ message->payload, message->len }, ret_key);
    struct bytes value;
    const char *name;

    if (message->payload == NULL || message->len == 0)
        return false;
    for (size_t i = 0; headers != NULL &&
                       rd_kafka_header_get_all(headers, i, &name, (const void **)&value.data, &value.size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
        if (framing_of_header(name, value, ret_key))
            is_framed = true;
    }
    return is_framed;
}
