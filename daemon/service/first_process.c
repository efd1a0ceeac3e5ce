/* SPDX-License-Identifier: Apache-2.0 */
#include "service/first_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Waits for all that have ended. True: the daemon is among them. */
static bool reap(pid_t daemon, int *ret_status)
{
    bool has_ended = false;
    int wait_status = 0;

    for (pid_t pid; (pid = waitpid(-1, &wait_status, WNOHANG)) > 0;) {
        if (pid != daemon)
            continue;
        has_ended = true;
        *ret_status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    }
    return has_ended;
}

static int serve(pid_t daemon, const sigset_t *signals)
{
    int status = EXIT_FAILURE;

    for (;;) {
        const int number = sigwaitinfo(signals, NULL);
        if (number == SIGCHLD && reap(daemon, &status))
            return status;
        if (number > 0 && number != SIGCHLD)
            (void)kill(daemon, number);
    }
}

bool first_process_serve(int *ret_status)
{
    sigset_t all, before;

    if (getpid() != 1)
        return false;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    const pid_t daemon = fork();
    if (daemon == 0) {
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        return false;
    }
    if (daemon < 0) {
        perror("stepd: process 1 can't start the daemon");
        *ret_status = EXIT_FAILURE;
        return true;
    }
    *ret_status = serve(daemon, &all);
    return true;
}
