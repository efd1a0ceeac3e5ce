/* SPDX-License-Identifier: Apache-2.0 */
/* A dispatch of one worker, as small as it can be, over what the test stands in for the store with. */
#ifndef STEPD_TESTS_ENGINE_FIXTURE_H
#define STEPD_TESTS_ENGINE_FIXTURE_H

#include "engine/settings.h"
#include "run/function.h"

/* Of the functions of a test. */
extern const struct module engine_fixture_module;

/* A dispatch that can't go on fails the test. `publisher` NULL: nothing is published. */
struct dispatch_settings engine_fixture_settings(struct store *store, struct publisher *publisher, struct routes *routes);

/* The store's clock, which stands. */
int64_t engine_fixture_now_ms(struct store *store);

#endif
