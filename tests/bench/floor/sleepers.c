/* SPDX-License-Identifier: Apache-2.0 */
/* sleepers COUNT: 64 threads that do nothing but sleep a millisecond, COUNT times together. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 64

static atomic_long left;

static void *sleeper(void *unused)
{
    const struct timespec millisecond = { .tv_nsec = 1000000 };

    while (atomic_fetch_sub(&left, 1) > 0)
        (void)nanosleep(&millisecond, NULL);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    struct timespec begun, ended;

    if (argc != 2)
        return 2;
    long count = strtol(argv[1], NULL, 10);
    atomic_store(&left, count);
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, sleeper, NULL) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("{\"events\": %ld, \"seconds\": %.6f}\n", count,
           (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
    return 0;
}
