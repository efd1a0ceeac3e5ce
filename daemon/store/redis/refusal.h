/* SPDX-License-Identifier: Apache-2.0 */
/* What an error that Redis answers with means for what was asked. */
#ifndef STEPD_STORE_REDIS_REFUSAL_H
#define STEPD_STORE_REDIS_REFUSAL_H

#include <stdbool.h>

enum refusal {
    REFUSAL_FINAL,     /* it will be refused again */
    REFUSAL_PASSING,   /* time heals it: loading, busy, out of memory, … */
    REFUSAL_RIGHTS,    /* Redis's rules forbid it to our user, or to scripts like ours, until a person changes them */
    REFUSAL_READ_ONLY, /* this server is a replica by now */
    REFUSAL_NO_SCRIPT, /* load it */
    REFUSAL_MOVED,     /* "MOVED SLOT HOST:PORT": ask there */
    REFUSAL_SLOT,      /* its slot is on its way, or nobody serves it: wait, and look where it is */
};

enum refusal refusal_of(const char *text);
/* The server takes no script whose keys are not all named before it runs. */
bool refusal_wants_declared_keys(const char *text);

#endif
