/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that run's branches are tried on (run/crew.h): as many as there are workers, made when they are first
 * needed. A worker that waits for its run's branches thus never keeps them from running. Locks itself.
 */
#ifndef STEPD_ENGINE_CREW_H
#define STEPD_ENGINE_CREW_H

#include <stdbool.h>

#include "run/crew.h"

struct dispatch;

struct crew *crew_create(struct dispatch *dispatch);
/* Their code is told that nobody wants its result. */
void crew_cancel(struct crew *crew);
/* False: some threads are stuck in module code and were left behind, with all that they still use. NULL is fine. */
bool crew_destroy(struct crew *crew);

#endif
