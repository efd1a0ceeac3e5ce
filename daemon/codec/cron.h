/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times that come again (docs/cron.md): five fields, in a zone of the system's tzdata. Read once, constant then, for
 * any number of threads.
 */
#ifndef STEPD_CODEC_CRON_H
#define STEPD_CODEC_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"

struct cron;

/* "TZ=Europe/Berlin 0 9 * * 1-5", "@daily". 0, or -EINVAL with the field and the reason. */
int cron_parse(const char *text, struct cron **ret_cron, struct error *ret_error) MUST_CHECK;
void cron_destroy(struct cron *cron);

/* The first tick strictly after `unix_ms`. False: there is none before the year 10000. */
bool cron_next(const struct cron *cron, int64_t unix_ms, int64_t *ret_unix_ms);
/* How far its zone is from UTC then, in seconds. */
int32_t cron_offset_at(const struct cron *cron, int64_t unix_ms);
/* As it is named: "Europe/Berlin", "UTC". */
const char *cron_zone_name(const struct cron *cron);
/* Both day fields are restricted, one of them as `*` with a step: a day matches if either does, which not all expect. */
bool cron_has_step_among_days(const struct cron *cron);

#endif
