/* SPDX-License-Identifier: Apache-2.0 */
/*
 * push PORT COUNT RATE: the floor of a checkpoint's latency. COUNT results of 100 B go to the end of one list in Redis, RATE
 * a second, one after the other, and it prints how long an answer took.
 */
#include <hiredis/hiredis.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RESULT_SIZE 100

static void die(const char *why)
{
    (void)fprintf(stderr, "push: %s\n", why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void sleep_until(int64_t at_ns)
{
    const struct timespec at = { .tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000 };
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void push(redisContext *redis)
{
    static const char result[RESULT_SIZE];
    redisReply *reply = redisCommand(redis, "RPUSH steps %b", result, sizeof(result));

    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
        die("Redis does not take it");
    freeReplyObject(reply);
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;

    return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    long count = strtol(argv[2], NULL, 10);
    long rate = strtol(argv[3], NULL, 10);
    redisContext *redis = redisConnect("127.0.0.1", (int)strtol(argv[1], NULL, 10));
    double *taken_ms = calloc((size_t)count, sizeof(*taken_ms));
    if (redis == NULL || redis->err != 0 || taken_ms == NULL)
        die("no Redis");
    int64_t begun_ns = now_ns();
    for (long i = 0; i < count; i++) {
        sleep_until(begun_ns + i * 1000000000 / rate);
        int64_t sent_ns = now_ns();
        push(redis);
        taken_ms[i] = (double)(now_ns() - sent_ns) / 1e6;
    }
    qsort(taken_ms, (size_t)count, sizeof(*taken_ms), compare);
    printf("{\"p50_ms\": %.4f, \"p99_ms\": %.4f}\n", taken_ms[count / 2], taken_ms[count * 99 / 100]);
    redisFree(redis);
    free(taken_ms);
    return 0;
}
