/* SPDX-License-Identifier: Apache-2.0 */
#include "service/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"

/* Who signals a process and its group too (timeout(1), pkill(1) and `stepd dev` together) means one stop. */
#define ECHO_MS 500

struct signals {
    struct thread thread;
    int signal_fd;
    int end_fd;
    struct signal_actions actions;
};

static void signal_set_fill(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;

    signal_set_fill(&set);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

struct stopper {
    struct thread thread;
    struct signals *signals;
    const char *name;
};

static void *stopper_run(void *argument)
{
    struct stopper *stopper = argument;

    stopper->signals->actions.stop(stopper->signals->actions.context, stopper->name);
    return NULL;
}

static void *signals_run(void *argument)
{
    struct signals *signals = argument;
    struct stopper stopper = { .signals = signals };
    int64_t told_ms = 0;
    struct pollfd watched[] = {
        { .fd = signals->signal_fd, .events = POLLIN },
        { .fd = signals->end_fd, .events = POLLIN },
    };

    struct error error;

    for (;;) {
        pulse_rest_here();
        if (poll(watched, 2, -1) < 0 && errno != EINTR)
            abort();
        pulse_beat_here();
        if (watched[1].revents != 0)
            break;
        struct signalfd_siginfo info;
        if (read(signals->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
            continue;
        if (info.ssi_signo == SIGHUP) {
            if (stopper.name == NULL)
                signals->actions.reload(signals->actions.context);
            continue;
        }
        if (stopper.name != NULL && clock_monotonic_ms() - told_ms < ECHO_MS)
            continue;
        if (stopper.name != NULL) {
            log_error("told to stop twice: the daemon ends at once; attempts that ran are made again at the next start");
            log_close();
            _exit(128 + (int)info.ssi_signo);
        }
        /* On a thread of its own, so that a second signal is seen while it waits. */
        stopper.name = info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
        told_ms = clock_monotonic_ms();
        if (thread_start(&stopper.thread, "stop", 0, stopper_run, &stopper, &error) != 0)
            abort();
    }
    thread_join(&stopper.thread);
    return NULL;
}

static void signals_free(struct signals *signals)
{
    if (signals->signal_fd >= 0)
        (void)close(signals->signal_fd);
    if (signals->end_fd >= 0)
        (void)close(signals->end_fd);
    free(signals);
}

int signals_start(const struct signal_actions *actions, struct signals **ret_signals, struct error *ret_error)
{
    struct signals *signals = xcalloc(1, sizeof(*signals));
    sigset_t set;

    signals_block();
    signal_set_fill(&set);
    signals->actions = *actions;
    signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signals->end_fd = eventfd(0, EFD_CLOEXEC);
    int status = signals->signal_fd < 0 || signals->end_fd < 0 ? error_set(ret_error, errno, "signals: %s", strerror(errno)) : 0;
    if (status == 0)
        status = thread_start(&signals->thread, "signals", PULSE_LIMIT_MS, signals_run, signals, ret_error);
    if (status != 0) {
        signals_free(signals);
        return status;
    }
    *ret_signals = signals;
    return 0;
}

void signals_stop(struct signals *signals)
{
    const uint64_t one = 1;

    if (signals == NULL)
        return;
    if (write(signals->end_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        abort();
    thread_join(&signals->thread);
    signals_free(signals);
}
