/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEPD_BASE_FOLDER_H
#define STEPD_BASE_FOLDER_H

#include "base/error.h"

/* Makes `path`, an absolute one, and what is missing above it, for this user alone. 0 too where it is there already;
 * else negative errno. */
MUST_CHECK int folder_make(const char *path);

#endif
