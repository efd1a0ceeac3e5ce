/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/module_file.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/array.h"

/* What version 1.0 had: later minors only append. */
#define FIRST_MODULE_SIZE (offsetof(struct stepd_module, options_size) + sizeof(size_t))
#define FIRST_FUNCTION_SIZE (offsetof(struct stepd_function, template) + sizeof(bool))

struct opened_module {
    struct module module;
    struct stepd_module declared; /* a copy, zero where the module is older than a field */
};

static_assert(offsetof(struct opened_module, module) == 0, "module_forget() frees the whole by it");

/* ---- who may write it ------------------------------------------------------------------------- */

/* Some systems give each user a group of the same name and let it write what the user makes. */
static bool is_private_group(const char *path, uid_t user, gid_t gid)
{
    const struct passwd *account = getpwuid(user);
    AUTO_FREE char *name = xstrdup_or_null(account != NULL ? account->pw_name : NULL);
    const struct group *group = getgrgid(gid);

    if (name == NULL || group == NULL || strcmp(group->gr_name, name) != 0)
        return false;
    for (char **member = group->gr_mem; *member != NULL; member++) {
        if (strcmp(*member, name) != 0)
            return false;
    }
    return getxattr(path, "system.posix_acl_access", NULL, 0) <= 0; /* the group's bits are not the ACL's mask */
}

/* `what`: "" or "its folder …, ", for the message. */
static bool is_safe(const char *path, const struct stat *info, const char *what, const struct place *place, struct config_faults *faults)
{
    uid_t self = geteuid();

    if (info->st_uid != 0 && info->st_uid != self) {
        const struct passwd *owner = getpwuid(info->st_uid);
        AUTO_FREE char *number = xasprintf("%u", (unsigned)info->st_uid);
        config_faults_add(faults, place, "%sbelongs to user %s, who could change it: chown root '%s'", what,
                          owner != NULL ? owner->pw_name : number, path);
        return false;
    }
    if (S_ISDIR(info->st_mode) && (info->st_mode & S_ISVTX) != 0)
        return true; /* as /tmp: only its owner can replace a file there */
    if ((info->st_mode & S_IWOTH) != 0) {
        config_faults_add(faults, place, "%scan be written by everyone: chmod go-w '%s'", what, path);
        return false;
    }
    if ((info->st_mode & S_IWGRP) != 0 && !is_private_group(path, info->st_uid, info->st_gid)) {
        const struct group *group = getgrgid(info->st_gid);
        AUTO_FREE char *number = xasprintf("%u", (unsigned)info->st_gid);
        config_faults_add(faults, place, "%scan be written by group %s: chmod g-w '%s'", what, group != NULL ? group->gr_name : number,
                          path);
        return false;
    }
    return true;
}

static bool file_is_safe(const char *path, const struct place *place, struct config_faults *faults)
{
    char real[PATH_MAX];
    struct stat info;

    if (realpath(path, real) == NULL || stat(real, &info) != 0) {
        config_faults_add(faults, place, "%s", strerror(errno));
        return false;
    }
    if (!S_ISREG(info.st_mode)) {
        config_faults_add(faults, place, "is no file");
        return false;
    }
    if (!is_safe(real, &info, "", place, faults))
        return false;
    const char *folder = dirname(real);
    if (stat(folder, &info) != 0) {
        config_faults_add(faults, place, "its folder '%s': %s", folder, strerror(errno));
        return false;
    }
    AUTO_FREE char *what = xasprintf("its folder '%s' ", folder);
    return is_safe(folder, &info, what, place, faults);
}

/* ---- what it declares ------------------------------------------------------------------------- */

static bool abi_fits(const struct stepd_module *declared, const struct place *place, struct config_faults *faults)
{
    uint32_t major = declared->abi_major;
    uint32_t minor = declared->abi_minor;

    if (major != STEPD_ABI_MAJOR || minor > STEPD_ABI_MINOR) {
        config_faults_add(faults, place, "built for ABI %u.%u, this daemon is %d.%d: %s", major, minor, STEPD_ABI_MAJOR, STEPD_ABI_MINOR,
                          major < STEPD_ABI_MAJOR ? "rebuild the handler" : "update stepd or rebuild the handler");
        return false;
    }
    bool is_ours = minor == STEPD_ABI_MINOR;
    if (declared->size > sizeof(*declared) || declared->size < (is_ours ? sizeof(*declared) : FIRST_MODULE_SIZE)) {
        config_faults_add(faults, place, "its stepd_module has %u bytes where ABI %u.%u has %zu: rebuild the handler", declared->size,
                          major, minor, sizeof(*declared));
        return false;
    }
    size_t size = sizeof(struct stepd_function);
    if (declared->function_size > size || declared->function_size < (is_ours ? size : FIRST_FUNCTION_SIZE)) {
        config_faults_add(faults, place, "its functions have %u bytes each where ABI %u.%u has %zu: rebuild the handler",
                          declared->function_size, major, minor, size);
        return false;
    }
    return true;
}

/* What to do about what dlerror() says. */
static const char *remedy_of(const char *text)
{
    static const char *const OTHER_FILES[] = { "invalid ELF header", "file too short", "only ET_DYN and ET_EXEC can be loaded",
                                               "cannot dynamically load" };

    if (strstr(text, "undefined symbol: stepd_") != NULL)
        return ": this daemon has no such call: update stepd";
    for (size_t i = 0; i < COUNT_OF(OTHER_FILES); i++) {
        if (strstr(text, OTHER_FILES[i]) != NULL)
            return ": a module is a shared object, as cc -shared -fPIC makes it";
    }
    return "";
}

/* dlerror()'s text begins with the path, as the fault does. */
static void fault_of_dlopen(const char *path, const struct place *place, struct config_faults *faults)
{
    const char *text = dlerror();
    size_t length = strlen(path);

    if (text == NULL)
        text = "can't be loaded";
    if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        text += length + 2;
    config_faults_add(faults, place, "%s%s", text, remedy_of(text));
}

struct module *module_open(const char *path, struct config_faults *faults)
{
    const struct place place = { .file = place_file(path) };

    if (!file_is_safe(path, &place, faults))
        return NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        fault_of_dlopen(path, &place, faults);
        return NULL;
    }
    const struct stepd_module *declared = dlsym(handle, "stepd_module");
    if (declared == NULL) {
        config_faults_add(faults, &place, "no symbol 'stepd_module': is STEPD_MODULE(...) missing?");
        return NULL;
    }
    if (!abi_fits(declared, &place, faults))
        return NULL;
    struct opened_module *opened = xcalloc(1, sizeof(*opened));
    assert(declared->size <= sizeof(opened->declared)); /* abi_fits() looked */
    memcpy(&opened->declared, declared, declared->size);
    opened->module = (struct module){ .declared = &opened->declared, .path = place.file, .handle = handle };
    return &opened->module;
}

void module_forget(struct module *module)
{
    free(module);
}

struct stepd_function module_function(const struct module *module, size_t at)
{
    const struct stepd_module *declared = module->declared;
    struct stepd_function function = { .id = NULL };

    assert(at < declared->function_count && declared->function_size <= sizeof(function));
    memcpy(&function, (const char *)declared->functions + at * declared->function_size, declared->function_size);
    return function;
}
