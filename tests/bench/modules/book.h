/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measured modules share: what their functions have seen goes into a file in shared memory, a cache line
 * a thread, which the driver reads: counting costs one addition. All modules of a daemon have the same file.
 */
#ifndef BENCH_BOOK_H
#define BENCH_BOOK_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stepd/stepd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 256
#define SAMPLES 1000000

struct slot {
    _Alignas(64) _Atomic(uint64_t) count;
};

struct book {
    struct slot slots[SLOTS];
    _Alignas(64) _Atomic(uint64_t) samples;
    _Atomic(uint64_t) used_slots;
    _Atomic(uint64_t) is_broken; /* the driver sets it */
    _Alignas(64) int32_t sample_us[SAMPLES];
};

struct options {
    const char *file;
};

static inline int open_book(const void *options, void **ret_shared)
{
    int file = open(((const struct options *)options)->file, O_RDWR | O_CREAT, 0600);

    if (file < 0 || ftruncate(file, sizeof(struct book)) != 0)
        return 1;
    *ret_shared = mmap(NULL, sizeof(struct book), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    (void)close(file);
    return *ret_shared == MAP_FAILED;
}

static inline int take_slot(void *shared, void **ret_local)
{
    struct book *book = shared;

    *ret_local = &book->slots[atomic_fetch_add(&book->used_slots, 1) % SLOTS];
    return 0;
}

static inline int64_t now_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline void count(struct stepd_ctx *ctx)
{
    struct slot *slot = stepd_local(ctx);

    atomic_store_explicit(&slot->count, atomic_load_explicit(&slot->count, memory_order_relaxed) + 1, memory_order_relaxed);
}

static inline void sample(struct stepd_ctx *ctx, int64_t taken_us)
{
    struct book *book = stepd_shared(ctx);

    book->sample_us[atomic_fetch_add(&book->samples, 1) % SAMPLES] = (int32_t)taken_us;
}

/* What each of the modules has beside its name and its functions. */
#define WITH_A_BOOK \
    .init = open_book, .thread_init = take_slot, .options_size = sizeof(struct options), \
    .options = STEPD_OPTIONS(STEPD_OPTION(.name = "file", .type = STEPD_STRING, .offset = offsetof(struct options, file), \
                                          .help = "where what was seen is counted"))

#endif
