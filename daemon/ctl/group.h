/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer group as its coordinator has it: who is in it, and what it has committed, with the metadata. */
#ifndef STEPD_CTL_GROUP_H
#define STEPD_CTL_GROUP_H

#include <stddef.h>

#include "ctl/kafka.h"

/* How many members it has; none is also the answer for a group that nobody knows. -EAGAIN: no answer, -EIO: refused. */
int group_members(struct kafka *kafka, const char *id, size_t *ret_count, struct error *ret_error) MUST_CHECK;
/* Each partition that has an offset. The caller destroys the list. As above. */
int group_offsets(struct kafka *kafka, const char *id, rd_kafka_topic_partition_list_t **ret_list, struct error *ret_error) MUST_CHECK;
/* Commits them for a group without members. As above. */
int group_commit(struct kafka *kafka, const char *id, const rd_kafka_topic_partition_list_t *list, struct error *ret_error) MUST_CHECK;

#endif
