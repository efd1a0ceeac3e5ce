/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log, one line an event, to standard error or the journal. Any thread; a line is one write(2),
 * so lines of different threads never mix. A call site that repeats itself too fast is held back,
 * and how many lines were left out is said with its next one.
 */
#ifndef STEPD_BASE_LOG_H
#define STEPD_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

/* In the order of enum stepd_level. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_format {
    LOG_FORMAT_AUTO, /* journal when standard error leads there, else text */
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON,    /* one object a line */
    LOG_FORMAT_JOURNAL, /* fields as STEPD_RUN_ID= …; a message says the most important ones again */
    LOG_FORMAT_DEV,     /* the live log of `stepd dev`: a line for each attempt, made to be watched */
};

/* Their names, in the order of the enums; ended by NULL. */
extern const char *const LOG_LEVEL_NAMES[];
extern const char *const LOG_FORMAT_NAMES[];

/* What a line is about. NULL, and -1 for numbers: absent. partition and offset go with topic. */
struct log_fields {
    const char *run_id;
    const char *function;
    const char *step;
    const char *event_id;
    const char *trace_id; /* or a whole traceparent */
    const char *topic;
    int partition;
    int64_t offset;
    int attempt;         /* zero-indexed */
    const char *outcome; /* started completed retry sleeping failed cancelled … */
    int64_t due_in_ms;   /* when the next attempt is due */
};
#define LOG_FIELDS_NONE \
    { \
        .partition = -1, .offset = -1, .attempt = -1, .due_in_ms = -1 \
    }

/* Before the first line, or between lines of one thread. Without it: auto, info. */
void log_open(enum log_level level, enum log_format format);
/* Says what is still held back. */
void log_close(void);
bool log_has_level(enum log_level level);
/* Any thread, at any time. */
void log_set_level(enum log_level level);
/* "250 ms", "15 s", "1.5 s", "2 m 30 s", "3 h": for people. */
#define LOG_DURATION_SIZE 32
char *log_duration(int64_t duration_ms, char ret_text[LOG_DURATION_SIZE]);

/* A call's place in the source; what the rate limit counts by. */
struct log_site {
    const char *file;
    int line;
    int lines_per_second;
    atomic_int_fast64_t second; /* monotonic */
    atomic_int written;         /* in it */
    atomic_int left_out;        /* since the last line */
    struct log_site *_Atomic next;
    atomic_bool is_listed;
};

#define LOG_LINES_PER_SECOND 20    /* of one log_error(), log_warn() … */
#define LOG_EVENTS_PER_SECOND 1000 /* of one log_event() */

#define LOG_AT(level_, limit_, fields_, ...) \
    do { \
        static struct log_site log_site_ = { .file = __FILE__, .line = __LINE__, .lines_per_second = (limit_) }; \
        enum log_level log_level_ = (level_); \
        if (log_has_level(log_level_)) \
            log_write(&log_site_, log_level_, (fields_), __VA_ARGS__); \
    } while (0)

#define log_error(...) LOG_AT(LOG_LEVEL_ERROR, LOG_LINES_PER_SECOND, NULL, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_LEVEL_WARN, LOG_LINES_PER_SECOND, NULL, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_LEVEL_INFO, LOG_LINES_PER_SECOND, NULL, __VA_ARGS__)
#define log_debug(...) LOG_AT(LOG_LEVEL_DEBUG, LOG_LINES_PER_SECOND, NULL, __VA_ARGS__)
/* log_event(level, const struct log_fields *fields, format, ...); fields may be NULL. */
#define log_event(level, fields, ...) LOG_AT(level, LOG_EVENTS_PER_SECOND, fields, __VA_ARGS__)

void log_write(struct log_site *site, enum log_level level, const struct log_fields *fields, const char *format, ...) PRINTF_LIKE(4, 5);

/* The line as log_write() would write it, newline included, uncoloured or coloured; for tests.
 * Caller frees. */
char *log_line(enum log_format format, bool has_colour, enum log_level level, int64_t wall_ms, const struct log_fields *fields,
               const char *text);

#endif
