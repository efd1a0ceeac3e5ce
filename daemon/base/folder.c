/* SPDX-License-Identifier: Apache-2.0 */
#include "base/folder.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

int folder_make(const char *path)
{
    AUTO_FREE char *copy = xstrdup(path);

    assert(path[0] != '\0');
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const int status = mkdir(copy, 0700);
        const int code = errno;
        *slash = '/';
        if (status != 0 && code != EEXIST)
            return -code;
    }
    return mkdir(copy, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}
