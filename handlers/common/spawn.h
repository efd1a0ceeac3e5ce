/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of its own group with five pipes: standard input, output and error, and descriptors 3
 * (one asks) and 4 (the other answers). Nothing else of ours is open in it, no signal blocked or ignored;
 * it dies with the thread that started it.
 */
#ifndef HANDLERS_COMMON_SPAWN_H
#define HANDLERS_COMMON_SPAWN_H

#include <sys/types.h>

enum pipe_place { PIPE_INPUT, PIPE_OUTPUT, PIPE_ERROR, PIPE_ASK, PIPE_ANSWER, PIPE_COUNT };

enum spawn_asker { SPAWN_IT_ASKS, SPAWN_WE_ASK };

struct spawned {
    pid_t pid;             /* of the process, and of its group */
    int pidfd;             /* readable once it has ended */
    int pipes[PIPE_COUNT]; /* our ends, non-blocking */
};

/* `argv` and `environment` end with NULL. A program without a slash is looked for in the PATH of `environment`. An
 * empty directory: ours. 0, or a negative errno: it does not run. */
int spawn(char *const *argv, char *const *environment, const char *directory, enum spawn_asker asker, struct spawned *ret_spawned);
/* Whether spawn() would find that program, and might run it. 0, or a negative errno. */
int spawn_find(const char *name, char *const *environment, const char *directory);

#endif
