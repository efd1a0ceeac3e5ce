/* SPDX-License-Identifier: Apache-2.0 */
#include "base/footprint.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/lock.h"

#define KEPT_BYTES (256 << 10)
#define MAPPED_BYTES (32 << 20) /* blocks from this on are mapped by themselves: the most that malloc takes for that */
#define PLACES 6                /* together more than librdkafka holds of what was not taken yet (queued.max.messages.kbytes) */
#define PLACE_BYTES (24 << 20)
#define PIN_BYTES 4096

/* What stands behind a place that is reserved. Kept for good, as the arenas are. */
struct pin {
    struct pin *next;
    char bytes[PIN_BYTES];
};

static struct lock pins_lock = LOCK_INITIALIZER;
static struct pin *pins; /* pins_lock */

void footprint_keep_small(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
#endif
}

static void pin_here(void)
{
    struct pin *pin = malloc(sizeof(*pin));

    if (pin == NULL)
        return;
    LOCK_GUARD(&pins_lock);
    pin->next = pins;
    pins = pin;
}

void footprint_reserve_here(void)
{
    static _Thread_local bool has_reserved;
    void *volatile places[PLACES];

    if (has_reserved)
        return;
    has_reserved = true;
    for (size_t i = 0; i < PLACES; i++) {
        places[i] = malloc(PLACE_BYTES);
        pin_here();
    }
    for (size_t i = 0; i < PLACES; i++)
        free(places[i]);
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
