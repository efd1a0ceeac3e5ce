/* SPDX-License-Identifier: Apache-2.0 */
/* Headers that the daemon writes. What a producer calls `stepd-…` otherwise is his own. */
#include <strings.h>

#include "base/array.h"
#include "event/event_again.h"

bool event_header_is_own(const char *name)
{
    static const char *const NAMES[] = {
        /* of a dead letter */
        "stepd-function",
        "stepd-run-id",
        "stepd-error-name",
        "stepd-error-message",
        "stepd-attempts",
        "stepd-topic",
        "stepd-partition",
        "stepd-offset",
        "stepd-failed-at",
        /* of an event on its way */
        EVENT_REDRIVE_HEADER,
        EVENT_REPLAY_HEADER,
        EVENT_REPLAY_OF_HEADER,
        EVENT_INDEX_HEADER,
        "stepd-schema-id",
        "stepd-invoked-by",
        "stepd-invoked-step",
        "stepd-invoke-depth",
        "stepd-kept",
    };

    for (size_t i = 0; i < COUNT_OF(NAMES); i++)
        if (strcasecmp(name, NAMES[i]) == 0)
            return true;
    return false;
}
