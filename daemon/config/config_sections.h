/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a config that no table of keys describes: lists, free maps, and what two keys say together. */
#ifndef STEPD_CONFIG_CONFIG_SECTIONS_H
#define STEPD_CONFIG_CONFIG_SECTIONS_H

#include "config/config_values.h"

/* From config->root, after the tables were read; adds `kafka` and its group.id to it where they are not. */
void config_read_by_hand(struct config *config, struct config_faults *faults);

#endif
