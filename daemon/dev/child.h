/* SPDX-License-Identifier: Apache-2.0 */
/* A program that lives no longer than this process. Runs on: the main thread only, as the kernel
   takes the end of the thread that forked for the end of the parent. */
#ifndef STEPD_DEV_CHILD_H
#define STEPD_DEV_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* Its own process group: a Ctrl-C of the terminal goes to us alone, and we end it in order.
   `log`: a file for what it prints, or NULL for our own output. `death_signal` is what it gets when
   we die. -ENOENT and the like when the program can't be run. */
MUST_CHECK int child_start(const char *program, char *const *argv, const char *log, int death_signal, pid_t *ret_pid);

/* SIGTERM, then SIGKILL after `patience_ms`. Returns whether it ended by itself; pid 0: nothing to
   do. */
bool child_stop(pid_t pid, int patience_ms);

/* "was killed by SIGSEGV (Segmentation fault)", "exited with status 1". Caller frees. */
char *child_end_text(int wait_status);

#endif
