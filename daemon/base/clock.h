/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEPD_BASE_CLOCK_H
#define STEPD_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_ns(void);
int64_t clock_wall_ms(void); /* since 1970, UTC */
int64_t clock_wall_ns(void);

#endif
