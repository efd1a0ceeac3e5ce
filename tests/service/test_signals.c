/* SPDX-License-Identifier: Apache-2.0 */
#include "service/signals.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sem_t told;
static const char *told_by;
static sem_t reloaded;

static void stop(void *context, const char *signal_name)
{
    told_by = signal_name;
    (void)sem_post(context);
}

static void reload(void *context)
{
    (void)context;
    (void)sem_post(&reloaded);
}

static const struct signal_actions actions = { .stop = stop, .reload = reload, .context = &told };

static int wait_for(sem_t *semaphore)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    return sem_timedwait(semaphore, &until);
}

static void setup(void)
{
    (void)sem_init(&told, 0, 0);
    (void)sem_init(&reloaded, 0, 0);
}

TestSuite(signals, .init = setup);

Test(signals, stop_when_told)
{
    struct signals *signals = NULL;
    struct error error;

    cr_assert_eq(signals_start(&actions, &signals, &error), 0);
    (void)kill(getpid(), SIGTERM);
    cr_assert_eq(wait_for(&told), 0);
    cr_assert_str_eq(told_by, "SIGTERM");
    signals_stop(signals);
}

Test(signals, reload_at_each_hangup)
{
    struct signals *signals = NULL;
    struct error error;

    cr_assert_eq(signals_start(&actions, &signals, &error), 0);
    for (int i = 0; i < 3; i++) {
        (void)kill(getpid(), SIGHUP);
        cr_assert_eq(wait_for(&reloaded), 0);
    }
    cr_assert_neq(sem_trywait(&told), 0);
    signals_stop(signals);
}

Test(signals, do_not_reload_while_they_stop)
{
    struct signals *signals = NULL;
    struct error error;

    cr_assert_eq(signals_start(&actions, &signals, &error), 0);
    (void)kill(getpid(), SIGTERM);
    cr_assert_eq(wait_for(&told), 0);
    (void)kill(getpid(), SIGHUP);
    for (sigset_t pending; sigpending(&pending) == 0 && sigismember(&pending, SIGHUP) == 1;)
        (void)usleep(1000);
    signals_stop(signals); /* the signal was taken */
    cr_assert_neq(sem_trywait(&reloaded), 0);
}

Test(signals, stop_once_when_process_and_group_are_told)
{
    struct signals *signals = NULL;
    struct error error;

    cr_assert_eq(signals_start(&actions, &signals, &error), 0);
    (void)kill(getpid(), SIGINT);
    (void)kill(getpid(), SIGTERM); /* as a second one it would end this process */
    cr_assert_eq(wait_for(&told), 0);
    for (sigset_t pending; sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;)
        (void)usleep(1000);
    signals_stop(signals);
    cr_assert_neq(sem_trywait(&told), 0);
}

static void stop_for_ever(void *context, const char *signal_name)
{
    stop(context, signal_name);
    for (;;)
        (void)pause();
}

Test(signals, end_at_once_when_told_twice)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        const struct signal_actions stuck = { .stop = stop_for_ever, .reload = reload, .context = &told };
        struct signals *signals = NULL;
        struct error error;
        if (signals_start(&stuck, &signals, &error) != 0)
            _exit(1);
        (void)kill(getpid(), SIGINT);
        (void)sem_wait(&told);
        (void)usleep(600 * 1000);
        (void)kill(getpid(), SIGINT);
        (void)sleep(60);
        _exit(2);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 128 + SIGINT);
}

Test(signals, stopping_without_a_signal_is_fine)
{
    struct signals *signals = NULL;
    struct error error;

    cr_assert_eq(signals_start(&actions, &signals, &error), 0);
    signals_stop(signals);
    signals_stop(NULL);
}
