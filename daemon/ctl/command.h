/* SPDX-License-Identifier: Apache-2.0 */
/* A command of stepctl: one file each, which ends in its entry. main.c lists them. */
#ifndef STEPD_CTL_COMMAND_H
#define STEPD_CTL_COMMAND_H

#include "ctl/ctl.h"

/* Options that a command may take besides the global ones. */
enum {
    TAKES_TOPIC = 1 << 0,
    TAKES_KEY = 1 << 1,
    TAKES_ID = 1 << 2,
    TAKES_STATUS = 1 << 3,
    TAKES_FUNCTION = 1 << 4,
    TAKES_LIMIT = 1 << 5,
    TAKES_ALL_FAILED = 1 << 6,
    TAKES_EVENT = 1 << 7,
    TAKES_ASYNC = 1 << 8,
    TAKES_FROM = 1 << 9,
    TAKES_COUNT = 1 << 10,
    TAKES_ERROR = 1 << 11,
    TAKES_EVENT_NAME = 1 << 12,
    TAKES_TIMES = 1 << 13,
    TAKES_WHERE = 1 << 14,
    TAKES_DRY_RUN = 1 << 15,
    TAKES_NAME = 1 << 16,
    TAKES_AGAIN = 1 << 17,
    TAKES_LANGUAGE = 1 << 18,
    TAKES_SPAN = 1 << 19,
    TAKES_GROUPS = 1 << 20,
    TAKES_ALL = 1 << 21,
    TAKES_FOLLOW = 1 << 22,
    /* What chooses among runs. */
    TAKES_CHOICE = TAKES_STATUS | TAKES_FUNCTION | TAKES_ERROR | TAKES_EVENT_NAME | TAKES_TIMES | TAKES_WHERE,
};

extern const struct command COMMAND_SEND;
extern const struct command COMMAND_FUNCTIONS;
extern const struct command COMMAND_RUNS;
extern const struct command COMMAND_SHOW;
extern const struct command COMMAND_WHY;
extern const struct command COMMAND_RETRY;
extern const struct command COMMAND_CANCEL;
extern const struct command COMMAND_REDRIVE;
extern const struct command COMMAND_REPLAY;
extern const struct command COMMAND_PAUSE;
extern const struct command COMMAND_RESUME;
extern const struct command COMMAND_STATS;
extern const struct command COMMAND_TOP;
extern const struct command COMMAND_CAPACITY;
extern const struct command COMMAND_BACKUP;
extern const struct command COMMAND_RESTORE;
extern const struct command COMMAND_DOCTOR;
extern const struct command COMMAND_EVAL;
extern const struct command COMMAND_CRON;
extern const struct command COMMAND_OFFSETS;
extern const struct command COMMAND_NEW_MODULE;
extern const struct command COMMAND_NEW_PROGRAM;

#endif
