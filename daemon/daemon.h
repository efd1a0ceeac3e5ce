/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon put together from its parts (parts/part.h): loaded, started, served, stopped. */
#ifndef STEPD_DAEMON_H
#define STEPD_DAEMON_H

#include "parts/part.h"

enum {
    DAEMON_EXIT_CONFIG = 78, /* EX_CONFIG: the config or a module is refused */
};

/* Reads config and modules; says all that is wrong with them. 0, or the exit status. */
int daemon_load(struct daemon *daemon, const char *config_path);
/* Says what the start would go on without: programs that can't be run now. */
void daemon_warn(const struct daemon *daemon);
/* Starts all parts. 0, or the exit status; the reason is said. */
int daemon_start(struct daemon *daemon);
/* Until a stop is asked for. */
void daemon_serve(struct daemon *daemon);
/* Drains and ends all that was started, whatever that is. */
void daemon_stop(struct daemon *daemon);

#endif
