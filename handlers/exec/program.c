/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "common/last_words.h"
#include "common/spawn.h"

#define READ_SIZE 65536
#define DRAINED_MOST (1024 * 1024) /* of each pipe of a program that has ended: a grandchild may write on */
#define LINES_MOST 16              /* times line_most: all that is asked in one attempt */
#define ERROR_LINE_SIZE LAST_WORDS_SIZE
#define RETRY_AFTER_SIZE 64
#define RESERVE_MOST_MS 1000    /* of the attempt's time, kept back to end the program in */
#define CANCEL_PATIENCE_MS 2000 /* between SIGTERM and SIGKILL */
#define OVERDUE_PATIENCE_MS 1000
#define LAST_PATIENCE_MS 2000 /* after SIGKILL: then it hangs in the kernel, and is left there */

struct program {
    const struct program_spec *spec;
    struct spawned process; /* pipes that are closed are -1 */
    size_t input_taken;
    struct buffer output;
    bool output_is_cut;
    struct buffer lines; /* what it asks */
    size_t searched;     /* of lines: there is no end of one before, and one there if has_line */
    bool has_line;
    size_t handed_out; /* of lines, dropped by the next program_listen() */
    size_t lines_total;
    bool is_too_long, said_so;
    struct buffer answers;            /* what it is told and has not taken */
    char error_line[ERROR_LINE_SIZE]; /* under construction, not NUL-ended */
    size_t error_size;
    struct last_words last_words;
    char retry_after[RETRY_AFTER_SIZE];

    int64_t reserve_ms;           /* -1: not known yet */
    int64_t timeout_at_ms;        /* monotonic, the reserve kept back; INT64_MAX: never */
    int64_t end_by_ms;            /* monotonic; 0: nobody waits for its end */
    enum program_news stopped_as; /* PROGRAM_QUIET: nobody stopped it */
    int64_t kill_at_ms, leave_at_ms;
    bool has_ended;
    int exit_status, end_signal;
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pipe_close(struct program *program, enum pipe_place place)
{
    if (program->process.pipes[place] >= 0)
        (void)close(program->process.pipes[place]);
    program->process.pipes[place] = -1;
}

static bool is_open(const struct program *program, enum pipe_place place)
{
    return program->process.pipes[place] >= 0;
}

/* ---- what it reads ---------------------------------------------------------------------------- */

/* Bytes written; a pipe that nobody reads from is closed. */
static size_t write_some(struct program *program, enum pipe_place place, const char *bytes, size_t size)
{
    ssize_t written = size > 0 ? write(program->process.pipes[place], bytes, size) : 0;

    if (written >= 0)
        return (size_t)written;
    if (errno != EAGAIN && errno != EINTR)
        pipe_close(program, place);
    return 0;
}

static void feed(struct program *program)
{
    const struct program_spec *spec = program->spec;
    const char *input = spec->input;

    program->input_taken += write_some(program, PIPE_INPUT, input + program->input_taken, spec->input_size - program->input_taken);
    if (program->input_taken == spec->input_size)
        pipe_close(program, PIPE_INPUT);
}

static void answer(struct program *program)
{
    buffer_drop(&program->answers, write_some(program, PIPE_ANSWER, program->answers.bytes, program->answers.size));
}

static bool is_told_all(const struct program *program)
{
    return program->answers.size == 0 || !is_open(program, PIPE_ANSWER);
}

/* ---- what it writes --------------------------------------------------------------------------- */

static void take_output(struct program *program, const char *bytes, size_t size)
{
    size_t left = program->spec->output_most - program->output.size;

    buffer_add(&program->output, bytes, size < left ? size : left);
    if (size > left)
        program->output_is_cut = true;
}

static void error_line_end(struct program *program)
{
    static const char header[] = "retry-after:";
    char *line = program->error_line;

    while (program->error_size > 0 && (unsigned char)line[program->error_size - 1] <= ' ')
        program->error_size--;
    line[program->error_size] = '\0';
    bool is_empty = program->error_size == 0;
    program->error_size = 0;
    if (is_empty) {
        last_words_hear(&program->last_words, "");
        return;
    }
    if (strncasecmp(line, header, strlen(header)) == 0) {
        const char *value = line + strlen(header);
        value += strspn(value, " \t");
        if (strlen(value) < RETRY_AFTER_SIZE)
            memcpy(program->retry_after, value, strlen(value) + 1);
        return;
    }
    last_words_hear(&program->last_words, line);
    program->spec->complain(program->spec->context, line);
}

static void take_error(struct program *program, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n')
            error_line_end(program);
        else if (program->error_size < ERROR_LINE_SIZE - 1)
            program->error_line[program->error_size++] = bytes[i] != '\0' ? bytes[i] : ' ';
    }
}

static void search_line(struct program *program)
{
    const struct buffer *lines = &program->lines;
    const char *from = lines->bytes + program->searched;
    const char *end = lines->size > program->searched ? memchr(from, '\n', lines->size - program->searched) : NULL;

    program->has_line = end != NULL;
    program->searched = end != NULL ? (size_t)(end - lines->bytes) : lines->size;
}

static void take_asked(struct program *program, const char *bytes, size_t size)
{
    buffer_add(&program->lines, bytes, size);
    program->lines_total += size;
    if (!program->has_line)
        search_line(program);
    program->is_too_long = program->searched > program->spec->line_most || program->lines_total > LINES_MOST * program->spec->line_most;
}

static void take(struct program *program, enum pipe_place place, const char *bytes, size_t size)
{
    if (place == PIPE_OUTPUT)
        take_output(program, bytes, size);
    else if (place == PIPE_ERROR)
        take_error(program, bytes, size);
    else
        take_asked(program, bytes, size);
}

/* Bytes read; 0: nothing is there now, or ever. */
static size_t read_some(struct program *program, enum pipe_place place)
{
    char part[READ_SIZE];
    ssize_t got = read(program->process.pipes[place], part, sizeof(part));

    if (got > 0) {
        take(program, place, part, (size_t)got);
        return (size_t)got;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        pipe_close(program, place);
    return 0;
}

/* Its pipes may be held open by others: what it wrote itself is in them by now. */
static void drain(struct program *program, enum pipe_place place)
{
    size_t total = 0, got = 1;

    while (is_open(program, place) && !program->is_too_long && got > 0 && total < DRAINED_MOST) {
        got = read_some(program, place);
        total += got;
    }
    pipe_close(program, place);
}

/* ---- its end ---------------------------------------------------------------------------------- */

/* It was not reaped: the number is still its group's. It may have left it, so it is told apart. */
static void signal_group(const struct program *program, int number)
{
    int status = kill(-program->process.pid, number);

    if (status != 0 || number == SIGKILL)
        (void)pidfd_send_signal(program->process.pidfd, number, NULL, 0);
}

/* It is dead but not reaped, so what is left of its group can be killed by its number. */
static void bury(struct program *program)
{
    siginfo_t info = { .si_pid = 0 };

    signal_group(program, SIGKILL);
    if (waitid(P_PIDFD, (id_t)program->process.pidfd, &info, WEXITED) == 0) {
        program->exit_status = info.si_code == CLD_EXITED ? info.si_status : -1;
        program->end_signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    }
    program->has_ended = true;
    drain(program, PIPE_OUTPUT);
    drain(program, PIPE_ERROR);
    drain(program, PIPE_ASK);
    error_line_end(program);
    pipe_close(program, PIPE_INPUT);
    pipe_close(program, PIPE_ANSWER);
}

static void stop(struct program *program, enum program_news why, int64_t patience_ms)
{
    program->stopped_as = why;
    program->kill_at_ms = now_ms() + patience_ms;
    program->leave_at_ms = program->kill_at_ms + LAST_PATIENCE_MS;
    signal_group(program, SIGTERM);
}

static void keep_time(struct program *program)
{
    int64_t now = now_ms();

    if (program->stopped_as == PROGRAM_QUIET) {
        if (now >= program->timeout_at_ms)
            stop(program, PROGRAM_TIMED_OUT, program->reserve_ms / 2);
        else if (program->end_by_ms != 0 && now >= program->end_by_ms)
            stop(program, PROGRAM_OVERDUE, OVERDUE_PATIENCE_MS);
        return;
    }
    if (now >= program->kill_at_ms)
        signal_group(program, SIGKILL);
    if (now >= program->leave_at_ms)
        program->has_ended = true;
}

/* When keep_time() has something to do. */
static int64_t next_ms(const struct program *program)
{
    int64_t end_ms = program->end_by_ms != 0 ? program->end_by_ms : INT64_MAX;

    if (program->stopped_as == PROGRAM_QUIET)
        return program->timeout_at_ms < end_ms ? program->timeout_at_ms : end_ms;
    return now_ms() < program->kill_at_ms ? program->kill_at_ms : program->leave_at_ms;
}

/* ---- all of it at once ------------------------------------------------------------------------ */

static int fd_if(const struct program *program, enum pipe_place place, bool is_wanted)
{
    return is_wanted ? program->process.pipes[place] : -1; /* poll() skips those below 0 */
}

/* What it asks next waits in its pipe until it has taken the answer before. */
void program_poll(const struct program *program, struct pollfd *ret_fds, int64_t *ret_until_ms)
{
    const struct pollfd fds[PROGRAM_FDS] = {
        [PIPE_INPUT] = { .fd = program->process.pipes[PIPE_INPUT], .events = POLLOUT },
        [PIPE_OUTPUT] = { .fd = program->process.pipes[PIPE_OUTPUT], .events = POLLIN },
        [PIPE_ERROR] = { .fd = program->process.pipes[PIPE_ERROR], .events = POLLIN },
        [PIPE_ASK] = { .fd = fd_if(program, PIPE_ASK, !program->has_line && !program->is_too_long), .events = POLLIN },
        [PIPE_ANSWER] = { .fd = fd_if(program, PIPE_ANSWER, program->answers.size > 0), .events = POLLOUT },
        [PIPE_COUNT] = { .fd = program->has_ended ? -1 : program->process.pidfd, .events = POLLIN },
    };

    memcpy(ret_fds, fds, sizeof(fds));
    *ret_until_ms = next_ms(program);
}

void program_pump(struct program *program, const struct pollfd *fds)
{
    if (fds[PIPE_INPUT].revents != 0)
        feed(program);
    if (fds[PIPE_ANSWER].revents != 0)
        answer(program);
    for (enum pipe_place place = PIPE_OUTPUT; place <= PIPE_ASK; place++) {
        if (fds[place].revents != 0)
            (void)read_some(program, place);
    }
    if (fds[PIPE_COUNT].revents != 0)
        bury(program);
}

void program_wait(struct program *program)
{
    struct pollfd fds[PROGRAM_FDS];
    int64_t until_ms;

    program_poll(program, fds, &until_ms);
    int64_t left_ms = until_ms - now_ms();
    if (poll(fds, PROGRAM_FDS, until_ms == INT64_MAX ? -1 : left_ms > INT32_MAX ? INT32_MAX : left_ms > 0 ? (int)left_ms : 0) > 0)
        program_pump(program, fds);
}

/* ---- what callers see ------------------------------------------------------------------------- */

int program_start(const struct program_spec *spec, struct program **ret_program)
{
    struct program *program = calloc(1, sizeof(*program));

    if (program == NULL)
        return -ENOMEM;
    int status = spawn(spec->argv, spec->environment, spec->directory, SPAWN_IT_ASKS, &program->process);
    if (status != 0) {
        free(program);
        return status;
    }
    program->spec = spec;
    program->stopped_as = PROGRAM_QUIET;
    program->exit_status = -1;
    program->reserve_ms = -1;
    program->timeout_at_ms = INT64_MAX;
    *ret_program = program;
    return 0;
}

void program_destroy(struct program *program)
{
    if (program == NULL)
        return;
    if (!program->has_ended) {
        stop(program, PROGRAM_CANCELLED, 0);
        while (!program->has_ended) {
            keep_time(program);
            program_wait(program);
        }
    }
    for (enum pipe_place place = PIPE_INPUT; place < PIPE_COUNT; place++)
        pipe_close(program, place);
    (void)close(program->process.pidfd);
    buffer_done(&program->output);
    buffer_done(&program->lines);
    buffer_done(&program->answers);
    free(program);
}

/* The last one may lack its end. */
static bool next_line(struct program *program, const char **ret_line, size_t *ret_size)
{
    if (!program->has_line && (program->lines.size == 0 || is_open(program, PIPE_ASK)))
        return false;
    *ret_line = program->lines.bytes;
    *ret_size = program->searched;
    program->handed_out = program->searched + program->has_line;
    return true;
}

static void drop_handed_out(struct program *program)
{
    if (program->handed_out == 0)
        return;
    buffer_drop(&program->lines, program->handed_out);
    program->handed_out = program->searched = 0;
    search_line(program);
}

/* Said once; then it goes on as one that asks nothing, and may learn why. */
static bool is_to_say_too_long(struct program *program)
{
    if (!program->is_too_long || program->said_so)
        return false;
    program->said_so = true;
    program->has_line = false;
    buffer_drop(&program->lines, program->lines.size);
    pipe_close(program, PIPE_ASK);
    return true;
}

enum program_news program_look(struct program *program, const char **ret_line, size_t *ret_size)
{
    drop_handed_out(program);
    keep_time(program);
    if (is_to_say_too_long(program))
        return PROGRAM_TOO_LONG;
    if (is_told_all(program) && next_line(program, ret_line, ret_size))
        return PROGRAM_SAID;
    if (program->has_ended)
        return program->stopped_as == PROGRAM_QUIET ? PROGRAM_ENDED : program->stopped_as;
    return PROGRAM_QUIET;
}

bool program_has_news(struct program *program)
{
    drop_handed_out(program);
    keep_time(program);
    if (program->has_ended || (program->is_too_long && !program->said_so))
        return true;
    return is_told_all(program) && (program->has_line || (program->lines.size > 0 && !is_open(program, PIPE_ASK)));
}

void program_allow(struct program *program, int64_t left_ms)
{
    if (program->reserve_ms < 0)
        program->reserve_ms = left_ms / 10 < RESERVE_MOST_MS ? left_ms / 10 : RESERVE_MOST_MS;
    program->timeout_at_ms = left_ms == INT64_MAX ? INT64_MAX : now_ms() + left_ms - program->reserve_ms;
}

void program_cancel(struct program *program)
{
    if (program->stopped_as == PROGRAM_QUIET && !program->has_ended)
        stop(program, PROGRAM_CANCELLED, CANCEL_PATIENCE_MS);
}

void program_tell(struct program *program, const char *text)
{
    if (is_open(program, PIPE_ANSWER))
        buffer_add(&program->answers, text, strlen(text));
}

void program_untell(struct program *program)
{
    buffer_drop(&program->answers, program->answers.size);
}

void program_expect_end(struct program *program, int64_t patience_ms)
{
    if (program->end_by_ms == 0)
        program->end_by_ms = now_ms() + patience_ms;
}

bool program_has_ended(const struct program *program)
{
    return program->has_ended;
}

int program_exit_status(const struct program *program)
{
    return program->exit_status;
}

int program_end_signal(const struct program *program)
{
    return program->end_signal;
}

bool program_output(const struct program *program, const char **ret_output, size_t *ret_size)
{
    *ret_output = program->output.size > 0 ? program->output.bytes : "";
    *ret_size = program->output.size;
    return !program->output_is_cut;
}

const char *program_last_words(const struct program *program)
{
    return program->last_words.words;
}

const char *program_retry_after(const struct program *program)
{
    return program->retry_after[0] != '\0' ? program->retry_after : NULL;
}
