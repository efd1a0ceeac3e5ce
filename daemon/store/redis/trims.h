/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be forgotten of the runs that were taken over: a list, each partition in it once. Its owner locks. */
#ifndef STEPD_STORE_REDIS_TRIMS_H
#define STEPD_STORE_REDIS_TRIMS_H

#include <stdint.h>

struct trim {
    struct trim *next;
    char *topic;
    int32_t partition;
    int64_t committed; /* what was taken over of offsets below */
};

/* The last word on a partition is the one that counts; a new one comes last. */
void trims_set(struct trim **trims, const char *topic, int32_t partition, int64_t committed);
/* There is one. */
void trims_drop_first(struct trim **trims);

#endif
