/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds requests over HTTP that runs wait for (run/ask.h). A port: the daemon's parts fill it. */
#ifndef STEPD_RUN_CALLER_H
#define STEPD_RUN_CALLER_H

#include "http/http_call.h"

struct caller {
    void (*send)(void *context, struct http_call *call);
    void (*break_off)(void *context, struct http_call *call); /* of one that was sent */
    void *context;                                            /* NULL: nobody does */
};

#endif
