/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a message's run is to be attempted: its partition is still ours, the function wants the event, the store has
 * not taken the run over before, the event is the first of its key, and no earlier one of an ordered key waits.
 */
#ifndef STEPD_ENGINE_ADMIT_H
#define STEPD_ENGINE_ADMIT_H

#include "engine/worker.h"

/* Of worker->job, whose run worker->run then is. False: *ret_state is what the message is. */
bool admit_message(struct worker *worker, enum message_state *ret_state);
/* The same of an event that is to be part of a batch, as far as it goes for itself. */
bool admit_to_batch(struct worker *worker, enum message_state *ret_state);
/* The same of a batch that begins, none of whose events is of a revoked partition. */
bool admit_gathered(struct worker *worker, enum message_state *ret_state);

/* The same of worker->run, which is claimed and was called. False: it is the store's now, or there is none. */
bool admit_called(struct worker *worker);

#endif
