/* SPDX-License-Identifier: Apache-2.0 */
#include "crash/journal_place.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/folder.h"
#include "base/memory.h"

enum { GROUP_SHOWN_MOST = 64 };

/* What `name` stands for in the environment, if that is an absolute path: of several, parted by colons, the first. */
static char *folder_of_environment(const char *name, const char *below)
{
    const char *value = getenv(name);

    if (value == NULL || value[0] != '/')
        return NULL;
    const bool is_list = strcmp(name, "STATE_DIRECTORY") == 0;
    const int size = (int)(is_list ? strcspn(value, ":") : strlen(value));
    return xasprintf("%.*s%s", size, value, below);
}

/* NULL: it has no such folder, or it can't be written. Frees `folder`, or hands it on. */
static char *if_writable(char *folder)
{
    if (folder != NULL && folder_make(folder) == 0 && access(folder, W_OK | X_OK) == 0)
        return folder;
    free(folder);
    return NULL;
}

static char *default_folder(void)
{
    char *folder = if_writable(folder_of_environment("STATE_DIRECTORY", ""));

    if (folder == NULL)
        folder = if_writable(folder_of_environment("XDG_STATE_HOME", "/stepd"));
    if (folder == NULL)
        folder = if_writable(xstrdup("/var/lib/stepd"));
    if (folder == NULL)
        folder = if_writable(folder_of_environment("HOME", "/.local/state/stepd"));
    return folder;
}

/* The group as far as a file's name can hold it, and a number that stands for group and config path. */
static char *own_name(const struct journal_owner *owner)
{
    AUTO_FREE char *real = realpath(owner->config_path, NULL);
    AUTO_FREE char *both = xasprintf("%s\n%s", owner->group, real != NULL ? real : owner->config_path);
    AUTO_FREE char *group = xstrndup(owner->group, GROUP_SHOWN_MOST);

    for (char *at = group; *at != '\0'; at++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *at) == NULL)
            *at = '_';
    return xasprintf("journal-%s-%016" PRIx64, group, (uint64_t)XXH3_64bits(both, strlen(both)));
}

char *journal_place(const struct journal_owner *owner)
{
    if (owner->file[0] == '/')
        return xstrdup(owner->file);
    if (owner->file[0] != '\0')
        return xasprintf("%.*s/%s", (int)(strrchr(owner->config_path, '/') - owner->config_path), owner->config_path, owner->file);
    AUTO_FREE char *folder = default_folder();
    if (folder == NULL)
        return NULL;
    AUTO_FREE char *name = own_name(owner);
    return xasprintf("%s/%s", folder, name);
}
