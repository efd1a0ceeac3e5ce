/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far something came in the logs of topics, by a name: which offsets of which partitions are done. Kept in the
 * store, so that the same name goes on where it ended, from whichever machine.
 */
#ifndef STEPD_CTL_MARKS_H
#define STEPD_CTL_MARKS_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/topic_log.h"
#include "store/store.h"

struct mark {
    int32_t partition;
    int64_t first, end; /* these are done, `end` is not */
};

struct marks {
    char *shelf;      /* where they stand, */
    char *name;       /* and as what */
    char *what;       /* what was done: those of another `what` are none of ours */
    struct mark *all; /* none touches another of its partition */
    size_t count;
};

/* Reads what there is. 0, -EINVAL: under that name something else was done, with what it was in `ret_error`; else as
 * shelf_find(). marks_done() in any case. */
int marks_load(struct redis_store *store, const char *shelf, const char *name, const char *what, struct marks *ret_marks,
               struct error *ret_error) MUST_CHECK;
int marks_save(struct redis_store *store, const struct marks *marks) MUST_CHECK;
void marks_done(struct marks *marks);

void marks_add(struct marks *marks, int32_t partition, int64_t first, int64_t end);
bool marks_have(const struct marks *marks, int32_t partition, int64_t offset);
/* Moves the begin of each span behind what is done there. A log that ends before that was made anew: what was done
 * in the one before is forgotten. */
void marks_skip(struct marks *marks, struct topic_span *spans, size_t count);

#endif
