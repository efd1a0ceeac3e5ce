/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor has found, by whatever looked: each with its remedy. */
#ifndef STEPD_CTL_DOCTOR_H
#define STEPD_CTL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "config/config.h"

enum severity { SEVERITY_OK, SEVERITY_WARNING, SEVERITY_FAULT };

struct finding {
    enum severity severity;
    const char *about;
    char *text;
    char *remedy; /* empty: none */
};

struct findings {
    struct finding *items;
    size_t count;
    bool is_unreachable;
};

/* `about` is borrowed; a remedy goes with what is not SEVERITY_OK alone. */
void findings_add(struct findings *findings, enum severity severity, const char *about, const char *remedy, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* Brokers, topics, and what the group's protocol hangs on. */
void doctor_check_kafka(struct findings *findings, const struct config *config);

#endif
