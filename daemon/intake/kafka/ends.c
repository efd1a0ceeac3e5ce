/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rd_kafka_offsets_for_times() asks each leader once, for all of its partitions, and in the protocol
 * "beginning" and "end" are times as any other; rd_kafka_query_watermark_offsets() would ask twice for
 * each partition.
 */
#include "intake/kafka/ends.h"

void ends_ask(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list, int64_t which, int timeout_ms)
{
    if (list->cnt == 0)
        return;
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = which;
    rd_kafka_resp_err_t failed = rd_kafka_offsets_for_times(handle, list, timeout_ms);
    for (int i = 0; i < list->cnt; i++) {
        if (failed != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].offset < 0)
            list->elems[i].offset = ENDS_UNKNOWN;
    }
}

void ends_ask_since(rd_kafka_t *handle, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    if (list->cnt == 0)
        return;
    rd_kafka_resp_err_t failed = rd_kafka_offsets_for_times(handle, list, timeout_ms);
    for (int i = 0; i < list->cnt; i++) {
        if (failed != RD_KAFKA_RESP_ERR_NO_ERROR || list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            list->elems[i].offset = ENDS_UNKNOWN;
        else if (list->elems[i].offset < 0)
            list->elems[i].offset = ENDS_NONE;
    }
}
