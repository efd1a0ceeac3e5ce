/* SPDX-License-Identifier: Apache-2.0 */
#include "sdk/step_url.h"

#include <msgpack.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define STEP_QUERY "stepId="
#define UUID_BYTES 16
#define UUID_NAMESPACE "stepd:function:"

/* Up to the fragment, which is nobody's but a browser's. */
static void add_escaped(msgpack_sbuffer *url, const char *text, size_t size)
{
    char escaped[4];

    for (size_t i = 0; i < size; i++) {
        unsigned char letter = (unsigned char)text[i];
        if (letter > ' ' && letter < 0x7f) {
            msgpack_sbuffer_write(url, &text[i], 1);
        } else {
            (void)snprintf(escaped, sizeof(escaped), "%%%02X", letter);
            msgpack_sbuffer_write(url, escaped, 3);
        }
    }
}

/* Its parameters but the step's, each behind its separator; the separator of the next one. */
static char add_parameters(msgpack_sbuffer *url, const char *query, size_t size)
{
    const char *end = query + size;
    char separator = '?';

    while (query < end) {
        const char *next = memchr(query, '&', (size_t)(end - query));
        size_t length = (size_t)((next != NULL ? next : end) - query);
        if (length > 0 && strncmp(query, STEP_QUERY, strlen(STEP_QUERY)) != 0) {
            msgpack_sbuffer_write(url, &separator, 1);
            add_escaped(url, query, length);
            separator = '&';
        }
        query += length + 1;
    }
    return separator;
}

char *step_url_make(const char *registered)
{
    size_t size = strcspn(registered, "#");
    size_t path = strcspn(registered, "?#");
    size_t query = path < size ? path + 1 : size;
    msgpack_sbuffer url;

    msgpack_sbuffer_init(&url);
    add_escaped(&url, registered, path);
    char separator = add_parameters(&url, registered + query, size - query);
    msgpack_sbuffer_write(&url, &separator, 1);
    msgpack_sbuffer_write(&url, STEP_QUERY, sizeof(STEP_QUERY)); /* with the NUL */
    return msgpack_sbuffer_release(&url);
}

void step_uuid_make(const char *slug, char ret_uuid[STEP_UUID_SIZE])
{
    AUTO_FREE char *name = xasprintf(UUID_NAMESPACE "%s", slug);
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t at = 0;

    if (EVP_Digest(name, strlen(name), digest, NULL, EVP_sha1(), NULL) != 1)
        abort();
    digest[6] = (unsigned char)((digest[6] & 0x0f) | 0x50); /* the version */
    digest[8] = (unsigned char)((digest[8] & 0x3f) | 0x80); /* the variant */
    for (size_t i = 0; i < UUID_BYTES; i++) {
        bool is_group = i == 4 || i == 6 || i == 8 || i == 10;
        at += (size_t)snprintf(ret_uuid + at, STEP_UUID_SIZE - at, is_group ? "-%02x" : "%02x", digest[i]);
    }
}
