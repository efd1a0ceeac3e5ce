/* SPDX-License-Identifier: Apache-2.0 */
/* What the librdkafka that was found is known to do wrong to a daemon, whichever it was built with. */
#ifndef STEPD_KAFKA_LIBRARY_H
#define STEPD_KAFKA_LIBRARY_H

#include <stdbool.h>

/*
 * Whether a handle is broken once a topic that it knows is deleted and made anew: from 2.4 on, its cache keeps what it has freed, under the old
 * topic's id. It then finds the topic no more, for good, or ends the process (SIGSEGV). Mended in 2.10 (confluentinc/librdkafka#4778). `version`
 * is rd_kafka_version()'s.
 */
bool library_breaks_on_new_topics(int version);

#endif
