/* SPDX-License-Identifier: Apache-2.0 */
#include "store/redis/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "store/redis/tls.h"

#define PORT 6379
#define PORT_SENTINEL 26379

/* ---- places ------------------------------------------------------------------------------------ */

const char *place_text(const struct redis_place *place, char ret_text[PLACE_TEXT_SIZE])
{
    if (place->port == 0)
        (void)snprintf(ret_text, PLACE_TEXT_SIZE, "%s", place->name);
    else if (strchr(place->name, ':') != NULL)
        (void)snprintf(ret_text, PLACE_TEXT_SIZE, "[%s]:%d", place->name, place->port);
    else
        (void)snprintf(ret_text, PLACE_TEXT_SIZE, "%s:%d", place->name, place->port);
    return ret_text;
}

bool place_is_same(const struct redis_place *a, const struct redis_place *b)
{
    return a->port == b->port && strcmp(a->name, b->name) == 0;
}

static int parse_number(const char *text, int limit, int *ret_number)
{
    char *end = NULL;
    long number = strtol(text, &end, 10);

    if (end == text || *end != '\0' || number < 0 || number > limit)
        return -EINVAL;
    *ret_number = (int)number;
    return 0;
}

/* False: it is too long. */
static bool set_name(struct redis_place *place, const char *name, size_t size)
{
    if (size >= sizeof(place->name))
        return false;
    memcpy(place->name, name, size);
    place->name[size] = '\0';
    return true;
}

bool place_read(const char *text, size_t size, const struct redis_place *asked, struct redis_place *ret_place)
{
    AUTO_FREE char *copy = xstrndup(text, size);
    char *colon = strrchr(copy, ':');
    struct redis_place place = { .port = 0 };

    if (colon == NULL || parse_number(colon + 1, 65535, &place.port) != 0 || place.port == 0)
        return false;
    *colon = '\0';
    if (!set_name(&place, copy, strlen(copy)))
        return false;
    if (place.name[0] == '\0' || strcmp(place.name, "?") == 0)
        memcpy(place.name, asked->name, sizeof(place.name));
    *ret_place = place;
    return true;
}

/* ---- the URL ----------------------------------------------------------------------------------- */

static const char *after(const char *text, const char *start)
{
    size_t size = strlen(start);
    return strncmp(text, start, size) == 0 ? text + size : NULL;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c | 0x20) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* A part of a URL, %XX decoded. The caller frees. */
static char *url_part(const char *from, size_t size)
{
    char *part = xcalloc(size + 1, 1);
    size_t length = 0;

    for (size_t i = 0; i < size; i++) {
        int high = from[i] == '%' && i + 2 < size ? hex_digit(from[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(from[i + 2]) : -1;
        part[length++] = (char)(low >= 0 ? high << 4 | low : from[i]);
        i += low >= 0 ? 2 : 0;
    }
    return part;
}

/* "user:password@" or "password@" or ":password@", up to `sign`; returns what follows. */
static const char *parse_credentials(const char *at, const char *sign, struct redis_url *url)
{
    if (sign == NULL)
        return at;
    const char *colon = memchr(at, ':', (size_t)(sign - at));
    if (colon != NULL && colon > at)
        url->user = url_part(at, (size_t)(colon - at));
    const char *password = colon != NULL ? colon + 1 : at;
    url->password = url_part(password, (size_t)(sign - password));
    return sign + 1;
}

static int parse_database(const char *text, struct redis_url *url, struct error *ret_error)
{
    if (parse_number(text, 1 << 20, &url->database) != 0)
        return error_set(ret_error, EINVAL, "redis.url: '%.40s' is no database number", text);
    return 0;
}

static int parse_unix(const char *at, struct redis_url *url, struct error *ret_error)
{
    const char *slash = strchr(at, '/');
    const char *sign = slash != NULL ? memrchr(at, '@', (size_t)(slash - at)) : strrchr(at, '@');
    at = parse_credentials(at, sign, url);
    const char *query = strchr(at, '?');
    AUTO_FREE char *path = url_part(at, query != NULL ? (size_t)(query - at) : strlen(at));

    url->places = xcalloc(1, sizeof(*url->places));
    url->count = 1;
    if (path[0] != '/')
        return error_set(ret_error, EINVAL, "redis.url: unix:// wants an absolute path, as in unix:///run/redis/redis.sock");
    if (!set_name(&url->places[0], path, strlen(path)))
        return error_set(ret_error, EINVAL, "redis.url: the path is too long for a socket");
    if (query == NULL)
        return 0;
    const char *number = after(query, "?db=");
    if (number == NULL)
        return error_set(ret_error, EINVAL, "redis.url: only ?db=NUMBER may follow the path of unix://");
    return parse_database(number, url, ret_error);
}

/* host, host:port, [v6], [v6]:port. */
static int parse_place(const char *at, size_t size, int port, struct redis_place *place, struct error *ret_error)
{
    AUTO_FREE char *text = url_part(at, size);
    char *host = text;
    char *end = text[0] == '[' ? strchr(text, ']') : NULL;
    char *colon = strchr(end != NULL ? end : text, ':');

    place->port = port;
    if (colon != NULL) {
        *colon = '\0';
        if (parse_number(colon + 1, 65535, &place->port) != 0 || place->port == 0)
            return error_set(ret_error, EINVAL, "redis.url: the port is no number from 1 to 65535");
    }
    if (end != NULL) {
        *end = '\0';
        host++;
    }
    if (!set_name(place, host[0] != '\0' ? host : "localhost", host[0] != '\0' ? strlen(host) : strlen("localhost")))
        return error_set(ret_error, EINVAL, "redis.url: the host's name is too long");
    return 0;
}

/* Up to the slash, places split by commas; what follows the slash, or NULL, is in *ret_rest. */
static int parse_places(const char *at, int port, struct redis_url *url, const char **ret_rest, struct error *ret_error)
{
    at = parse_credentials(at, strrchr(at, '@'), url); /* a password may hold a slash; what follows it has no '@' */
    const char *end = at + strcspn(at, "/");
    *ret_rest = *end == '/' ? end + 1 : NULL;
    for (;;) {
        size_t size = strcspn(at, ",/");
        url->places = xrealloc(url->places, (url->count + 1) * sizeof(*url->places));
        int status = parse_place(at, size, port, &url->places[url->count++], ret_error);
        if (status != 0 || at[size] != ',')
            return status;
        at += size + 1;
    }
}

static int parse_server(const char *at, struct redis_url *url, struct error *ret_error)
{
    const char *rest = NULL;
    int status = parse_places(at, PORT, url, &rest, ret_error);

    if (status == 0 && url->count != 1)
        return error_set(ret_error, EINVAL, "redis.url: several hosts want redis+sentinel:// or redis+cluster://");
    return status == 0 && rest != NULL && rest[0] != '\0' ? parse_database(rest, url, ret_error) : status;
}

static int parse_sentinel(const char *at, struct redis_url *url, struct error *ret_error)
{
    const char *rest = NULL;
    int status = parse_places(at, PORT_SENTINEL, url, &rest, ret_error);

    url->kind = URL_SENTINEL;
    if (status != 0)
        return status;
    size_t size = rest != NULL ? strcspn(rest, "/") : 0;
    if (size == 0)
        return error_set(ret_error, EINVAL,
                         "redis.url: redis+sentinel:// wants the master's name behind the hosts, as in "
                         "redis+sentinel://host,host/mymaster");
    url->master = url_part(rest, size);
    return rest[size] == '/' && rest[size + 1] != '\0' ? parse_database(rest + size + 1, url, ret_error) : 0;
}

static int parse_cluster(const char *at, struct redis_url *url, struct error *ret_error)
{
    const char *rest = NULL;
    int status = parse_places(at, PORT, url, &rest, ret_error);

    url->kind = URL_CLUSTER;
    if (status == 0 && rest != NULL && rest[0] != '\0')
        return error_set(ret_error, EINVAL, "redis.url: a Cluster has no databases: leave out '/%.40s'", rest);
    return status;
}

static int parse_tls(const char *at, struct redis_url *url, struct error *ret_error)
{
    url->has_tls = true;
    if (!tls_is_built_in())
        return error_set(ret_error, ENOTSUP,
                         "redis.url: TLS (rediss://) needs a stepd built with hiredis_ssl (hiredis 1.0 or later): "
                         "use redis:// through a TLS tunnel on this machine, such as stunnel");
    return parse_server(at, url, ret_error);
}

int url_parse(const char *text, struct redis_url *ret_url, struct error *ret_error)
{
    static const struct {
        const char *scheme;
        int (*parse)(const char *at, struct redis_url *url, struct error *ret_error);
    } SCHEMES[] = {
        { "redis://", parse_server },
        { "rediss://", parse_tls },
        { "unix://", parse_unix },
        { "redis+sentinel://", parse_sentinel },
        { "redis+cluster://", parse_cluster },
    };
    struct redis_url url = { .kind = URL_SERVER };
    int status = -ENOENT;

    for (size_t i = 0; i < COUNT_OF(SCHEMES); i++) {
        const char *at = after(text, SCHEMES[i].scheme);
        if (at != NULL)
            status = SCHEMES[i].parse(at, &url, ret_error);
    }
    if (status == -ENOENT)
        status =
            error_set(ret_error, EINVAL, "redis.url begins with none of redis:// rediss:// unix:// redis+sentinel:// redis+cluster://");
    if (status != 0) {
        url_done(&url);
        return status;
    }
    *ret_url = url;
    return 0;
}

void url_done(struct redis_url *url)
{
    free(url->places);
    free(url->user);
    free(url->password);
    free(url->master);
    *url = (struct redis_url){ 0 };
}
