/* SPDX-License-Identifier: Apache-2.0 */
/* What a message carries: plain memory, of which Relacy reports each race. */
#ifndef STEPD_MODEL_EVENT_H
#define STEPD_MODEL_EVENT_H

struct event {
    rl::var<int> number;
};

#endif
