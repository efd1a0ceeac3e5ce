/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/redis_server.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "dev/child.h"
#include "dev/ports.h"

enum { PATIENCE_MS = 60 * 1000 }; /* a large append-only file takes a while to load */

static bool answers(uint16_t port)
{
    char answer[64];

    return port_ask(port, 1000, "PING\r\n", "\r\n", answer, sizeof(answer)) == 0 && strncmp(answer, "+PONG", 5) == 0;
}

/* Signals to stop are blocked while this process starts, and read later. */
static bool is_told_to_stop(void)
{
    sigset_t pending;

    (void)sigpending(&pending);
    return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM);
}

static int wait_until_it_answers(pid_t pid, uint16_t port, const char *log, struct error *ret_error)
{
    const struct timespec nap = { .tv_nsec = 10 * 1000 * 1000 };
    const int64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;

    while (!is_told_to_stop() && clock_monotonic_ms() < end_ms) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return error_set(ret_error, EIO, "redis-server ended at once: see %s", log);
        if (answers(port))
            return 0;
        (void)nanosleep(&nap, NULL);
    }
    (void)child_stop(pid, 1000);
    if (is_told_to_stop())
        return error_set(ret_error, EINTR, "told to stop");
    return error_set(ret_error, ETIMEDOUT, "redis-server does not answer on port %u: see %s", port, log);
}

int redis_server_start(const char *folder, uint16_t port, pid_t *ret_pid, struct error *ret_error)
{
    AUTO_FREE char *log = xasprintf("%s.log", folder);
    AUTO_FREE char *dir = xstrdup(folder);
    AUTO_FREE char *number = xasprintf("%u", port);
    char *argv[] = { "redis-server",
                     "--port",
                     number,
                     "--bind",
                     "127.0.0.1",
                     "--dir",
                     dir,
                     "--save",
                     "",
                     "--appendonly",
                     "yes",
                     "--appendfsync",
                     "everysec",
                     "--maxmemory-policy",
                     "noeviction",
                     "--hash-max-listpack-value",
                     "512",
                     "--zset-max-listpack-value",
                     "512",
                     "--loglevel",
                     "notice",
                     NULL };
    pid_t pid = 0;

    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return error_set(ret_error, errno, "cannot make %s: %s", folder, strerror(errno));
    int status = child_start(argv[0], argv, log, SIGTERM, &pid);
    if (status == -ENOENT)
        status = child_start(argv[0] = "valkey-server", argv, log, SIGTERM, &pid);
    if (status == -ENOENT)
        return error_set(ret_error, ENOENT,
                         "no redis-server or valkey-server found: install one (Debian: apt install "
                         "redis-server), or use your own with --redis URL");
    if (status != 0)
        return error_set(ret_error, -status, "cannot run redis-server: %s", strerror(-status));
    status = wait_until_it_answers(pid, port, log, ret_error);
    if (status == 0)
        *ret_pid = pid;
    return status;
}
