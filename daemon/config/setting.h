/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person wrote in a config file, with its place, before anyone knows what it means: a tree of
 * names and values. Owned by the config; lives as long as it does.
 */
#ifndef STEPD_CONFIG_SETTING_H
#define STEPD_CONFIG_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Counted from 1, 0: unknown; file NULL: nowhere. `file` is place_file()'s. */
struct place {
    const char *file;
    int line;
    int column;
};

enum setting_kind {
    SETTING_NULL, /* `name:` with nothing behind */
    SETTING_SCALAR,
    SETTING_LIST,
    SETTING_MAP,
    SETTING_MISSING, /* stands for a variable that is not there: said already */
};

struct setting {
    char *name;         /* NULL in a list */
    struct place place; /* of the name; in a list, of the value */
    struct place value_place;
    enum setting_kind kind;
    char *text;            /* SCALAR: as written, variables expanded */
    char *shown;           /* SCALAR: as it may be shown: as written, secrets hidden; NULL: as `text` */
    struct setting *items; /* LIST, MAP */
    size_t count;
};

/* A copy of `path` that stays until the process ends; the same one for the same path. Any
 * thread. */
const char *place_file(const char *path);

const struct setting *setting_find(const struct setting *map, const char *name);

/* What a message may say that a scalar is. */
const char *setting_shown(const struct setting *setting);

/* Faults of a config, all of them, so that a person can mend them in one go. */
struct config_fault {
    struct place place;
    char *text;
};

struct config_faults {
    struct config_fault *items;
    size_t count;
};

/* Adds `file:line:column: error: text`. `place` may be NULL: about no line in particular. Copies. */
void config_faults_add(struct config_faults *faults, const struct place *place, const char *format, ...) PRINTF_LIKE(3, 4);
/* Of `names`, the one that `name` is probably a slip of; NULL: none is near. */
const char *config_suggest(const char *name, const char *const *names, size_t count);
/* Frees what they hold; they are empty then. */
void config_faults_done(struct config_faults *faults);

/* Values as they stand in a config. 0, or -EINVAL (-ERANGE: too large) with *ret untouched. */
int parse_int(const char *text, int64_t *ret_value) MUST_CHECK;
int parse_double(const char *text, double *ret_value) MUST_CHECK;
int parse_bool(const char *text, bool *ret_value) MUST_CHECK;        /* true false */
int parse_duration_ms(const char *text, int64_t *ret_ms) MUST_CHECK; /* 250ms 15s 1m30s 1.5h 7d 0 */
int parse_size(const char *text, int64_t *ret_bytes) MUST_CHECK;     /* 512 512B 64KiB 4MiB 1GiB, kB MB GB */

#endif
