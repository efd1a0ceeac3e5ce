/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_values.h"

#include <string.h>

bool config_reads_topic(const struct config *config, const char *topic)
{
    for (size_t i = 0; config->topics[i] != NULL; i++) {
        if (strcmp(config->topics[i], topic) == 0)
            return true;
    }
    return false;
}
