/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strands: the runs of an ordered function for one key of one assignment, one at a time, in the order
 * in which they came. A strand is there while a run of it is. Any thread; locks itself.
 */
#ifndef STEPD_FLOW_STRANDS_H
#define STEPD_FLOW_STRANDS_H

#include <stdbool.h>

#include "run/job.h"

struct strands;

struct strands *strands_create(void);
void strands_destroy(struct strands *strands);
/* The job joins its strand. True: it may run now; false: it waits there. */
bool strands_enter(struct strands *strands, struct job *job);
/* The job that held the strand is over: the next, which may run now, or NULL. */
struct job *strands_leave(struct strands *strands, struct strand *strand);

#endif
