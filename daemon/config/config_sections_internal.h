/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of config_sections share: config_sections.c, config_entries.c and config_registry.c. */
#ifndef STEPD_CONFIG_CONFIG_SECTIONS_INTERNAL_H
#define STEPD_CONFIG_CONFIG_SECTIONS_INTERNAL_H

#include "config/config_sections.h"

bool config_topic_is_valid(const char *name);
/* A name, or one with * as in a shell; NULL after a fault. */
const char *config_pattern_read(const struct setting *setting, const char *list, const char *expected, struct config_faults *faults);
bool config_is_web_url(const char *url);
/* A path of the config counts from the config's own folder. Caller frees. */
char *config_path_absolute(const struct config *config, const char *path);

void config_functions_read(struct config *config, struct config_faults *faults);
void config_programs_read(struct config *config, struct config_faults *faults);
void config_registry_read(struct config *config, struct config_faults *faults);
void config_registry_check(const struct config *config, struct config_faults *faults);

#endif
