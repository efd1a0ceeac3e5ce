/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of app: app_triggers.c reads what starts a function, app_settings.c makes its settings of those asked for. */
#ifndef STEPD_SDK_APP_INTERNAL_H
#define STEPD_SDK_APP_INTERNAL_H

#include <msgpack.h>

#include "sdk/app.h"
#include "sdk/reading.h"

/* Both: 0, or -EINVAL with the sentence. */
int app_triggers_read(const struct reading *reading, const msgpack_object *triggers, struct sdk_function *function) MUST_CHECK;
/* The function as the daemon runs it; the config's settings for its id (NULL: there is no config) win. */
int app_settings_apply(const struct reading *reading, const struct config *config, struct sdk_function *function) MUST_CHECK;

#endif
