/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/progress.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_COLUMNS 30

static volatile sig_atomic_t is_stopped;

static void on_signal(int number)
{
    (void)number;
    is_stopped = 1;
}

void progress_begin(void)
{
    const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

bool progress_is_stopped(void)
{
    return is_stopped != 0;
}

void progress_show(const char *what, size_t done, size_t total)
{
    char bar[BAR_COLUMNS + 1];

    if (isatty(STDERR_FILENO) == 0)
        return;
    if (total == 0) {
        (void)fprintf(stderr, "\r\033[K%s %zu", what, done);
    } else {
        size_t filled = done >= total ? BAR_COLUMNS : done * BAR_COLUMNS / total;
        assert(filled <= BAR_COLUMNS);
        memset(bar, '.', BAR_COLUMNS);
        memset(bar, '#', filled);
        bar[BAR_COLUMNS] = '\0';
        (void)fprintf(stderr, "\r\033[K%s [%s] %zu of %zu", what, bar, done, total);
    }
    (void)fflush(stderr);
}

void progress_end(void)
{
    if (isatty(STDERR_FILENO) != 0)
        (void)fputs("\r\033[K", stderr);
}
