/* SPDX-License-Identifier: Apache-2.0 */
#include "dev/watch.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/thread.h"

/* Which files there are, and when they were written. */
struct sight {
    XXH64_hash_t hash;
    bool is_whole; /* nothing is missing */
};

struct watch {
    char *const *paths;
    XXH64_hash_t known; /* what runs */
    struct sight last;
    struct thread_owner owner;
};

static bool is_module(const char *name)
{
    size_t size = strlen(name);

    return size > 3 && strcmp(name + size - 3, ".so") == 0;
}

/* Numbers of a file that another content has not; added up, so that a folder's order does not matter. */
static void see_file(const char *path, struct sight *sight)
{
    struct stat info;

    if (stat(path, &info) != 0 || info.st_size == 0) {
        sight->is_whole = false;
        return;
    }
    const int64_t seen[] = { (int64_t)info.st_ino, (int64_t)info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec };
    sight->hash += XXH64(seen, sizeof(seen), XXH64(path, strlen(path), 0));
}

static void see_folder(const char *path, DIR *folder, struct sight *sight)
{
    const struct dirent *entry;

    while ((entry = readdir(folder)) != NULL) {
        AUTO_FREE char *file = xasprintf("%s/%s", path, entry->d_name);
        if (is_module(entry->d_name))
            see_file(file, sight);
    }
}

static struct sight see(char *const *paths)
{
    struct sight sight = { .is_whole = true };

    for (; *paths != NULL; paths++) {
        DIR *folder = opendir(*paths);
        if (folder != NULL) {
            see_folder(*paths, folder, &sight);
            (void)closedir(folder);
        } else {
            see_file(*paths, &sight);
        }
    }
    return sight;
}

struct watch *watch_create(char *const *paths)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));

    watch->paths = paths;
    watch->last = see(paths);
    watch->known = watch->last.hash;
    return watch;
}

void watch_destroy(struct watch *watch)
{
    free(watch);
}

bool watch_look(struct watch *watch)
{
    const struct sight now = see(watch->paths);
    bool is_still = now.is_whole && now.hash == watch->last.hash;

    assert_owner(&watch->owner);
    watch->last = now;
    if (!is_still || now.hash == watch->known)
        return false;
    watch->known = now.hash;
    return true;
}
