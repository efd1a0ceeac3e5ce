/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory the process has, whatever it needs of it; memory_give_back() hands back what is free. */
#ifndef STEPD_BASE_FOOTPRINT_H
#define STEPD_BASE_FOOTPRINT_H

#include <stddef.h>

/* Before there is a second thread: malloc keeps at most 256 KiB at the end of each thread's arena once it is free. By itself it
 * keeps up to twice the largest block that was ever freed, and memory_give_back() can't reach it there. */
void footprint_keep_small(void);
/* Bytes that are in memory; 0: the system does not tell. */
size_t footprint_bytes(void);

#endif
