/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a run once its attempt has ended, and of its message. */
#ifndef STEPD_ENGINE_FINISH_H
#define STEPD_ENGINE_FINISH_H

#include "engine/worker.h"
#include "run/attempt.h"

/* The attempt at worker->run, which worker->job is for, has ended as `report` says; its message, or the claimed run, is
 * no longer the worker's. False: the run is away with all that it holds, or the watch took it over. */
bool finish_attempt(struct worker *worker, struct attempt_report *report);
/* The same where a crash was its end, of which `report` is. */
void finish_crash(struct worker *worker, struct attempt_report *report);
/* The attempt at `run`, which `job` is for, was taken from another thread past its timeout: it has failed, in `step` if
 * that ran. It began at started_ns (monotonic). */
void finish_takeover(struct worker *worker, const struct job *job, struct run *run, const struct step_call *step, int64_t started_ns);
/* The store has it for us and refuses whatever becomes of it: it would be ours for ever. */
void finish_condemned(struct worker *worker, const struct run *run);
/* The store has the run: what its message is now. An ordered one keeps later ones of its key back. */
enum message_state finish_in_store(const struct job *job, const struct run *run);

#endif
