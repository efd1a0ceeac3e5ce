/* SPDX-License-Identifier: Apache-2.0 */
#include "service/signals.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "service/notify.h"

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
        (void)kill(getpid(), SIGINT);
        (void)sleep(5);
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

Test(notify, does_nothing_without_a_service_manager)
{
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    notify_ready();
    notify_status("working on %d things\nREADY=0", 3);
    notify_extend_timeout(1000);
    notify_stopping();
    cr_assert_eq(notify_watchdog_interval_ms(), 0);
}

Test(notify, tells_the_service_manager)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char text[512];
    int sock = socket(AF_UNIX, SOCK_DGRAM, 0);

    /* An abstract address, named after us. */
    int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "stepd-notify-%d", (int)getpid());
    cr_assert_eq(bind(sock, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)), 0);
    (void)snprintf(text, sizeof(text), "@%s", address.sun_path + 1);
    (void)setenv("NOTIFY_SOCKET", text, 1);
    notify_status("3 partitions\nREADY=0");
    ssize_t size = read(sock, text, sizeof(text) - 1);
    text[size > 0 ? size : 0] = '\0';
    cr_assert_str_eq(text, "STATUS=3 partitions");
    notify_extend_timeout(1500);
    size = read(sock, text, sizeof(text) - 1);
    text[size > 0 ? size : 0] = '\0';
    cr_assert_str_eq(text, "EXTEND_TIMEOUT_USEC=1500000");
    (void)close(sock);
}
