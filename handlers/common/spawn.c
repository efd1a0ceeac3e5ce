/* SPDX-License-Identifier: Apache-2.0 */
#include "common/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

struct ends {
    int ours[PIPE_COUNT], theirs[PIPE_COUNT]; /* -1: not open */
    int failure[2];                           /* errno of a program that can't be run comes through it */
};

/* ---- descriptors ------------------------------------------------------------------------------ */

static void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Above those that the program gets, so that putting one in its place overwrites no other. */
static int fd_raise(int *fd)
{
    int raised = fcntl(*fd, F_DUPFD_CLOEXEC, PIPE_COUNT);

    if (raised < 0)
        return -errno;
    fd_close(fd);
    *fd = raised;
    return 0;
}

static int pipe_open(int ret_ends[2])
{
    int status;

    if (pipe2(ret_ends, O_CLOEXEC) != 0) {
        ret_ends[0] = ret_ends[1] = -1;
        return -errno;
    }
    status = fd_raise(&ret_ends[0]);
    return status == 0 ? fd_raise(&ret_ends[1]) : status;
}

static void ends_close(struct ends *ends)
{
    for (int i = 0; i < PIPE_COUNT; i++) {
        fd_close(&ends->ours[i]);
        fd_close(&ends->theirs[i]);
    }
    fd_close(&ends->failure[0]);
    fd_close(&ends->failure[1]);
}

/* Who asks on 3 writes there, and reads what is answered on 4. */
static bool is_written_by_us(int place, enum spawn_asker asker)
{
    return place == PIPE_INPUT || place == (asker == SPAWN_WE_ASK ? PIPE_ASK : PIPE_ANSWER);
}

static int ends_open(struct ends *ends, enum spawn_asker asker)
{
    int status = pipe_open(ends->failure);

    for (int i = 0; i < PIPE_COUNT && status == 0; i++) {
        int both[2];
        bool is_ours_to_write = is_written_by_us(i, asker);
        status = pipe_open(both);
        ends->ours[i] = both[is_ours_to_write];
        ends->theirs[i] = both[!is_ours_to_write];
        if (status == 0 && fcntl(ends->ours[i], F_SETFL, O_NONBLOCK) != 0)
            status = -errno;
    }
    return status;
}

/* ---- finding the program ---------------------------------------------------------------------- */

static bool is_program(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

static const char *path_of(char *const *environment)
{
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "PATH=", strlen("PATH=")) == 0)
            return *environment + strlen("PATH=");
    }
    return DEFAULT_PATH;
}

/* As a shell does; a path with a slash is taken as it is. */
static int program_find(const char *name, char *const *environment, char *ret_path, size_t size)
{
    const char *at = path_of(environment);

    if (strchr(name, '/') != NULL)
        return snprintf(ret_path, size, "%s", name) < (int)size ? 0 : -ENAMETOOLONG;
    for (; *at != '\0'; at += *at == ':') {
        size_t length = strcspn(at, ":");
        if (snprintf(ret_path, size, "%.*s/%s", (int)length, at, name) < (int)size && is_program(ret_path))
            return 0;
        at += length;
    }
    return -ENOENT;
}

int spawn_find(const char *name, char *const *environment, const char *directory)
{
    char found[PATH_MAX];
    char path[2 * PATH_MAX];
    struct stat info;
    int status = program_find(name, environment, found, sizeof(found));

    if (status != 0)
        return status;
    bool is_within = found[0] != '/' && directory[0] != '\0'; /* it is looked for once we are there */
    (void)snprintf(path, sizeof(path), "%s%s%s", is_within ? directory : "", is_within ? "/" : "", found);
    if (stat(path, &info) != 0)
        return -errno;
    return is_program(path) ? 0 : -EACCES;
}

/* ---- in the child: between fork and exec nothing may be called that could wait for a lock -------- */

static void signals_reset(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool descriptors_place(const struct ends *ends)
{
    for (int i = 0; i < PIPE_COUNT; i++) {
        if (dup2(ends->theirs[i], i) < 0)
            return false;
    }
    return close_range(PIPE_COUNT, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static void child_run(const char *path, char *const *argv, char *const *environment, const char *directory, const struct ends *ends,
                      pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    signals_reset();
    if (setpgid(0, 0) == 0 && (directory[0] == '\0' || chdir(directory) == 0) && descriptors_place(ends))
        (void)execve(path, argv, environment);
    int code = errno;
    ssize_t written = write(ends->failure[1], &code, sizeof(code));
    _exit(written > 0 ? 127 : 126);
}

/* ---- in the parent ---------------------------------------------------------------------------- */

/* Waits until the program runs, or can't be run. */
static int child_await(pid_t pid, struct ends *ends)
{
    int code = 0;
    ssize_t got;

    fd_close(&ends->failure[1]);
    do
        got = read(ends->failure[0], &code, sizeof(code));
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return 0;
    (void)waitpid(pid, NULL, 0);
    return got == (ssize_t)sizeof(code) ? -code : -EIO;
}

static int child_start(char *const *argv, char *const *environment, const char *directory, struct ends *ends, struct spawned *spawned)
{
    char path[PATH_MAX];
    const pid_t parent = getpid();
    int status = program_find(argv[0], environment, path, sizeof(path));

    if (status != 0)
        return status;
    spawned->pid = fork();
    if (spawned->pid < 0)
        return -errno;
    if (spawned->pid == 0)
        child_run(path, argv, environment, directory, ends, parent);
    status = child_await(spawned->pid, ends);
    if (status != 0)
        return status;
    spawned->pidfd = pidfd_open(spawned->pid, 0);
    if (spawned->pidfd >= 0)
        return 0;
    status = -errno;
    (void)kill(-spawned->pid, SIGKILL);
    (void)waitpid(spawned->pid, NULL, 0);
    return status;
}

int spawn(char *const *argv, char *const *environment, const char *directory, enum spawn_asker asker, struct spawned *ret_spawned)
{
    struct ends ends = { .ours = { -1, -1, -1, -1, -1 }, .theirs = { -1, -1, -1, -1, -1 }, .failure = { -1, -1 } };
    struct spawned spawned = { .pidfd = -1 };
    int status = ends_open(&ends, asker);

    if (status == 0)
        status = child_start(argv, environment, directory, &ends, &spawned);
    if (status == 0) {
        for (int i = 0; i < PIPE_COUNT; i++) {
            spawned.pipes[i] = ends.ours[i];
            ends.ours[i] = -1;
        }
        *ret_spawned = spawned;
    }
    ends_close(&ends);
    return status;
}
