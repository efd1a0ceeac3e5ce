/* SPDX-License-Identifier: Apache-2.0 */
/* The setting `history`: which ended runs the store keeps for inspection. */
#ifndef STEPD_CONFIG_HISTORY_KEPT_H
#define STEPD_CONFIG_HISTORY_KEPT_H

enum history_kept { HISTORY_NONE, HISTORY_FAILURES, HISTORY_ALL };

#endif
