/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory the process has, whatever it needs of it; memory_give_back() hands back what is free. */
#ifndef STEPD_BASE_FOOTPRINT_H
#define STEPD_BASE_FOOTPRINT_H

#include <stddef.h>

/* Before there is a second thread: malloc keeps at most 256 KiB at the end of each thread's arena once it is free. By itself it
 * keeps up to twice the largest block that was ever freed, and memory_give_back() can't reach it there. */
void footprint_keep_small(void);
/* By a thread that takes and frees the same megabytes again and again: six places of 24 MiB in its arena, which malloc does not hand back
 * with each free, and so takes no page faults and clears no pages for with the next malloc. They are address space until they are used,
 * and memory_give_back() reaches them. Called again: nothing. */
void footprint_reserve_here(void);
/* Bytes that are in memory; 0: the system does not tell. */
size_t footprint_bytes(void);

#endif
