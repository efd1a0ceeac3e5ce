/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/step_name.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BYTES 20
#define AUTHOR_ID_MAX 200 /* of a step's id, bytes */

static bool is_hash(const char *name)
{
    return strlen(name) == STEP_HASH_SIZE - 1 && strspn(name, "0123456789abcdef") == STEP_HASH_SIZE - 1;
}

static struct step_hash sha1_hex(const char *text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    struct step_hash hash;

    if (EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL) != 1)
        abort();
    for (size_t i = 0; i < HASH_BYTES; i++)
        (void)snprintf(hash.text + 2 * i, 3, "%02x", digest[i]);
    return hash;
}

struct step_hash step_name_hash(const char *name)
{
    struct step_hash hash;

    if (!is_hash(name))
        return sha1_hex(name);
    memcpy(hash.text, name, sizeof(hash.text));
    return hash;
}

void step_name_of(const char *hash, const char *author_id, int64_t index, char ret_name[STEP_ID_SIZE])
{
    char name[STEP_ID_SIZE] = "";

    if (author_id != NULL && author_id[0] != '\0' && strnlen(author_id, AUTHOR_ID_MAX + 1) <= AUTHOR_ID_MAX) {
        if (index > 0)
            (void)snprintf(name, sizeof(name), "%s:%lld", author_id, (long long)index);
        else
            (void)snprintf(name, sizeof(name), "%s", author_id);
    }
    bool leads_back = name[0] != '\0' && strlen(name) <= AUTHOR_ID_MAX && strcmp(step_name_hash(name).text, hash) == 0;
    (void)snprintf(ret_name, STEP_ID_SIZE, "%.200s", leads_back ? name : hash);
}
