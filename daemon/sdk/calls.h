/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running an SDK's function: it is called over HTTP until it ends, and what each call reports (a step's
 * result or error, a sleep) is a durable step of the run before the next call goes out. The app gets all
 * finished steps with each call and so finds its way to what comes next. While a call is under way the run
 * is away, and holds no thread.
 */
#ifndef STEPD_SDK_CALLS_H
#define STEPD_SDK_CALLS_H

#include <stdbool.h>

#include <stepd/stepd.h>

#include "sdk/calls_settings.h"

/* A function's `run` and `on_failure`; its options are a struct sdk_function. */
enum stepd_status calls_run(struct stepd_ctx *ctx);
enum stepd_status calls_on_failure(struct stepd_ctx *ctx);

#endif
