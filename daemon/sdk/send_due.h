/* SPDX-License-Identifier: Apache-2.0 */
/* What follows of what is known of a run: calls that go out, and the run's leaving or parking. */
#ifndef STEPD_SDK_SEND_DUE_H
#define STEPD_SDK_SEND_DUE_H

#include "sdk/sdk_attempt.h"

/* Sends what is due. The run is suspended: away for what is under way; parked until something is due; or given
 * up, where the daemon stops. */
enum stepd_status send_due_send(struct sdk_attempt *turn);
/* Parks the run, to be called again at once; whatever is under way no longer counts. */
enum stepd_status send_due_call_anew(struct sdk_attempt *turn);

#endif
