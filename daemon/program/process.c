/* SPDX-License-Identifier: Apache-2.0 */
#include "program/process.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "common/environment.h"
#include "common/spawn.h"
#include "common/text.h"

#define READ_SIZE ((size_t)65536)
#define LOGGED_LINE_MOST 900
#define KEPT_ROOM ((size_t)1 << 20) /* a larger buffer is given back once it is empty */

/* ---- stretches ---------------------------------------------------------------------------------- */

static size_t stretch_size(const struct stretch *stretch)
{
    return stretch->end - stretch->begin;
}

/* Room for `size` more, at the end. */
static char *stretch_reserve(struct stretch *stretch, size_t size)
{
    if (stretch->begin > 0 && stretch->room - stretch->end < size) {
        memmove(stretch->bytes, stretch->bytes + stretch->begin, stretch_size(stretch));
        stretch->end -= stretch->begin;
        stretch->begin = 0;
    }
    if (stretch->room - stretch->end < size) {
        stretch->room = 2 * (stretch->end + size);
        stretch->bytes = xrealloc(stretch->bytes, stretch->room);
    }
    return stretch->bytes + stretch->end;
}

static void stretch_drop(struct stretch *stretch, size_t size)
{
    assert(size <= stretch_size(stretch));
    stretch->begin += size;
    if (stretch->begin < stretch->end)
        return;
    stretch->begin = stretch->end = 0;
    if (stretch->room > KEPT_ROOM) {
        free(stretch->bytes);
        *stretch = (struct stretch){ 0 };
    }
}

/* ---- its life ----------------------------------------------------------------------------------- */

/* In the bits that an address leaves free. */
static struct epoll_event event_of(const struct process *process, enum process_pipe pipe, uint32_t events)
{
    assert(((uintptr_t)process & 7) == 0 && (unsigned)pipe <= 7);
    return (struct epoll_event){ .events = events, .data = { .u64 = (uint64_t)(uintptr_t)process | pipe } };
}

struct process *process_of_event(uint64_t data, enum process_pipe *ret_pipe)
{
    *ret_pipe = (enum process_pipe)(data & 7);
    return (struct process *)(uintptr_t)(data & ~UINT64_C(7));
}

void process_pause(struct process *process, int epoll, bool is_paused)
{
    struct epoll_event event = event_of(process, PROCESS_ANSWER, EPOLLIN);

    if (process->is_paused == is_paused || process->answer_fd < 0)
        return;
    process->is_paused = is_paused;
    (void)epoll_ctl(epoll, is_paused ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, process->answer_fd, &event);
}

static int watch(int epoll, int fd, uint32_t events, struct process *process, enum process_pipe pipe)
{
    struct epoll_event event = event_of(process, pipe, events);

    return fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

static struct environment environment_of(const struct config_program *settings)
{
    struct environment environment = environment_create(settings->inherits_environment, settings->environment);

    environment_add(&environment, "STEPD_PROGRAM", settings->name);
    environment_add(&environment, "STEPD_PROTOCOL", "1");
    return environment;
}

int process_find_directory(const struct config_program *settings)
{
    struct stat info;

    if (settings->directory[0] == '\0')
        return 0;
    if (stat(settings->directory, &info) != 0)
        return -errno;
    if (!S_ISDIR(info.st_mode))
        return -ENOTDIR;
    return access(settings->directory, X_OK) == 0 ? 0 : -errno;
}

int process_find_command(const struct config_program *settings)
{
    struct environment environment = environment_of(settings);
    int status = spawn_find(settings->command[0], environment.entries, settings->directory);

    environment_done(&environment);
    return status;
}

static void take_pipes(struct process *process, const struct spawned *spawned)
{
    process->pid = spawned->pid;
    process->pidfd = spawned->pidfd;
    process->output_fd = spawned->pipes[PIPE_OUTPUT];
    process->error_fd = spawned->pipes[PIPE_ERROR];
    process->ask_fd = spawned->pipes[PIPE_ASK];
    process->answer_fd = spawned->pipes[PIPE_ANSWER];
    (void)close(spawned->pipes[PIPE_INPUT]);
}

int process_start(struct program *program, const struct config_program *settings, int place, int epoll, struct process **ret_process,
                  struct error *ret_error)
{
    struct environment environment = environment_of(settings);
    struct spawned spawned;
    int status = spawn((char *const *)(uintptr_t)settings->command, environment.entries, settings->directory, SPAWN_WE_ASK, &spawned);

    environment_done(&environment);
    if (status != 0)
        return error_set(ret_error, -status, "%s can't be run%s%s: %s", settings->command[0], settings->directory[0] != '\0' ? " in " : "",
                         settings->directory, strerror(-status));
    struct process *process = xcalloc(1, sizeof(*process));
    process->program = program;
    process->name = settings->name;
    process->place = place;
    process->started_ms = clock_monotonic_ms();
    take_pipes(process, &spawned);
    status = watch(epoll, process->answer_fd, EPOLLIN, process, PROCESS_ANSWER);
    if (status == 0)
        status = watch(epoll, process->output_fd, EPOLLIN, process, PROCESS_OUTPUT);
    if (status == 0)
        status = watch(epoll, process->error_fd, EPOLLIN, process, PROCESS_ERROR);
    if (status == 0)
        status = watch(epoll, process->pidfd, EPOLLIN, process, PROCESS_END);
    if (status == 0)
        status = watch(epoll, process->ask_fd, 0, process, PROCESS_ASK);
    if (status != 0) {
        process_destroy(process);
        return error_set(ret_error, -status, "no room for another program: %s", strerror(-status));
    }
    *ret_process = process;
    return 0;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void process_signal(const struct process *process, int signal)
{
    if (process->pid > 0)
        (void)kill(-process->pid, signal);
}

void process_destroy(struct process *process)
{
    process_signal(process, SIGKILL); /* what it left behind, too */
    if (process->pid > 0)
        (void)waitpid(process->pid, NULL, WNOHANG);
    close_one(&process->ask_fd);
    close_one(&process->answer_fd);
    close_one(&process->output_fd);
    close_one(&process->error_fd);
    close_one(&process->pidfd);
    free(process->told.bytes);
    free(process->said.bytes);
    free(process->output.bytes);
    free(process->errors.bytes);
    free(process->fault);
    free(process);
}

/* ---- what it is told ---------------------------------------------------------------------------- */

void process_tell(struct process *process, const char *text, size_t size)
{
    if (process->ask_fd < 0)
        return;
    char *room = stretch_reserve(&process->told, size + 1);
    memcpy(room, text, size);
    room[size] = '\n';
    assert(process->told.end + size + 1 <= process->told.room);
    process->told.end += size + 1;
    process->is_dirty = true;
}

static void wait_to_write(struct process *process, int epoll, bool waits)
{
    struct epoll_event event = event_of(process, PROCESS_ASK, waits ? EPOLLOUT : 0);

    if (waits == process->waits_to_write || process->ask_fd < 0)
        return;
    process->waits_to_write = waits;
    (void)epoll_ctl(epoll, EPOLL_CTL_MOD, process->ask_fd, &event);
}

/* It does not listen: what it still says counts. */
static void stop_telling(struct process *process)
{
    close_one(&process->ask_fd);
    process_note_closed(process, "it closed descriptor 3");
}

void process_flush(struct process *process, int epoll)
{
    process->is_dirty = false;
    while (process->ask_fd >= 0 && stretch_size(&process->told) > 0) {
        ssize_t written = write(process->ask_fd, process->told.bytes + process->told.begin, stretch_size(&process->told));
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN)
            stop_telling(process);
        if (written < 0)
            break;
        stretch_drop(&process->told, (size_t)written);
    }
    wait_to_write(process, epoll, stretch_size(&process->told) > 0);
}

/* ---- what it says ------------------------------------------------------------------------------- */

bool process_read(struct process *process, size_t most)
{
    for (size_t total = 0; total < most;) {
        char *room = stretch_reserve(&process->said, READ_SIZE);
        ssize_t got = read(process->answer_fd, room, READ_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN;
        if (got == 0)
            return false;
        process->said.end += (size_t)got;
        total += (size_t)got;
        if ((size_t)got < READ_SIZE)
            break;
    }
    return true;
}

const char *process_line(struct process *process, size_t *ret_size)
{
    struct stretch *said = &process->said;
    const char *begin = said->bytes + said->begin;

    if (stretch_size(said) == 0)
        return NULL;
    assert(process->searched <= stretch_size(said));
    const char *end = memchr(begin + process->searched, '\n', stretch_size(said) - process->searched);
    if (end == NULL) {
        process->searched = stretch_size(said);
        if (process->searched > PROCESS_LINE_MOST)
            process_blame(process, "it wrote a line of more than %zu MiB", PROCESS_LINE_MOST >> 20);
        return NULL;
    }
    process->searched = 0;
    *ret_size = (size_t)(end - begin);
    said->begin += *ret_size + 1; /* the bytes stay until the next read */
    if (said->begin == said->end)
        said->begin = said->end = 0;
    return begin;
}

void process_note_closed(struct process *process, const char *what)
{
    if (process->closed != NULL || process->state == PROCESS_DRAINING)
        return;
    process->closed = what;
    process->closed_ms = clock_monotonic_ms();
}

void process_blame(struct process *process, const char *format, ...)
{
    va_list arguments;

    if (process->fault != NULL)
        return;
    va_start(arguments, format);
    process->fault = xvasprintf(format, arguments);
    va_end(arguments);
}

/* ---- its standard output and error -------------------------------------------------------------- */

static size_t without_blanks_at_end(const char *line, size_t size)
{
    while (size > 0 && (unsigned char)line[size - 1] <= ' ')
        size--;
    return size;
}

/* Blank lines and what a line is indented by tell where a trace begins and ends. */
static void hear_last_words(struct process *process, const char *line, size_t size)
{
    char text[LAST_WORDS_SIZE];

    text_copy(line, without_blanks_at_end(line, size), text, sizeof(text));
    last_words_hear(&process->last_words, text);
}

static void log_line_of(struct process *process, const char *line, size_t size, bool is_error)
{
    char text[LOGGED_LINE_MOST];

    if (is_error)
        hear_last_words(process, line, size);
    text_to_line(line, size, text, sizeof(text));
    if (text[0] != '\0')
        log_event(LOG_LEVEL_INFO, NULL, "program %s (%d): %s", process->name, (int)process->pid, text);
}

/* Whole lines, and what is too long for one. */
static void log_lines(struct process *process, struct stretch *stretch, bool is_error)
{
    while (stretch_size(stretch) > 0) {
        const char *begin = stretch->bytes + stretch->begin;
        const char *end = memchr(begin, '\n', stretch_size(stretch));
        size_t size = end != NULL ? (size_t)(end - begin) : stretch_size(stretch);
        if (end == NULL && size < LOGGED_LINE_MOST)
            return;
        log_line_of(process, begin, size, is_error);
        stretch_drop(stretch, size + (end != NULL));
    }
}

bool process_log(struct process *process, int fd)
{
    bool is_error = fd == process->error_fd;
    struct stretch *stretch = is_error ? &process->errors : &process->output;
    ssize_t got = read(fd, stretch_reserve(stretch, READ_SIZE), READ_SIZE);

    assert(fd == process->error_fd || fd == process->output_fd);
    if (got > 0) {
        stretch->end += (size_t)got;
        log_lines(process, stretch, is_error);
        return true;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static void log_rest(struct process *process, int *fd, struct stretch *stretch, bool is_error)
{
    for (int reads = 0; *fd >= 0 && reads < 16 && process_log(process, *fd); reads++) {
        if (stretch_size(stretch) == 0 && reads > 0)
            break;
    }
    if (stretch_size(stretch) > 0)
        log_line_of(process, stretch->bytes + stretch->begin, stretch_size(stretch), is_error);
    stretch->begin = stretch->end = 0;
}

void process_log_rest(struct process *process)
{
    log_rest(process, &process->output_fd, &process->output, false);
    log_rest(process, &process->error_fd, &process->errors, true);
}

/* Caller frees. */
static char *end_of(const struct process *process, int wait_status)
{
    if (process->fault != NULL)
        return xstrdup(process->fault);
    if (!WIFSIGNALED(wait_status))
        return xasprintf("exit status %d", WEXITSTATUS(wait_status));
    const char *name = sigabbrev_np(WTERMSIG(wait_status)); /* a signal of real time has none */
    return name != NULL ? xasprintf("killed by signal %d (SIG%s)", WTERMSIG(wait_status), name)
                        : xasprintf("killed by signal %d", WTERMSIG(wait_status));
}

char *process_obituary(const struct process *process, int wait_status)
{
    AUTO_FREE char *end = end_of(process, wait_status);
    char words[LAST_WORDS_SIZE];

    text_to_line(process->last_words.words, strlen(process->last_words.words), words, sizeof(words));
    return xasprintf("program %s (process %d): %s%s%s", process->name, (int)process->pid, end, words[0] != '\0' ? ": " : "", words);
}
