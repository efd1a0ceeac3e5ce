/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay PORT FILE EVENTS: the floor of all that is kept in Redis. Sends the commands of FILE, as a client once
 * sent them, over one connection, 32 at a time, and prints what EVENTS of whatever they stand for took. An
 * answer that is an error ends it: errors are quick, and would count as work.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIPELINE 32

static void die(const char *why)
{
    (void)fprintf(stderr, "replay: %s\n", why);
    exit(1);
}

static char *read_all(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die("no file of commands");
    *ret_size = (size_t)ftell(file);
    rewind(file);
    text = malloc(*ret_size + 1);
    if (text == NULL || fread(text, 1, *ret_size, file) != *ret_size)
        die("the file of commands can't be read");
    text[*ret_size] = '\0';
    (void)fclose(file);
    return text;
}

/* "*3\r\n$1\r\na\r\n…": where the number behind the sign ends the line. */
static const char *read_number(const char *at, char sign, long *ret_number)
{
    char *end;

    if (*at != sign)
        die("the file holds no command where one should be");
    *ret_number = strtol(at + 1, &end, 10);
    return end + 2;
}

static const char *command_end(const char *at)
{
    long words;
    long size;

    for (at = read_number(at, '*', &words); words > 0; words--) {
        at = read_number(at, '$', &size);
        at += size + 2;
    }
    return at;
}

static void take_answers(redisContext *redis, int count)
{
    redisReply *reply;

    for (; count > 0; count--) {
        if (redisGetReply(redis, (void **)&reply) != REDIS_OK)
            die(redis->errstr);
        if (reply->type == REDIS_REPLY_ERROR)
            die(reply->str);
        freeReplyObject(reply);
    }
}

int main(int argc, char **argv)
{
    struct timespec begun;
    struct timespec ended;
    size_t size;
    int waiting = 0;

    if (argc != 4)
        die("usage: replay PORT FILE EVENTS");
    const char *commands = read_all(argv[2], &size);
    redisContext *redis = redisConnect("127.0.0.1", atoi(argv[1]));
    if (redis == NULL || redis->err != 0)
        die("no Redis");
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    for (const char *at = commands; at < commands + size;) {
        const char *end = command_end(at);
        if (redisAppendFormattedCommand(redis, at, (size_t)(end - at)) != REDIS_OK)
            die(redis->errstr);
        at = end;
        if (++waiting == PIPELINE || at == commands + size) {
            take_answers(redis, waiting);
            waiting = 0;
        }
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    (void)printf("{\"events\": %s, \"seconds\": %.6f}\n", argv[3],
                 (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
    return 0;
}
