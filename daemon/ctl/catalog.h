/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that there are: those of the config's modules, those that apps of SDKs have registered, and
 * those that programs have declared. */
#ifndef STEPD_CTL_CATALOG_H
#define STEPD_CTL_CATALOG_H

#include "ctl/ctl.h"
#include "modules/loader.h"
#include "sdk/app.h"

struct declared; /* program/declared.h */

struct catalog {
    const struct function **items;
    size_t count;
    struct loaded *loaded;
    struct app **apps;
    size_t app_count;
    struct declared **declared; /* of programs */
    size_t declared_count;
};

/* Loads the whole config and its modules, and opens the store where apps may be known to it. Says itself what is wrong;
 * catalog_close() in any case. */
enum ctl_exit catalog_open(struct ctl *ctl, struct catalog *catalog) MUST_CHECK;
void catalog_close(struct catalog *catalog);
/* NULL: there is none of that id. */
const struct function *catalog_find(const struct catalog *catalog, const char *id);

#endif
