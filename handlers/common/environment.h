/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a program that is started: entries `NAME=value`. */
#ifndef HANDLERS_COMMON_ENVIRONMENT_H
#define HANDLERS_COMMON_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct environment {
    char **entries; /* ended by NULL */
    size_t count;
};

/* Of our own variables all that are no secret of ours, or PATH alone; and `given`: name, value, …, ended by NULL. */
struct environment environment_create(bool inherits, const char *const *given);
/* Replaces an earlier one of that name. */
void environment_add(struct environment *environment, const char *name, const char *value);
void environment_add_number(struct environment *environment, const char *name, int64_t number);
void environment_done(struct environment *environment);

#endif
