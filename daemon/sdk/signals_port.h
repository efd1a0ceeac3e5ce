/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits for a signal, over all daemons: the store's part. */
#ifndef STEPD_SDK_SIGNALS_PORT_H
#define STEPD_SDK_SIGNALS_PORT_H

#include <stdbool.h>

#include "run/run.h"

/* 0, or negative errno. */
struct signals_port {
    /* The run is about to wait: no other begins to until end(). *ret_is_free: none waits; with `replaces`, none is found any more. */
    int (*begin)(void *context, const char *signal, const struct run_id *run, bool replaces, bool *ret_is_free);
    int (*end)(void *context, const char *signal, const struct run_id *run);
    /* Who waits for it, for this sender alone; -ENOENT: nobody. */
    int (*take)(void *context, const char *signal, const char *sender, struct run_id *ret_run);
    int (*give_back)(void *context, const char *signal, const char *sender, const struct run_id *run);
    void *context;
};

#endif
