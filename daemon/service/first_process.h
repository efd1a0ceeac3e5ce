/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What process 1 owes its container: processes whose parents are gone become its children, and stay as zombies until it
 * has waited for them.
 */
#ifndef STEPD_SERVICE_FIRST_PROCESS_H
#define STEPD_SERVICE_FIRST_PROCESS_H

#include <stdbool.h>

/* To be called before there is a thread. False: go on, as the daemon; where this is process 1, as a child of it. True: this
 * was process 1, which handed on all signals and waited for all; the daemon has ended with *ret_status. */
bool first_process_serve(int *ret_status);

#endif
