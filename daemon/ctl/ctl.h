/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all commands of stepctl share: the command line, the config, the store. stepctl speaks to
 * Kafka and Redis itself, so that it works while the daemon is down. One thread, and those of the
 * libraries.
 */
#ifndef STEPD_CTL_CTL_H
#define STEPD_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "config/config.h"
#include "store/store.h"

enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
    CTL_NOT_FOUND = 3,
    CTL_UNREACHABLE = 4,
};

struct ctl;

/* One command; ctl/command.h lists them. */
struct command {
    const char *name;
    const char *arguments; /* as its usage shows them */
    const char *summary;
    const char *help; /* paragraphs and examples */
    unsigned options; /* TAKES_… */
    int most_words;
    enum ctl_exit (*run)(struct ctl *ctl);
};

#define CTL_WORDS_MAX 3

struct ctl {
    const struct command *command;
    /* From the command line; NULL: not given. */
    const char *config_path;
    const char *topic, *key, *id, *status, *function, *limit_text;
    const char *event, *async, *from, *count;
    const char *error, *since, *until, *where, *name, *to;
    bool is_dev, is_json, wants_help, wants_version, is_all_failed, is_dry_run, is_again, is_python, is_node, is_all, is_following;
    const char *words[CTL_WORDS_MAX + 1]; /* the command first */
    int word_count;
    size_t limit;

    struct config *config;     /* NULL until ctl_load_config() */
    struct redis_store *store; /* NULL until ctl_open_store() */
    struct watchdog *watchdog;
};

/* One line on standard error, `stepctl: …`; returns `status`. */
enum ctl_exit ctl_fail(enum ctl_exit status, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same for a call's wrong arguments, with where to read about them. */
enum ctl_exit ctl_misused(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);

/* These say what is wrong themselves. */
enum ctl_exit ctl_load_config(struct ctl *ctl) MUST_CHECK;
/* As the daemon would, with all its variables and credentials. */
enum ctl_exit ctl_load_whole_config(struct ctl *ctl) MUST_CHECK;
enum ctl_exit ctl_open_store(struct ctl *ctl) MUST_CHECK;
/* Connects for store_start(); used by doctor, which goes on without. */
int ctl_try_store(struct ctl *ctl, struct error *ret_error) MUST_CHECK;
/* A call to the store answered so: Redis went away, or refused. */
enum ctl_exit ctl_store_failed(const struct ctl *ctl, int status);
void ctl_done(struct ctl *ctl);

#endif
