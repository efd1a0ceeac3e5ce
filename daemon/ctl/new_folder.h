/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder to begin with, made of texts that stepctl carries: `new-module` and `new-program`. In their
 * names and texts @NAME@ stands for the folder's name, @PACKAGE@ for where a client's package is.
 */
#ifndef STEPD_CTL_NEW_FOLDER_H
#define STEPD_CTL_NEW_FOLDER_H

#include <stddef.h>

#include "ctl/ctl.h"

struct new_file {
    const char *name, *text;
};

struct new_folder {
    const char *what;        /* "module" */
    const char *path, *name; /* borrowed from the command line */
    const char *package;     /* NULL: its texts name none */
};

/* The path is the command's first argument, its last part the name. All of these say what is wrong themselves. */
enum ctl_exit new_folder_read(struct new_folder *folder, const struct ctl *ctl, const char *what) MUST_CHECK;
enum ctl_exit new_folder_make(const struct new_folder *folder, const struct new_file *files, size_t count) MUST_CHECK;
/* Says that it is there; `hint` for people. */
void new_folder_tell(const struct new_folder *folder, const struct ctl *ctl, const char *hint);

#endif
