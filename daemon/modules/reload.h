/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running daemon reads its config again: what can be taken over at once is (log level, settings of
 * functions, retry schedule), a broken config is refused and the old one stays, and what needs a
 * restart is named. One thread.
 */
#ifndef STEPD_MODULES_RELOAD_H
#define STEPD_MODULES_RELOAD_H

#include "config/config.h"
#include "modules/loader.h"

struct reload;

/* `config` is what the daemon started with, `loaded` was made of it; both are borrowed. */
struct reload *reload_create(const struct config *config, struct loaded *loaded);
/* Reads the file again. Logs what it did; tells the service manager. The config that is in force now, as long as
 * `reload`. */
const struct config *reload_run(struct reload *reload);
/* After loaded_destroy(): functions point into the configs. NULL is fine. */
void reload_destroy(struct reload *reload);

#endif
