/* SPDX-License-Identifier: Apache-2.0 */
/* A message that nobody has looked at gets to the functions that its event starts. */
#ifndef STEPD_ENGINE_ROUTE_H
#define STEPD_ENGINE_ROUTE_H

#include "engine/worker.h"

/* The message as a task; its batch is the consumer's again once all of them are over. */
struct task *route_task(struct message *message);

#endif
