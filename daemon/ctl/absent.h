/* SPDX-License-Identifier: Apache-2.0 */
/* Apps that the config names and that have not registered, as a daemon found when it asked them. */
#ifndef STEPD_CTL_ABSENT_H
#define STEPD_CTL_ABSENT_H

#include "config/config.h"
#include "store/store.h"

/* Calls `each` for those; says nothing where Redis does not. */
void absent_each(struct redis_store *store, const struct config *config, void (*each)(void *context, const char *url, const char *reason),
                 void *context);

#endif
