/* SPDX-License-Identifier: Apache-2.0 */
/* The faults of a config as a person reads them. */
#ifndef STEPD_CONFIG_CONFIG_FAULTS_H
#define STEPD_CONFIG_CONFIG_FAULTS_H

#include <stdio.h>

#include "config/setting.h"

/* `file:line:column: text`, without what is not known. Caller frees. */
char *config_fault_text(const struct config_fault *fault);
/* As a compiler does: `file:line:column: error: …`, the line and a caret; in order of place. */
void config_faults_print(const struct config_faults *faults, FILE *out);
/* The same of what is no fault yet: `warning: …`. */
void config_warnings_print(const struct config_faults *warnings, FILE *out);

#endif
