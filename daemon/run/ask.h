/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request over HTTP that a function waits for without a thread: its run is away (run/errand.h) until the answer is
 * there, and the function is entered again then. For the handler `http`, which comes with the daemon: no part of
 * stepd.h. A function asks once in an attempt, and outside of steps.
 */
#ifndef STEPD_RUN_ASK_H
#define STEPD_RUN_ASK_H

#include <stdbool.h>

#include <stepd/stepd.h>

/* What is asked is the handler's own; these are its operations. */
struct asked_ops {
    void (*prepare)(void *asked, void *curl);          /* http_pool's thread, as below; as of http/http_call.h */
    void (*finish)(void *asked, void *curl, int code); /* not called where it was broken off */
    void (*destroy)(void *asked);                      /* any thread, once */
};

/* What the run has come back from, with its answer; NULL: it has asked nothing yet. Lives until the function returns. */
STEPD_EXPORT void *stepd_ask_answered(struct stepd_ctx *ctx);
/* Asks, at a URL that lives as long as its options, and takes `asked`; the function is to return what this answers. Where an answer is still to come, of what was asked
 * before: `asked` NULL. */
STEPD_EXPORT enum stepd_status stepd_ask(struct stepd_ctx *ctx, const char *url, const struct asked_ops *ops, void *asked);
/* It has asked, and no answer is there: somebody wants the run back. */
STEPD_EXPORT bool stepd_ask_is_open(struct stepd_ctx *ctx);

#endif
