/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of HTTP statuses, as a config writes them: [2xx, 408, 50x]. */
#ifndef HANDLERS_HTTP_STATUSES_H
#define HANDLERS_HTTP_STATUSES_H

#include <stdbool.h>

/* Lists end with NULL. The first that is no status, NULL: all are. */
const char *statuses_find_wrong(const char *const *patterns);
bool statuses_contain(const char *const *patterns, long status);

#endif
