/* SPDX-License-Identifier: Apache-2.0 */
/* All of runs that a slot knows. */
#ifndef STEPD_MODEL_RUN_H
#define STEPD_MODEL_RUN_H

#define RUN_ID_LENGTH 32

#endif
