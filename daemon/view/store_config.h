/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEPD_VIEW_STORE_CONFIG_H
#define STEPD_VIEW_STORE_CONFIG_H

#include "config/config.h"
#include "store/store.h"

/* The store as a config has it, without anyone who is told what happens to it. Points into the config. */
struct store_settings store_settings_of(const struct config *config);

#endif
