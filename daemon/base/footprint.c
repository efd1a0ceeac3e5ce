/* SPDX-License-Identifier: Apache-2.0 */
#include "base/footprint.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define KEPT_BYTES (256 << 10)
#define MAPPED_BYTES \
    (4 << 20) /* blocks from this on are mapped by themselves: malloc does not find a size of its own once KEPT_BYTES is set */

void footprint_keep_small(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
#endif
}

size_t footprint_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*u %zu", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}
