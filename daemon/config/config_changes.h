/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two configs differ in, and which of that a running daemon can take over. Keys only, never
 * values: those may be secrets.
 */
#ifndef STEPD_CONFIG_CONFIG_CHANGES_H
#define STEPD_CONFIG_CONFIG_CHANGES_H

#include "config/config.h"

enum change_kind {
    CHANGE_AT_ONCE,    /* log level, retry schedule, settings and options of functions */
    CHANGE_AT_RESTART, /* all else */
};

/* The keys of that kind, as "log.level, functions.mail.retries"; NULL: none. Caller frees. */
char *config_changes(const struct config *before, const struct config *after, enum change_kind kind);

#endif
