/* SPDX-License-Identifier: Apache-2.0 */
#include "config/address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "config/setting.h"

int address_split(const char *address, char **ret_host, char **ret_port, struct error *ret_error)
{
    const char *colon = strrchr(address, ':');
    int64_t port;

    if (colon == NULL || colon == address)
        return error_set(ret_error, EINVAL, "'%s' is not host:port", address);
    if (parse_int(colon + 1, &port) != 0 || port < 0 || port > 65535)
        return error_set(ret_error, EINVAL, "'%s' has no port from 0 to 65535", address);
    if (colon == address + 1 && address[0] == '*')
        return error_set(ret_error, EINVAL, "'%s': all addresses are 0.0.0.0, or [::]", address);
    bool has_brackets = address[0] == '[' && colon[-1] == ']';
    size_t length = (size_t)(colon - address);
    if (!has_brackets && memchr(address, ':', length) != NULL)
        return error_set(ret_error, EINVAL, "'%s': an IPv6 address stands in brackets, [::1]:8288", address);
    *ret_host = has_brackets ? xstrndup(address + 1, length - 2) : xstrndup(address, length);
    *ret_port = xstrdup(colon + 1);
    return 0;
}

int address_check(const char *address, struct error *ret_error)
{
    AUTO_FREE char *host = NULL;
    AUTO_FREE char *port = NULL;

    return address_split(address, &host, &port, ret_error);
}
