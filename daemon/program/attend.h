/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code of a program's function, as the engine sees it: the run is called in its program, and what that reports is made
 * durable, each before it is answered. While the program works the run is away, and holds no thread.
 */
#ifndef STEPD_PROGRAM_ATTEND_H
#define STEPD_PROGRAM_ATTEND_H

#include <stepd/stepd.h>

/* A function's `run` and `on_failure`; its options are a struct program_function. */
enum stepd_status attend_run(struct stepd_ctx *ctx);

#endif
