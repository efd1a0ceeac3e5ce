/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scripts by name, and one call of one of them. A script's arguments are views: they live until the
 * call has ended.
 */
#ifndef STEPD_STORE_REDIS_SCRIPT_H
#define STEPD_STORE_REDIS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "run/run.h"

#define SCRIPT_COUNT 42
#define SCRIPT_SHA_SIZE 40
#define SCRIPT_MAX_ARGUMENTS 32
#define SCRIPT_MAX_FORMATTED 514 /* of a group's call (group.h) */

/* With what calls a call may go out as one (group.h). */
enum script_group {
    GROUP_NONE,
    GROUP_TAKES,
    GROUP_ADVANCES,
    GROUP_MATCHES,
    GROUP_ADMITS,
    GROUP_KINDS, /* how many there are */
};

struct script_call {
    int script;
    int shard;
    enum script_group group;
    bool is_unhurried; /* nobody waits for its answer: it may go out a moment later, with others of its group (inbox.h) */
    struct bytes arguments[SCRIPT_MAX_ARGUMENTS];
    size_t count;
    size_t grouped;                         /* behind those, of the group's script alone */
    char numbers[SCRIPT_MAX_ARGUMENTS][24]; /* what script_add_number() wrote */
    /* The arguments at owner_at and owner_at + 1 are this worker's incarnation, raw and as hex
     * digits; should it change while the call waits, what is sent changes too. -1: none are. */
    int owner_at;
    struct incarnation owner; /* as sent; read it after the call */
    char owner_hex[33];
};

/* `script`: the name of its file, "claim". */
int script_index(const char *name);
/* It goes out alone unless its `group` is set. */
void script_begin(struct script_call *call, const char *script, int shard);
void script_add(struct script_call *call, struct bytes argument);
void script_add_text(struct script_call *call, const char *text);
void script_add_number(struct script_call *call, int64_t number);
/* After all others: what only the script of the call's group is asked with. */
void script_add_grouped(struct script_call *call, struct bytes argument);
/* Two arguments: an incarnation, which stays as it is … */
void script_add_owner(struct script_call *call, const struct incarnation *owner);
/* … or this worker's, `self`, which follows. */
void script_add_self_as(struct script_call *call, const struct incarnation *self);
void script_set_owner(struct script_call *call, const struct incarnation *owner);

const char *script_name(int script);
/* Another one whenever its text is: tests/store/redis/test_versions.c keeps the digests. */
int script_version(int script);
/* What is loaded into Redis: its first line names script and version. The caller frees. */
char *script_text(int script);
/* The command that calls it, on "PREFIX{shard}:", as it goes over the wire; the caller frees. The script's
 * digest is to be written at *ret_sha_at. */
char *script_format(const struct script_call *call, const char *shard_prefix, size_t *ret_size, size_t *ret_sha_at);
/* As large, or a little more. */
size_t script_size(const struct script_call *call, const char *shard_prefix);
/* The same of arguments that no call has, at most SCRIPT_MAX_FORMATTED. */
char *script_format_arguments(const struct bytes *arguments, size_t count, const char *shard_prefix, size_t *ret_size, size_t *ret_sha_at);

#endif
