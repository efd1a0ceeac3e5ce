/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/troubles.h"

#include "base/log.h"

void troubles_note(struct worker *worker, const struct function *function, const struct flow_troubles *troubles)
{
    for (unsigned i = 0; i < troubles->count; i++)
        tally_add(&worker_tally(worker, function)->expression_errors);

    if (troubles->count > 0 && !atomic_exchange(function->flow->has_told, true))
        log_warn("%s of function %s fails for an event: %s; such events count as having no value there (logged once)", troubles->setting,
                 function->id, troubles->error.text);
}
