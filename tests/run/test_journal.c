/* SPDX-License-Identifier: Apache-2.0 */
#include "run/journal.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/stepd-journal-XXXXXX";
static char path[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/journal", folder);
}

static void teardown(void)
{
    char name[80];

    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof(name), i == 0 ? "%s" : "%s.%d", path, i);
        (void)unlink(name);
    }
    (void)rmdir(folder);
}

TestSuite(journal, .init = setup, .fini = teardown);

static const struct function function = { .id = "mail" };
static struct journal *own; /* a child's */

static struct journal *opened(void)
{
    struct journal *journal = NULL;
    struct error error;

    cr_assert_eq(journal_open(path, 2, &journal, &error), 0, "%s", error.text);
    return journal;
}

/* What a process leaves that begins an attempt (and a step) and then does `end`. */
static void live_and(void (*end)(void), bool has_step)
{
    pid_t child = fork();

    if (child == 0) {
        struct event event = { .view = { .topic = "events", .partition = 3, .offset = 77 } };
        struct run run = { .function = &function, .event = &event, .attempt = 2, .epoch = 9 };
        struct step_call step = { .is_running = true, .id = "charge", .retries = 5 };
        own = opened();
        struct journal_slot *slot = journal_take_slot(own);
        memset(run.id.text, 'a', RUN_ID_LENGTH);
        journal_catch_crashes();
        journal_attach(slot);
        journal_begin(slot, &run);
        if (has_step)
            journal_begin_step(slot, &step);
        end();
        journal_end(slot);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);
}

static const struct journal_entry *found_one(struct journal *journal)
{
    size_t count;
    const struct journal_entry *found = journal_found(journal, &count);

    cr_assert_eq(count, 1, "%zu found", count);
    return found;
}

static void segfault(void)
{
    (void)raise(SIGSEGV);
}

static void segfault_beside_another_run(void)
{
    struct event event = { .view = { .topic = "events", .partition = 3, .offset = 78 } };
    struct run run = { .function = &function, .event = &event };

    memset(run.id.text, 'b', RUN_ID_LENGTH);
    journal_begin(journal_take_slot(own), &run);
    segfault();
}

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static void overflow_stack(void)
{
    volatile char frame[4096];

    frame[0] = 1;
    overflow_stack();
    frame[1] = frame[0];
}

static void be_killed(void)
{
    (void)kill(getpid(), SIGKILL);
}

static void call_exit(void)
{
    exit(0);
}

static void nothing(void)
{
}

Test(journal, a_crash_is_found_with_what_ran)
{
    live_and(segfault, true);
    struct journal *journal = opened();
    const struct journal_entry *entry = found_one(journal);
    cr_assert_eq(entry->state, JOURNAL_CRASHED);
    cr_assert_eq(entry->signal, SIGSEGV);
    cr_assert_str_eq(entry->function, "mail");
    cr_assert_str_eq(entry->topic, "events");
    cr_assert_eq(entry->partition, 3);
    cr_assert_eq(entry->offset, 77);
    cr_assert_eq(entry->attempt, 2);
    cr_assert_eq(entry->epoch, 9);
    cr_assert(entry->has_step && strcmp(entry->step.id, "charge") == 0 && entry->step.retries == 5);
    journal_close(journal);
}

Test(journal, who_ran_beside_a_crash_is_beyond_suspicion)
{
    live_and(segfault_beside_another_run, false);
    struct journal *journal = opened();
    cr_assert_eq(found_one(journal)->state, JOURNAL_CRASHED);
    cr_assert_eq(found_one(journal)->offset, 77);
    journal_close(journal);
}

Test(journal, a_stack_that_overflows_is_a_crash)
{
    live_and(overflow_stack, false);
    struct journal *journal = opened();
    cr_assert_eq(found_one(journal)->state, JOURNAL_CRASHED);
    cr_assert(!found_one(journal)->has_step);
    journal_close(journal);
}

Test(journal, exit_in_a_handler_is_a_crash)
{
    live_and(call_exit, false);
    struct journal *journal = opened();
    cr_assert_eq(found_one(journal)->state, JOURNAL_CRASHED);
    cr_assert_eq(found_one(journal)->signal, 0);
    journal_close(journal);
}

Test(journal, who_was_killed_was_running)
{
    live_and(be_killed, false);
    struct journal *journal = opened();
    cr_assert_eq(found_one(journal)->state, JOURNAL_RUNNING);
    journal_close(journal);
}

Test(journal, an_attempt_that_ended_leaves_nothing)
{
    size_t count;

    live_and(nothing, false);
    struct journal *journal = opened();
    (void)journal_found(journal, &count);
    cr_assert_eq(count, 0);
    journal_close(journal);
}

Test(journal, daemons_that_share_a_path_have_files_of_their_own_and_read_the_dead_ones)
{
    size_t count;
    struct journal *first = opened();

    live_and(segfault, false); /* in PATH.1 */
    (void)journal_found(first, &count);
    cr_assert_eq(count, 0);
    journal_close(first);
    struct journal *second = opened();
    (void)found_one(second);
    journal_forget_found(second);
    journal_close(second);
    struct journal *third = opened();
    (void)journal_found(third, &count);
    cr_assert_eq(count, 0);
    journal_close(third);
}

Test(journal, bytes_of_strangers_are_not_believed)
{
    size_t count;
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    for (int i = 0; i < 10000; i++)
        (void)fputc(i * 7919 & 255, file);
    (void)fclose(file);
    struct journal *journal = opened();
    (void)journal_found(journal, &count);
    cr_assert_eq(count, 0);
    journal_close(journal);
}

Test(journal, a_step_without_a_name_is_not_believed)
{
    char bytes[65536];
    size_t count;

    live_and(be_killed, true);
    FILE *file = fopen(path, "r+");
    cr_assert_not_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    const char *name = memmem(bytes, size, "charge", 6);
    cr_assert_not_null(name);
    cr_assert_eq(fseek(file, name - bytes, SEEK_SET), 0);
    (void)fputc('\0', file);
    (void)fclose(file);
    struct journal *journal = opened();
    (void)journal_found(journal, &count);
    cr_assert_eq(count, 0);
    journal_close(journal);
}
