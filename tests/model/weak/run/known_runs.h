/* SPDX-License-Identifier: Apache-2.0 */
/* What the store knows of a partition: filled before it is handed over, and nothing to the model. */
#ifndef STEPD_MODEL_KNOWN_RUNS_H
#define STEPD_MODEL_KNOWN_RUNS_H

struct known_runs {
};

#endif
