/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/shipped.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/memory.h"

static const char *const NAMES[] = { "exec", "http" }; /* each the name of template, module and file */

/* As seen from the folder of the program that runs: as installed, and in a build tree. */
static const char *const FOLDERS[] = { STEPD_MODULE_FOLDER_FROM_BIN, "../modules" };

bool shipped_has(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        if (strcmp(NAMES[i], name) == 0)
            return true;
    return false;
}

char *shipped_file(const char *name)
{
    char program[PATH_MAX] = "";

    if (readlink("/proc/self/exe", program, sizeof(program) - 1) <= 0)
        return NULL;
    const char *folder = dirname(program);
    for (size_t i = 0; i < COUNT_OF(FOLDERS); i++) {
        AUTO_FREE char *path = xasprintf("%s/%s/%s.so", folder, FOLDERS[i], name);
        char *real = realpath(path, NULL);
        if (real != NULL)
            return real;
    }
    return NULL;
}
