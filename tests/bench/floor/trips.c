/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trips PORT COUNT THREADS: the floor of steps that wait for Redis. COUNT results of 100 B go to the ends of lists, by so many threads with
 * a connection each, which wait for each answer.
 */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 256
#define RESULT_SIZE 100

static atomic_long left;

static void *push(void *opaque)
{
    static const char result[RESULT_SIZE];
    redisContext *redis = opaque; /* each has a list of its own */

    while (atomic_fetch_sub(&left, 1) > 0) {
        redisReply *reply = redisCommand(redis, "RPUSH steps-%d %b", redis->fd, result, sizeof(result));
        if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
            exit(1);
        freeReplyObject(reply);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    redisContext *connections[THREADS];
    struct timespec begun, ended;

    if (argc != 4)
        return 2;
    long count = strtol(argv[2], NULL, 10);
    int width = atoi(argv[3]);
    if (width < 1 || width > THREADS)
        return 2;
    atomic_store(&left, count);
    for (int i = 0; i < width; i++)
        if ((connections[i] = redisConnect("127.0.0.1", atoi(argv[1]))) == NULL || connections[i]->err != 0)
            return 1;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int i = 0; i < width; i++)
        if (pthread_create(&threads[i], NULL, push, connections[i]) != 0)
            return 1;
    for (int i = 0; i < width; i++)
        (void)pthread_join(threads[i], NULL);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    (void)printf("{\"events\": %ld, \"seconds\": %.6f}\n", count,
                 (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
    return 0;
}
