/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A config's keys as tables: what may stand at one, and where in a struct its value goes. What is wrong is
 * a fault with its place, and leaves the field as it was.
 */
#ifndef STEPD_CONFIG_CONFIG_KEY_H
#define STEPD_CONFIG_CONFIG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "config/setting.h"

enum config_key_type {
    KEY_STRING,   /* const char *, `least` bytes or more; points into the setting */
    KEY_INT,      /* int */
    KEY_INT64,    /* int64_t */
    KEY_BOOL,     /* bool */
    KEY_DURATION, /* int64_t, ms */
    KEY_SIZE,     /* int64_t, bytes */
    KEY_SCHEDULE, /* int64_t *, ms, the struct's to free; and a size_t at `given` */
    KEY_NAME,     /* an enum's, by `names` */
    KEY_OTHER,    /* read by hand */
};

struct config_key {
    const char *name;
    enum config_key_type type;
    size_t offset;
    size_t given; /* offset of a bool, or of the schedule's count; NOT_TOLD: nobody asks */
    int64_t least;
    int64_t most;
    const char *const *names; /* KEY_NAME: in the order of the enum; ended by NULL */
};
#define NOT_TOLD SIZE_MAX

/* The keys that a map may have. */
struct config_keys {
    const struct config_key *list;
    size_t count; /* CONFIG_KEYS_MAX at most */
};
#define CONFIG_KEYS_MAX 32

/* NULL: there is no such key. */
const struct config_key *config_keys_find(const struct config_keys *keys, const char *name);
/* Reads one into `target`. */
void config_key_read(const struct config_key *key, const struct setting *setting, void *target, struct config_faults *faults);
/* Reads all that `map` has; a key that is not in the table is a fault. */
void config_keys_read(const struct config_keys *keys, const struct setting *map, void *target, struct config_faults *faults);

/* The setting's text; NULL: it has none, which is a fault unless its variable is missing. */
const char *config_text(const struct setting *setting, const char *expected, struct config_faults *faults);
/* False: it is none, which is a fault unless nothing stands there. */
bool config_is_map(const struct setting *setting, struct config_faults *faults) MUST_CHECK;

#endif
