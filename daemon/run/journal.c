/* SPDX-License-Identifier: Apache-2.0 */
#include "run/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/lock.h"

#define MAGIC UINT64_C(0x31304a4450455453) /* "STEPDJ01" */
#define FILES_MAX 64
#define SIGNAL_STACK_SIZE 65536

struct file_head {
    uint64_t magic;
    uint32_t entry_size;
    uint32_t slots;
};

struct journal_slot {
    struct journal_entry *entry; /* in the file */
    bool is_taken;               /* journal's lock */
    struct journal *journal;
    void *signal_stack;
};

struct journal {
    int file; /* holds the lock on it */
    void *map;
    size_t map_size;
    size_t slot_count;
    struct journal_slot *slots;
    struct lock lock; /* guards is_taken */
    struct journal_entry *found;
    size_t found_count;
    int orphans[FILES_MAX]; /* locked files of processes that are gone */
    size_t orphan_count;
};

static _Thread_local struct journal_entry *own_entry; /* of the thread; NULL: none */

/* ---- files --------------------------------------------------------------------------------------- */

/* Opens and locks; -EWOULDBLOCK: a living process holds it. */
static int open_locked(const char *path, int flags)
{
    int file = open(path, O_RDWR | O_CLOEXEC | flags, 0600);

    if (file < 0)
        return -errno;
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        int failed = errno;
        (void)close(file);
        return -failed;
    }
    return file;
}

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

/* Whether what stands there can have been written by this version. */
static bool is_sound(const struct journal_entry *entry)
{
    return (entry->state == JOURNAL_RUNNING || entry->state == JOURNAL_CRASHED) && is_terminated(entry->run_id, sizeof(entry->run_id)) &&
           run_id_is_valid(entry->run_id) && is_terminated(entry->function, sizeof(entry->function)) &&
           is_terminated(entry->topic, sizeof(entry->topic)) && is_terminated(entry->step.id, sizeof(entry->step.id)) &&
           entry->attempt >= 0 && entry->attempt <= UINT16_MAX && entry->phase >= RUN_IN_FUNCTION && entry->phase <= RUN_IN_ON_FAILURE &&
           (entry->has_step == 0 || (entry->step.id[0] != '\0' && entry->step.executions >= 0));
}

/* Of what one process left, from `first` on: where it is known whose handler ended it, the others are
 * beyond suspicion. */
static void drop_bystanders(struct journal *journal, size_t first)
{
    size_t crashed = first;

    for (size_t i = first; i < journal->found_count; i++) {
        if (journal->found[i].state == JOURNAL_CRASHED)
            journal->found[crashed++] = journal->found[i];
    }
    if (crashed > first)
        journal->found_count = crashed;
}

static void read_entries(struct journal *journal, int file)
{
    struct file_head head;
    struct journal_entry entry;

    if (pread(file, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != MAGIC || head.entry_size != sizeof(entry))
        return;
    size_t first = journal->found_count;
    for (uint32_t i = 0; i < head.slots; i++) {
        off_t at = (off_t)(sizeof(head) + i * sizeof(entry));
        if (pread(file, &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
            return;
        if (!is_sound(&entry))
            continue;
        journal->found = xrealloc(journal->found, (journal->found_count + 1) * sizeof(entry));
        journal->found[journal->found_count++] = entry;
    }
    drop_bystanders(journal, first);
}

static char *file_name(const char *path, int number)
{
    return number == 0 ? xstrdup(path) : xasprintf("%s.%d", path, number);
}

/* The first free file becomes ours; the others that are free were left by the dead. */
static int take_files(struct journal *journal, const char *path, struct error *ret_error)
{
    for (int number = 0; number < FILES_MAX; number++) {
        AUTO_FREE char *name = file_name(path, number);
        int file = open_locked(name, journal->file < 0 ? O_CREAT : 0);
        if (file == -EWOULDBLOCK)
            continue;
        if (file == -ENOENT)
            break;
        if (file < 0)
            return error_set(ret_error, -file, "can't open the crash journal %s: %s", name, strerror(-file));
        read_entries(journal, file);
        if (journal->file < 0)
            journal->file = file;
        else
            journal->orphans[journal->orphan_count++] = file;
        assert(journal->orphan_count < FILES_MAX);
    }
    return journal->file >= 0 ? 0 : error_set(ret_error, EMFILE, "%d daemons hold the crash journals %s already", FILES_MAX, path);
}

static int map_file(struct journal *journal, struct error *ret_error)
{
    assert(journal->file >= 0 && journal->map == NULL);
    journal->map_size = sizeof(struct file_head) + journal->slot_count * sizeof(struct journal_entry);
    if (ftruncate(journal->file, 0) != 0 || ftruncate(journal->file, (off_t)journal->map_size) != 0)
        return error_set(ret_error, errno, "can't write the crash journal: %s", strerror(errno));
    journal->map = mmap(NULL, journal->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, journal->file, 0);
    if (journal->map == MAP_FAILED) {
        journal->map = NULL;
        return error_set(ret_error, errno, "can't map the crash journal: %s", strerror(errno));
    }
    *(struct file_head *)journal->map =
        (struct file_head){ .magic = MAGIC, .entry_size = sizeof(struct journal_entry), .slots = (uint32_t)journal->slot_count };
    struct journal_entry *entries = (struct journal_entry *)((char *)journal->map + sizeof(struct file_head));
    for (size_t i = 0; i < journal->slot_count; i++)
        journal->slots[i] = (struct journal_slot){ .entry = &entries[i], .journal = journal };
    return 0;
}

int journal_open(const char *path, size_t slots, struct journal **ret_journal, struct error *ret_error)
{
    struct journal *journal = xcalloc(1, sizeof(*journal));

    assert(slots > 0);
    journal->file = -1;
    journal->slot_count = slots;
    journal->slots = xcalloc(slots, sizeof(*journal->slots));
    lock_init(&journal->lock);
    int status = take_files(journal, path, ret_error);
    if (status == 0)
        status = map_file(journal, ret_error);
    if (status != 0) {
        journal_close(journal);
        return status;
    }
    *ret_journal = journal;
    return 0;
}

const struct journal_entry *journal_found(const struct journal *journal, size_t *ret_count)
{
    *ret_count = journal->found_count;
    return journal->found;
}

void journal_forget_found(struct journal *journal)
{
    for (size_t i = 0; i < journal->orphan_count; i++) {
        (void)!ftruncate(journal->orphans[i], 0);
        (void)close(journal->orphans[i]);
    }
    journal->orphan_count = 0;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    for (size_t i = 0; i < journal->orphan_count; i++)
        (void)close(journal->orphans[i]);
    if (journal->map != NULL)
        (void)munmap(journal->map, journal->map_size);
    if (journal->file >= 0)
        (void)close(journal->file);
    lock_done(&journal->lock);
    free(journal->slots);
    free(journal->found);
    free(journal);
}

/* ---- crashes ------------------------------------------------------------------------------------- */

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };

/* The handler is gone after it ran once: the instruction that faulted does so again, and abort() goes on. */
static void mark(int signal_number)
{
    if (own_entry != NULL && own_entry->state == JOURNAL_RUNNING) {
        own_entry->signal = signal_number;
        own_entry->state = JOURNAL_CRASHED;
    }
    (void)raise(signal_number); /* sent from outside, it would not come again by itself */
}

static void mark_exit(void)
{
    if (own_entry != NULL && own_entry->state == JOURNAL_RUNNING)
        own_entry->state = JOURNAL_CRASHED;
}

void journal_catch_crashes(void)
{
    struct sigaction action = { .sa_handler = mark, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK | SA_NODEFER) };

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT_OF(fatal_signals); i++)
        (void)sigaction(fatal_signals[i], &action, NULL);
    (void)atexit(mark_exit);
}

/* ---- slots --------------------------------------------------------------------------------------- */

struct journal_slot *journal_take_slot(struct journal *journal)
{
    struct journal_slot *slot = NULL;

    if (journal == NULL)
        return NULL;
    LOCK_GUARD(&journal->lock);
    for (size_t i = 0; i < journal->slot_count && slot == NULL; i++) {
        if (!journal->slots[i].is_taken)
            slot = &journal->slots[i];
    }
    if (slot != NULL)
        slot->is_taken = true;
    return slot;
}

/* The calling thread's: it has no crash of its own from here on. */
void journal_give_slot(struct journal_slot *slot)
{
    const stack_t none = { .ss_flags = SS_DISABLE };

    if (slot == NULL)
        return;
    assert(slot->is_taken && own_entry == slot->entry);
    own_entry = NULL;
    slot->entry->state = JOURNAL_FREE;
    (void)sigaltstack(&none, NULL);
    free(slot->signal_stack);
    slot->signal_stack = NULL;
    LOCK_GUARD(&slot->journal->lock);
    slot->is_taken = false;
}

void journal_attach(struct journal_slot *slot)
{
    if (slot == NULL)
        return;
    assert(slot->is_taken && slot->signal_stack == NULL);
    /* A handler that ran out of stack leaves none to note it on. */
    slot->signal_stack = xmalloc(SIGNAL_STACK_SIZE);
    const stack_t stack = { .ss_sp = slot->signal_stack, .ss_size = SIGNAL_STACK_SIZE };
    (void)sigaltstack(&stack, NULL);
    own_entry = slot->entry;
}

static void copy_name(char *to, const char *from)
{
    size_t size = strnlen(from, JOURNAL_NAME_SIZE - 1);

    memcpy(to, from, size);
    to[size] = '\0';
}

void journal_follow(struct journal_slot *slot, const struct run *run)
{
    if (slot == NULL)
        return;
    slot->entry->attempt = run->attempt;
    slot->entry->phase = (int32_t)run->phase;
    slot->entry->epoch = run->epoch;
    slot->entry->owner = run->owner;
}

void journal_begin(struct journal_slot *slot, const struct run *run)
{
    if (slot == NULL)
        return;
    struct journal_entry *entry = slot->entry;
    memcpy(entry->run_id, run->id.text, sizeof(entry->run_id));
    copy_name(entry->function, run->function->id);
    copy_name(entry->topic, run->event->view.topic);
    entry->partition = run->event->view.partition;
    entry->offset = run->event->view.offset;
    entry->has_step = 0;
    journal_follow(slot, run);
    atomic_signal_fence(memory_order_release);
    entry->state = JOURNAL_RUNNING;
}

void journal_begin_step(struct journal_slot *slot, const struct step_call *step)
{
    assert(step->is_running);
    if (slot == NULL)
        return;
    slot->entry->step = *step;
    atomic_signal_fence(memory_order_release);
    slot->entry->has_step = 1;
}

void journal_end_step(struct journal_slot *slot)
{
    if (slot != NULL)
        slot->entry->has_step = 0;
}

void journal_end(struct journal_slot *slot)
{
    if (slot != NULL)
        slot->entry->state = JOURNAL_FREE;
}
