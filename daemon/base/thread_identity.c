/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread_identity.h"

_Thread_local char thread_place;
