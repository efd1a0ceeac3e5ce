/* SPDX-License-Identifier: Apache-2.0 */
/* What follows of what is known of a run: calls that go out, and the run's leaving or parking. */
#ifndef STEPD_SDK_DEPARTURES_H
#define STEPD_SDK_DEPARTURES_H

#include "sdk/turn.h"

/* Sends what is due. The run is suspended: away for what is under way; parked until something is due; or given
 * up, where the daemon stops. */
enum stepd_status departures_send(struct turn *turn);
/* Parks the run, to be called again at once; whatever is under way no longer counts. */
enum stepd_status departures_call_anew(struct turn *turn);

#endif
