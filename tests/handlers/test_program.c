/* SPDX-License-Identifier: Apache-2.0 */
/* Real programs, mostly such as mean no good. */
#include "program.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 60 /* machines are slow; a hang is longer */

static char complaints[256];
static struct program *program;
static const char *line;
static size_t line_size;

static void keep_complaint(void *context, const char *text)
{
    (void)context;
    size_t size = strlen(complaints);
    (void)snprintf(complaints + size, sizeof(complaints) - size, "%s|", text);
}

static struct program_spec spec = {
    .directory = "",
    .input = "",
    .output_most = 4096,
    .line_most = 4096,
    .complain = keep_complaint,
};

static void start(const char *script)
{
    static char *argv[4] = { "sh", "-c" };
    static char *environment[] = { "PATH=/usr/bin:/bin", NULL };

    free(argv[2]); /* of the one before */
    argv[2] = strdup(script);
    spec.argv = argv;
    spec.environment = environment;
    cr_assert_eq(program_start(&spec, &program), 0);
    program_allow(program, INT64_MAX);
}

static enum program_news listen(void)
{
    enum program_news news;

    while ((news = program_look(program, &line, &line_size)) == PROGRAM_QUIET)
        program_wait(program);
    return news;
}

static void stop(void)
{
    program_destroy(program);
}

TestSuite(program, .fini = stop, .timeout = 4 * PATIENCE_S);

static void expect_said(const char *wanted)
{
    cr_assert_eq(listen(), PROGRAM_SAID);
    cr_assert_eq(line_size, strlen(wanted));
    cr_assert_arr_eq(line, wanted, line_size);
}

static void expect_ended(int status)
{
    cr_assert_eq(listen(), PROGRAM_ENDED);
    cr_assert_eq(program_exit_status(program), status);
}

static void expect_output(const char *wanted)
{
    const char *output;
    size_t size;

    cr_assert(program_output(program, &output, &size));
    cr_assert_eq(size, strlen(wanted), "%.*s", (int)size, output);
    cr_assert_arr_eq(output, wanted, size);
}

static time_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- what is expected of a program ------------------------------------------------------------ */

Test(program, gets_its_input_and_its_output_is_kept)
{
    spec.input = "hello";
    spec.input_size = 5;
    start("cat; exit 3");
    expect_ended(3);
    expect_output("hello");
}

Test(program, an_input_larger_than_a_pipe_arrives)
{
    char *input = calloc(1, 1000000);

    spec.input = input;
    spec.input_size = 1000000;
    start("wc -c");
    expect_ended(0);
    expect_output("1000000\n");
    free(input);
}

Test(program, asks_and_is_answered)
{
    start("echo one >&3; read a <&4; echo \"$a\"; echo two >&3; read a <&4; echo \"$a\"");
    expect_said("one");
    program_tell(program, "first\n");
    expect_said("two");
    program_tell(program, "sec");
    program_tell(program, "ond\n");
    expect_ended(0);
    expect_output("first\nsecond\n");
}

Test(program, a_large_answer_arrives_while_it_writes_much_itself)
{
    char *answer = malloc(1000002);

    memset(answer, 'x', 1000000);
    (void)strcpy(answer + 1000000, "\n");
    start("echo go >&3; yes | head -c 1000000 >&2; head -c 1000001 <&4 | wc -c");
    expect_said("go");
    program_tell(program, answer);
    expect_ended(0);
    expect_output("1000001\n");
    free(answer);
}

Test(program, what_it_says_before_its_end_is_heard)
{
    start("echo one >&3; echo two >&3; printf three >&3");
    expect_said("one");
    expect_said("two");
    expect_said("three");
    expect_ended(0);
}

Test(program, its_complaints_are_told_and_the_last_one_kept)
{
    start("echo first >&2; echo >&2; printf 'last words' >&2; exit 1");
    expect_ended(1);
    cr_assert_str_eq(complaints, "first|last words|");
    cr_assert_str_eq(program_last_words(program), "last words");
    cr_assert_null(program_retry_after(program));
}

Test(program, says_when_to_come_back)
{
    start("echo busy >&2; echo 'Retry-After:  120 ' >&2; exit 75");
    expect_ended(75);
    cr_assert_str_eq(program_retry_after(program), "120");
    cr_assert_str_eq(program_last_words(program), "busy");
}

Test(program, a_signal_that_ended_it_is_known)
{
    start("kill -9 $$");
    cr_assert_eq(listen(), PROGRAM_ENDED);
    cr_assert_eq(program_exit_status(program), -1);
    cr_assert_eq(program_end_signal(program), SIGKILL);
}

Test(program, runs_in_its_directory)
{
    spec.directory = "/usr";
    start("pwd");
    expect_ended(0);
    expect_output("/usr\n");
}

Test(program, one_that_is_not_there_is_said)
{
    static char *argv[] = { "no-such-program", NULL };

    spec.argv = argv;
    spec.environment = argv + 1;
    cr_assert_eq(program_start(&spec, &program), -ENOENT);
    argv[0] = "/etc/passwd";
    cr_assert_eq(program_start(&spec, &program), -EACCES);
    spec.directory = "/no/such/folder";
    argv[0] = "/bin/true";
    cr_assert_eq(program_start(&spec, &program), -ENOENT);
    program = NULL;
}

/* ---- what it inherits ------------------------------------------------------------------------- */

Test(program, has_no_descriptor_of_ours)
{
    cr_assert_geq(dup(0), 0); /* not close-on-exec */
    start("ls /proc/self/fd | wc -l");
    expect_ended(0);
    expect_output("6\n"); /* 0 to 4, and the folder */
}

Test(program, has_no_signal_blocked_or_ignored)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    start("grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -c 0000000000000000");
    expect_ended(0);
    expect_output("2\n");
}

/* ---- what it must not be able to do ----------------------------------------------------------- */

static bool is_alive(pid_t pid)
{
    char path[64], state = 'Z';
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    (void)fclose(file);
    return state != 'Z';
}

static pid_t said_pid(void)
{
    cr_assert_eq(listen(), PROGRAM_SAID);
    return (pid_t)strtol(line, NULL, 10);
}

static void expect_dead(pid_t pid)
{
    for (int i = 0; i < PATIENCE_S * 20 && is_alive(pid); i++)
        (void)usleep(50000);
    cr_assert_not(is_alive(pid));
}

Test(program, one_past_its_time_is_ended_with_its_group)
{
    time_t started_s = now_s();

    start("trap '' TERM; sleep 1000 & echo $! >&3; wait; wait");
    pid_t grandchild = said_pid();
    program_allow(program, 0);
    cr_assert_eq(listen(), PROGRAM_TIMED_OUT);
    expect_dead(grandchild);
    cr_assert_lt(now_s() - started_s, PATIENCE_S);
}

Test(program, a_cancelled_one_may_tidy_up)
{
    start("trap 'echo tidied; exit 0' TERM; echo ready >&3; while :; do sleep 0.05; done");
    expect_said("ready");
    program_cancel(program);
    cr_assert_eq(listen(), PROGRAM_CANCELLED);
    expect_output("tidied\n");
}

Test(program, one_that_has_to_go_is_ended)
{
    start("trap '' TERM; echo ready >&3; while :; do sleep 0.05; done");
    expect_said("ready");
    program_expect_end(program, 10);
    cr_assert_eq(listen(), PROGRAM_OVERDUE);
}

Test(program, one_that_left_its_group_is_ended)
{
    start("exec python3 -c 'import os, time; os.setpgid(0, os.getppid()); os.write(3, b\"%d\\n\" % os.getpid()); time.sleep(1000)'");
    pid_t pid = said_pid();
    program_allow(program, 0);
    cr_assert_eq(listen(), PROGRAM_TIMED_OUT);
    expect_dead(pid);
}

Test(program, a_grandchild_that_keeps_its_pipes_open_keeps_nobody_waiting)
{
    time_t started_s = now_s();

    start("sleep 1000 & echo $! >&3; echo done; exit 0");
    pid_t grandchild = said_pid();
    expect_ended(0);
    expect_output("done\n");
    expect_dead(grandchild);
    cr_assert_lt(now_s() - started_s, PATIENCE_S);
}

Test(program, one_that_escaped_and_writes_on_keeps_nobody_waiting)
{
    start("setsid sh -c 'echo $$ >&3; sleep 0.3; yes >&3 & yes' & read go <&4; exit 0");
    pid_t escaped = said_pid();
    enum program_news news;

    program_tell(program, "go\n");
    while ((news = listen()) == PROGRAM_SAID)
        continue;
    cr_assert(news == PROGRAM_ENDED || news == PROGRAM_TOO_LONG);
    (void)kill(-escaped, SIGKILL);
}

Test(program, a_line_without_end_is_stopped)
{
    start("yes | tr -d '\\n' >&3");
    cr_assert_eq(listen(), PROGRAM_TOO_LONG);
    enum program_news news = listen();
    cr_assert_eq(news, PROGRAM_ENDED); /* nobody reads it any more */
}

Test(program, lines_without_end_are_stopped)
{
    enum program_news news;
    size_t count = 0;

    start("yes >&3");
    while ((news = listen()) == PROGRAM_SAID)
        count++;
    cr_assert_eq(news, PROGRAM_TOO_LONG);
    cr_assert_gt(count, 1000);
}

Test(program, an_output_without_end_is_cut_and_does_not_block_it)
{
    const char *output;
    size_t size;

    start("yes | head -c 10000000; exit 7");
    expect_ended(7);
    cr_assert_not(program_output(program, &output, &size));
    cr_assert_eq(size, spec.output_most);
}

Test(program, a_complaint_without_end_is_cut)
{
    start("yes | head -c 10000000 | tr -d '\\n' >&2; exit 7");
    expect_ended(7);
    cr_assert_eq(strlen(program_last_words(program)), 1023);
}

Test(program, closed_descriptors_do_no_harm)
{
    spec.input = calloc(1, 1000000);
    spec.input_size = 1000000;
    (void)signal(SIGPIPE, SIG_IGN);
    start("exec 0<&- 1>&- 2>&- 4<&-; echo ask >&3; sleep 0.3; exit 4");
    expect_said("ask");
    program_tell(program, "answer\n");
    expect_ended(4);
    free((void *)(uintptr_t)spec.input);
}

Test(program, bytes_of_any_kind_are_bytes)
{
    start("printf '\\000\\377\\n' >&3; printf '\\000\\377' ; printf '\\377\\000x\\n' >&2");
    cr_assert_eq(listen(), PROGRAM_SAID);
    cr_assert_eq(line_size, 2);
    cr_assert_arr_eq(line, "\0\377", 2);
    expect_ended(0);
}

static size_t descriptor_count(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

Test(program, leaves_no_descriptor_and_no_child)
{
    size_t before = descriptor_count();

    for (int i = 0; i < 5; i++) {
        start(i % 2 == 0 ? "exit 0" : "sleep 1000");
        if (i % 2 == 0)
            expect_ended(0);
        program_destroy(program);
    }
    program = NULL;
    cr_assert_eq(descriptor_count(), before);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1); /* there is none */
}
