/* SPDX-License-Identifier: Apache-2.0 */
#include "signature.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "whsec_"
#define KEY_LEAST 24
#define KEY_MOST 64
#define KEY_TEXT_MOST 88 /* base64 of KEY_MOST */
#define DIGEST_SIZE 32
#define DIGEST_TEXT_SIZE 44               /* base64 of DIGEST_SIZE */
#define ENTRY_SIZE (DIGEST_TEXT_SIZE + 4) /* "v1,", the digest, a space or the NUL */

struct key {
    unsigned char bytes[KEY_MOST + 3]; /* EVP_DecodeBlock writes threes */
    size_t size;
};

/* *at moves behind the next secret. False: there is none any more. */
static bool next_secret(const char **at, const char **ret_secret, size_t *ret_size)
{
    *at += strspn(*at, " ");
    *ret_secret = *at;
    *ret_size = strcspn(*at, " ");
    *at += *ret_size;
    return *ret_size > 0;
}

static bool key_read(const char *secret, size_t size, struct key *key)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = 0;

    if (size > strlen(PREFIX) && strncmp(secret, PREFIX, strlen(PREFIX)) == 0) {
        secret += strlen(PREFIX);
        size -= strlen(PREFIX);
    }
    while (padding < 2 && padding < size && secret[size - 1 - padding] == '=')
        padding++;
    if (size > KEY_TEXT_MOST || size % 4 != 0 || strspn(secret, alphabet) < size - padding)
        return false;
    int decoded = EVP_DecodeBlock(key->bytes, (const unsigned char *)secret, (int)size);
    if (decoded < 0)
        return false;
    key->size = (size_t)decoded - padding;
    return key->size >= KEY_LEAST && key->size <= KEY_MOST;
}

bool signature_secrets_are_valid(const char *secrets)
{
    const char *secret;
    size_t size;
    struct key key;
    size_t count = 0;

    for (const char *at = secrets; next_secret(&at, &secret, &size); count++) {
        if (!key_read(secret, size, &key))
            return false;
    }
    return count > 0;
}

/* Writes `v1,<base64>` and a NUL; where that is. NULL: libcrypto could not. */
static char *entry_write(char *at, const struct key *key, const void *text, size_t size)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_size = 0;

    if (HMAC(EVP_sha256(), key->bytes, (int)key->size, text, size, digest, &digest_size) == NULL || digest_size != DIGEST_SIZE)
        return NULL;
    memcpy(at, "v1,", 3);
    return at + 3 + EVP_EncodeBlock((unsigned char *)at + 3, digest, DIGEST_SIZE);
}

char *signature_make(const char *secrets, const char *id, int64_t unix_s, const void *body, size_t size)
{
    size_t room = strlen(id) + sizeof("..-9223372036854775808");
    char *text = malloc(room + size);
    char *entries = calloc(strlen(secrets) + 1, ENTRY_SIZE); /* more secrets than characters there are not */
    const char *secret;
    size_t secret_size;
    struct key key;

    if (text == NULL || entries == NULL) {
        free(text);
        free(entries);
        return NULL;
    }
    size_t head = (size_t)snprintf(text, room, "%s.%" PRId64 ".", id, unix_s);
    memcpy(text + head, body, size);
    char *end = entries;
    for (const char *at = secrets; end != NULL && next_secret(&at, &secret, &secret_size);) {
        if (!key_read(secret, secret_size, &key))
            continue;
        if (end != entries)
            *end++ = ' ';
        end = entry_write(end, &key, text, head + size);
    }
    free(text);
    if (end != NULL)
        return entries;
    free(entries);
    return NULL;
}
