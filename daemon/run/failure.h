/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of a failure in msgpack: what is not UTF-8 is kept too, as bin. */
#ifndef STEPD_RUN_FAILURE_H
#define STEPD_RUN_FAILURE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* One array, read field by field; whatever it is given, it stays within `left`. */
struct fields {
    struct bytes left;
    uint64_t count;  /* fields that follow */
    bool is_damaged; /* set by the first that does not fit; then all are 0, empty, nil */
};

/* `bytes` begins with an array; else it is damaged. */
struct fields fields_open(struct bytes bytes);
/* The next field's bytes, at most `depth` levels deep. Size 0: damaged. */
struct bytes fields_take(struct fields *fields, int depth);
/* Outside [min, max] it is damaged. */
int64_t fields_take_integer(struct fields *fields, int64_t min, int64_t max);
/* The view of a text; nil: data NULL. */
struct bytes fields_take_text(struct fields *fields);

void failure_pack_text(msgpack_packer *packer, const char *text);
/* A NUL is a blank in what is said of a failure: it would end the text. */
void failure_blank_nuls(char *text, size_t size);
/* Cuts what is too long, at a NUL too; never within a UTF-8 character. */
void failure_copy_text(char *to, size_t size, struct bytes text);

#endif
