/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void run(const char *program, char *const *argv, const char *log, int death_signal, pid_t parent, int failure)
{
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, death_signal);
    if (getppid() != parent)
        _exit(0);
    (void)setpgid(0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int input = open("/dev/null", O_RDONLY);
    int output = log != NULL ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (input >= 0)
        (void)dup2(input, STDIN_FILENO);
    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
        (void)dup2(output, STDERR_FILENO);
    }
    (void)execvp(program, argv);
    int code = errno;
    ssize_t written = write(failure, &code, sizeof(code));
    _exit(written > 0 ? 127 : 126);
}

int child_start(const char *program, char *const *argv, const char *log, int death_signal, pid_t *ret_pid)
{
    const pid_t parent = getpid();
    int failure[2];
    int code = 0;

    if (pipe2(failure, O_CLOEXEC) != 0)
        return -errno;
    pid_t pid = fork();
    if (pid == 0)
        run(program, argv, log, death_signal, parent, failure[1]);
    (void)close(failure[1]);
    if (pid < 0)
        code = EAGAIN;
    else if (read(failure[0], &code, sizeof(code)) != sizeof(code))
        code = 0; /* the pipe closed: it runs */
    (void)close(failure[0]);
    if (code != 0) {
        if (pid > 0)
            (void)waitpid(pid, NULL, 0);
        return -code;
    }
    *ret_pid = pid;
    return 0;
}

bool child_stop(pid_t pid, int patience_ms)
{
    const struct timespec nap = { .tv_nsec = 10 * 1000 * 1000 };
    const int64_t end_ms = clock_monotonic_ms() + patience_ms;

    if (pid <= 0)
        return true;
    (void)kill(pid, SIGTERM);
    while (clock_monotonic_ms() < end_ms) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return true;
        (void)nanosleep(&nap, NULL);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return false;
}

char *child_end_text(int wait_status)
{
    assert(WIFEXITED(wait_status) || WIFSIGNALED(wait_status)); /* it is over, not stopped */
    if (!WIFSIGNALED(wait_status))
        return xasprintf("exited with status %d", WEXITSTATUS(wait_status));
    const int number = WTERMSIG(wait_status);
    const char *name = sigabbrev_np(number);
    return xasprintf("was killed by SIG%s (%s)", name != NULL ? name : "?", strsignal(number));
}
