/* SPDX-License-Identifier: Apache-2.0 */
/* C11's threads as POSIX's, and a join that is newer than ThreadSanitizer: it knows only those, and librdkafka uses
 * the others. They are the same in glibc; what is here comes before what is there. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

#pragma GCC visibility push(default)

struct start {
    thrd_start_t function;
    void *argument;
};

static void *begin(void *argument)
{
    struct start start = *(struct start *)argument;

    free(argument);
    return (void *)(intptr_t)start.function(start.argument);
}

static int result_of(int failed)
{
    switch (failed) {
    case 0:
        return thrd_success;
    case EBUSY:
        return thrd_busy;
    case ETIMEDOUT:
        return thrd_timedout;
    case ENOMEM:
        return thrd_nomem;
    default:
        return thrd_error;
    }
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
    struct start *start = malloc(sizeof(*start));

    if (start == NULL)
        return thrd_nomem;
    *start = (struct start){ function, argument };
    int result = result_of(pthread_create(thread, NULL, begin, start));
    if (result != thrd_success)
        free(start);
    return result;
}

int thrd_join(thrd_t thread, int *ret_result)
{
    void *result;
    int failed = pthread_join(thread, &result);

    if (failed == 0 && ret_result != NULL)
        *ret_result = (int)(intptr_t)result;
    return result_of(failed);
}

int pthread_clockjoin_np(pthread_t thread, void **ret_result, clockid_t clock, const struct timespec *until)
{
    struct timespec now;
    struct timespec wall;

    (void)clock_gettime(clock, &now);
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    int64_t left_ns = (until->tv_sec - now.tv_sec) * INT64_C(1000000000) + until->tv_nsec - now.tv_nsec;
    int64_t until_ns = wall.tv_nsec + (left_ns > 0 ? left_ns : 0);
    wall.tv_sec += until_ns / 1000000000;
    wall.tv_nsec = until_ns % 1000000000;
    return pthread_timedjoin_np(thread, ret_result, &wall);
}

int mtx_lock(mtx_t *mutex)
{
    return result_of(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
    return result_of(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
    return result_of(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_signal(cnd_t *condition)
{
    return result_of(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
    return result_of(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return result_of(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
    return result_of(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

#pragma GCC visibility pop
