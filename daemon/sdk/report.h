/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that an app reports while its call goes on. Who brings them waits until the run's holder has said
 * what came of them. Each of the two has a share in it, so that neither needs the other to be there still.
 */
#ifndef STEPD_SDK_REPORT_H
#define STEPD_SDK_REPORT_H

#include <msgpack.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"

enum report_end {
    REPORT_OPEN,      /* nothing is known yet */
    REPORT_RECORDED,  /* durable: the app may go on */
    REPORT_STALE,     /* its call is over, or another's: the app is to stop */
    REPORT_ELSEWHERE, /* not for us to say: the app is to tell of the steps in its reply */
};

struct report {
    struct report *next;         /* whoever's list it is on */
    struct report *waiting_next; /* sdk/open_calls.h */
    const msgpack_object *steps; /* an array, as the app wrote it */
    char *token;                 /* of the call that it claims to belong to */

    /* Its own. */
    char *text; /* what `steps` points into */
    msgpack_zone zone;
    sem_t is_answered;
    atomic_int end;
    atomic_int holders;
};

/* Of a request's body, which ends with a NUL. 0, or -EINVAL with the reason. The caller holds it. */
int report_create(struct bytes body, struct report **ret_report, struct error *ret_error) MUST_CHECK;
/* One more holds it; one less does, and must not look at it any more. */
void report_hold(struct report *report);
void report_release(struct report *report);
/* Any thread. The first answer is the one that counts. */
void report_answer(struct report *report, enum report_end end);
enum report_end report_wait(struct report *report);

#endif
