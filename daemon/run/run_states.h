/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states that the store keeps of a run, and the letter of each in its record. The one place for both C and the scripts of
 * store/redis: a build puts the letter where a script says the name (cmake/EmbedTexts.cmake), so a line here is one state alone.
 */
#ifndef STEPD_RUN_RUN_STATES_H
#define STEPD_RUN_RUN_STATES_H

enum run_status {
    RUN_DELAYED = 'd',
    RUN_SLEEPING = 's',
    RUN_OWNED = 'o',
    RUN_BEHIND = 'b',  /* ordered; waits for the run of its key that is before it */
    RUN_QUEUED = 'q',  /* in its function's line, until its turn comes */
    RUN_WAITING = 'w', /* for what comes from elsewhere: an event, a run that it invoked; or until its time is over */
    RUN_COMPLETED = 'c',
    RUN_FAILED = 'f',
    RUN_CANCELLED = 'x',
    RUN_ENDING = 'e', /* cancelled, as a record that is read back says it: its stepd/function.cancelled is not known to be out */
};

#endif
