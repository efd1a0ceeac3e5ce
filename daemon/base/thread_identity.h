/* SPDX-License-Identifier: Apache-2.0 */
/* A number for the thread that runs, which locks and threads know their holder and owner by. */
#ifndef STEPD_BASE_THREAD_IDENTITY_H
#define STEPD_BASE_THREAD_IDENTITY_H

#include <stdint.h>

extern _Thread_local char thread_place;

/* Of the thread that runs: a number of its own, never 0, used again once it has ended. */
static inline uintptr_t thread_identity(void)
{
    return (uintptr_t)&thread_place;
}

#endif
