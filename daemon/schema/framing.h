/* SPDX-License-Identifier: Apache-2.0 */
/* Where a message says which schema its value was written by. Pure. */
#ifndef STEPD_SCHEMA_FRAMING_H
#define STEPD_SCHEMA_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define FRAME_SIZE 5 /* 00 and an id of 4 bytes */
#define GUID_SIZE 16
#define GUID_TEXT_SIZE 37
#define SCHEMA_TEXT_SIZE GUID_TEXT_SIZE
#define INDEXES_SIZE_MAX 32 /* bytes of the indexes that say which message of a .proto a value is */

enum schema_key_form {
    SCHEMA_BY_ID,         /* Confluent's: before the value, or in a header */
    SCHEMA_BY_GUID,       /* Confluent's, in a header */
    SCHEMA_BY_GLOBAL_ID,  /* Apicurio's, in a header */
    SCHEMA_BY_CONTENT_ID, /* likewise */
};

/* Two are the same schema where all their bytes are. */
struct schema_key {
    enum schema_key_form form;
    uint32_t frame_size; /* bytes of the value that stand before the data: of no matter for the registry */
    uint64_t number;
    unsigned char guid[GUID_SIZE];
    /* Confluent's indexes, where a header has them behind the id or the GUID; with 0 bytes of them a value of Protobuf
     * begins with its own. Of no matter for the registry. */
    uint8_t indexes_size;
    unsigned char indexes[INDEXES_SIZE_MAX];
};

/* What a header says. False: it is none that names a schema of the value. `name` is compared without its case. */
bool framing_of_header(const char *name, struct bytes value, struct schema_key *ret_key);
/* What the value itself says. Id 0 is none: numbers of Java begin so. */
bool framing_of_value(struct bytes value, struct schema_key *ret_key);
/* In hex, with dashes. */
void guid_write(const unsigned char bytes[static GUID_SIZE], char text[static GUID_TEXT_SIZE]);
/* As users know it: digits, or a GUID. */
void schema_key_text(const struct schema_key *key, char text[static SCHEMA_TEXT_SIZE]);
bool schema_key_equals(const struct schema_key *left, const struct schema_key *right);

#endif
