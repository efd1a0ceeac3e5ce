/* SPDX-License-Identifier: Apache-2.0 */
/* What people have told all daemons, by name on a shelf of its own (store/shelf.h). */
#ifndef STEPD_STORE_OPERATIONS_H
#define STEPD_STORE_OPERATIONS_H

#define PAUSED_SHELF "paused" /* a paused function's id: who paused it */
#define PAUSED_ALL "*"        /* there, instead of an id: all functions */
#define DEEDS_SHELF "deeds"   /* what was done through stepctl, until a daemon has it in its log: a line */

#endif
