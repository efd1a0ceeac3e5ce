/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the crash journal is. Unless the config names a file: in the first of $STATE_DIRECTORY, $XDG_STATE_HOME/stepd,
 * /var/lib/stepd and ~/.local/state/stepd that can be written, under a name of the daemon's own.
 */
#ifndef STEPD_CRASH_JOURNAL_PLACE_H
#define STEPD_CRASH_JOURNAL_PLACE_H

/* What it means that there is none; for daemon and doctor. */
#define JOURNAL_MISSING "a handler that crashes is attempted again and again, its crashes are not counted"

struct journal_owner {
    const char *config_path;
    const char *group; /* kafka's group.id */
    const char *file;  /* worker.journal; empty: not given */
};

/* The file's path; NULL: none of the folders can be written. The folder is made. Caller frees. */
char *journal_place(const struct journal_owner *owner);

#endif
