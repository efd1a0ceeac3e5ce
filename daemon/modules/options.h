/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module's or a function's own settings: from its option table and what the config gives to the
 * struct that its code reads. All faults are told, not just the first.
 */
#ifndef STEPD_MODULES_OPTIONS_H
#define STEPD_MODULES_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <stepd/stepd.h>

#include "config/setting.h"

struct option_table {
    const char *owner;                  /* "module mail": how messages name it */
    const struct stepd_option *options; /* ended by a NULL name; NULL: has none */
    size_t size;                        /* of the struct */
    const char *config_path;            /* paths count from its folder; NULL: they stay as they are */
    const char *const *taken;           /* keys that the config reads itself where the options stand;
                                            ended by NULL; NULL: none */
};

/* Whether the table itself is sound: names, types, offsets, defaults. `place`: of the module. */
bool options_check(const struct option_table *table, const struct place *place, struct config_faults *faults);

/* The filled struct of a sound table, options_free() it; NULL when the table is empty or after a
 * fault. `given` is a map, or NULL; `place` is where what is missing should have been. Copies. */
void *options_fill(const struct option_table *table, const struct setting *given, const struct place *place, struct config_faults *faults);
typedef int options_check_fn(const void *options, char *ret_why, size_t why_size);
/* What the author's own check (NULL: there is none) says of a filled struct; of NULL nothing. */
void options_ask(const char *owner, options_check_fn *check, const void *filled, const struct place *place, struct config_faults *faults);
void options_free(const struct stepd_option *options, void *filled);

#endif
