/* SPDX-License-Identifier: Apache-2.0 */
/* What a person did, as one line in the log of one daemon; where none runs, of the next that starts. */
#ifndef STEPD_CTL_DEED_H
#define STEPD_CTL_DEED_H

#include "ctl/ctl.h"

/* The line is `WHAT by USER@HOST through stepctl`. Where the store does not take it, that is said. */
void deed_tell(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);
/* "USER@HOST"; the caller frees. */
char *deed_who(void);

#endif
