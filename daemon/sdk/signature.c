/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/signature.h"

#include <ctype.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"

#define HASH_BYTES 32
#define KEY_MAX 512
#define PREFIX "signkey-"
#define SCHEME "Bearer "

/* Behind "signkey-ENV-". */
static const char *secret_of(const char *key)
{
    if (strncmp(key, PREFIX, strlen(PREFIX)) != 0)
        return key;
    const char *dash = strchr(key + strlen(PREFIX), '-');
    return dash != NULL ? dash + 1 : key;
}

bool signing_key_is_valid(const char *key)
{
    const char *secret = secret_of(key);
    size_t size = strlen(secret);

    return size >= 2 && size % 2 == 0 && size <= KEY_MAX && strspn(secret, "0123456789abcdefABCDEF") == size;
}

static void write_hex(char *to, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        (void)snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

static unsigned char digit_value(char digit)
{
    return (unsigned char)(isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10);
}

/* The prefix, and the hash of the key's bytes. */
static char *hashed(const char *key)
{
    const char *secret = secret_of(key);
    unsigned char bytes[KEY_MAX / 2];
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * HASH_BYTES + 1];
    size_t size = strlen(secret) / 2;

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(digit_value(secret[2 * i]) << 4 | digit_value(secret[2 * i + 1]));
    if (EVP_Digest(bytes, size, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    write_hex(hex, digest, HASH_BYTES);
    return xasprintf("%.*s%s", (int)(secret - key), key, hex);
}

static bool is_same(const char *given, const char *expected)
{
    return strlen(given) == strlen(expected) && CRYPTO_memcmp(given, expected, strlen(expected)) == 0;
}

/* Some SDKs keep the prefix in front of the hash, others do not. */
bool signing_key_admits(const char *key, const char *authorization)
{
    if (key == NULL)
        return true;
    if (authorization == NULL || strncmp(authorization, SCHEME, strlen(SCHEME)) != 0)
        return false;
    AUTO_FREE char *expected = hashed(key);
    const char *given = authorization + strlen(SCHEME);
    return is_same(given, expected) || is_same(given, expected + (secret_of(key) - key));
}

bool signature_is_bearer(const char *secret, const char *authorization)
{
    return authorization != NULL && strncmp(authorization, SCHEME, strlen(SCHEME)) == 0 && is_same(authorization + strlen(SCHEME), secret);
}

bool signing_key_admits_program(const char *key, const char *authorization)
{
    return signing_key_admits(key, authorization) || signature_is_bearer(key, authorization);
}

char *signature_make(const char *key, struct bytes body, int64_t unix_s)
{
    const char *secret = secret_of(key);
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * HASH_BYTES + 1];
    unsigned size = 0;

    AUTO_FREE char *time = xasprintf("%" PRId64, unix_s);
    AUTO_FREE char *text = xmalloc(body.size + strlen(time));
    memcpy(text, body.data, body.size);
    memcpy(text + body.size, time, strlen(time));
    if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)text, body.size + strlen(time), digest, &size) == NULL)
        abort();
    write_hex(hex, digest, HASH_BYTES);
    return xasprintf("t=%s&s=%s", time, hex);
}

/* ---- canonical JSON --------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const msgpack_object_str *left = &((const msgpack_object_kv *)a)->key.via.str;
    const msgpack_object_str *right = &((const msgpack_object_kv *)b)->key.via.str;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->ptr, right->ptr, size);

    return order != 0 ? order : (left->size > right->size) - (left->size < right->size);
}

#define EXACT 9007199254740992.0 /* doubles below it that are whole are written as such */

/* No deeper than JSON is read here. */
static void sort(msgpack_object *object)
{
    double number = object->type == MSGPACK_OBJECT_FLOAT64 ? object->via.f64 : 0.5;

    if (number > -EXACT && number < EXACT && (double)(int64_t)number == number) {
        object->type = number < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
        object->via.i64 = (int64_t)number;
        return;
    }
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < object->via.array.size; i++)
            sort(&object->via.array.ptr[i]);
        return;
    }
    if (object->type != MSGPACK_OBJECT_MAP)
        return;
    for (uint32_t i = 0; i < object->via.map.size; i++)
        sort(&object->via.map.ptr[i].val);
    if (object->via.map.size > 1)
        qsort(object->via.map.ptr, object->via.map.size, sizeof(*object->via.map.ptr), compare_keys);
}

void signature_canonicalize(msgpack_sbuffer *body)
{
    struct error error;
    msgpack_sbuffer sorted;
    msgpack_object object;
    msgpack_zone zone;

    if (!msgpack_zone_init(&zone, 8192))
        abort();
    msgpack_sbuffer_init(&sorted);
    if (json_decode((struct bytes){ body->data, body->size }, &zone, &object, &error) == 0) {
        sort(&object);
        json_write(&sorted, &object);
        msgpack_sbuffer_destroy(body);
        *body = sorted;
    }
    msgpack_zone_destroy(&zone);
}
