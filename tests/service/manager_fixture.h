/* SPDX-License-Identifier: Apache-2.0 */
/* A service manager that listens to what it is told. */
#ifndef STEPD_TESTS_SERVICE_MANAGER_FIXTURE_H
#define STEPD_TESTS_SERVICE_MANAGER_FIXTURE_H

#include <stddef.h>

/* From here on $NOTIFY_SOCKET leads to it. */
void manager_start(void);
void manager_stop(void);
/* The next thing it is told; empty: nothing within timeout_ms. */
const char *manager_told(char *text, size_t size, int timeout_ms);

#endif
