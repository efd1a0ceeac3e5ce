/* SPDX-License-Identifier: Apache-2.0 */
#include "base/footprint.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <criterion/criterion.h>

#include "base/memory.h"

#define THREADS 8
#define BLOCKS 4096
#define BLOCK_SIZE 2048
#define MIB ((size_t)1 << 20)

static pthread_barrier_t is_full, is_seen, is_freed, is_over;

static void *take_and_free(void *unused)
{
    char **blocks = xcalloc(BLOCKS, sizeof(*blocks));

    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memset(xmalloc(BLOCK_SIZE), 'x', BLOCK_SIZE);
    (void)pthread_barrier_wait(&is_full);
    (void)pthread_barrier_wait(&is_seen);
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    free(blocks);
    (void)pthread_barrier_wait(&is_freed);
    (void)pthread_barrier_wait(&is_over);
    return unused;
}

static void free_a_large_block(void)
{
    volatile char *block = xmalloc(24 * MIB);

    block[0] = 1;
    free((void *)block);
}

Test(footprint, that_threads_have_freed_is_given_back_though_a_large_block_was_freed_before)
{
    pthread_t threads[THREADS];

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("a sanitizer's malloc keeps what is freed");
#endif
    footprint_keep_small();
    free_a_large_block();
    size_t before = footprint_bytes();
    (void)pthread_barrier_init(&is_full, NULL, THREADS + 1);
    (void)pthread_barrier_init(&is_seen, NULL, THREADS + 1);
    (void)pthread_barrier_init(&is_freed, NULL, THREADS + 1);
    (void)pthread_barrier_init(&is_over, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, take_and_free, NULL), 0);
    (void)pthread_barrier_wait(&is_full);
    size_t full = footprint_bytes();
    (void)pthread_barrier_wait(&is_seen);
    (void)pthread_barrier_wait(&is_freed);
    memory_give_back();
    size_t left = footprint_bytes();
    (void)pthread_barrier_wait(&is_over);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    cr_expect_geq(full, before + THREADS * BLOCKS * BLOCK_SIZE / 2); /* the system counts roughly */
    cr_expect_leq(left, before + 8 * MIB, "%zu MiB were left of %zu", (left - before) / MIB, (full - before) / MIB);
}

/* ---- places that stay ------------------------------------------------------------------------------ */

#define LARGE_BLOCK (4 * MIB)
#define TIMES 50

static long faults(void)
{
    struct rusage usage;

    cr_assert_eq(getrusage(RUSAGE_THREAD, &usage), 0);
    return usage.ru_minflt;
}

static void use_large_blocks(void)
{
    for (int i = 0; i < TIMES; i++) {
        char *block = memset(xmalloc(LARGE_BLOCK), i, LARGE_BLOCK);
        *(volatile char *)block = 0;
        free(block);
    }
}

static void *compare_faults(void *unused)
{
    long before = faults();
    use_large_blocks();
    long without = faults() - before;

    footprint_reserve_here();
    before = faults();
    use_large_blocks();
    long with = faults() - before;
    if (without > TIMES * 100) /* else the system gives huge pages, of which a block takes a few */
        cr_expect_lt(with, without / 10, "%ld page faults with places that stay, %ld without", with, without);

    size_t full = footprint_bytes();
    memory_give_back();
    cr_expect_leq(footprint_bytes(), full - LARGE_BLOCK / 2, "a place that stays is given back all the same");
    return unused;
}

Test(footprint, blocks_in_places_that_stay_take_no_page_faults)
{
    pthread_t thread;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    cr_skip_test("a sanitizer's malloc has no arenas");
#endif
    footprint_keep_small();
    cr_assert_eq(pthread_create(&thread, NULL, compare_faults, NULL), 0);
    (void)pthread_join(thread, NULL);
}
