/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on standard error, where that is a terminal; and whether the person there wants an end (Ctrl-C). */
#ifndef STEPD_CTL_PROGRESS_H
#define STEPD_CTL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

/* From here on Ctrl-C, SIGTERM and a lost terminal are heard by progress_is_stopped() alone: what is begun is finished. */
void progress_begin(void);
bool progress_is_stopped(void);
/* Draws; `total` 0: not known. */
void progress_show(const char *what, size_t done, size_t total);
/* Takes the bar away. */
void progress_end(void);

#endif
