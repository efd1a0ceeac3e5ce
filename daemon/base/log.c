/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"

#define LOG_TEXT_SIZE 2048

static struct {
    _Atomic(enum log_level) level;
    _Atomic(enum log_format) format;
    atomic_bool has_colour;
    struct log_site *_Atomic sites; /* that were held back at least once */
} the_log = { .level = LOG_LEVEL_INFO, .format = LOG_FORMAT_AUTO };

const char *const LOG_LEVEL_NAMES[] = { "error", "warn", "info", "debug", NULL };
const char *const LOG_FORMAT_NAMES[] = { "auto", "text", "json", "journal", "dev", NULL };

#define RESET "\033[0m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define CYAN "\033[36m"

/* ---- settings --------------------------------------------------------------------------------- */

/* systemd sets JOURNAL_STREAM=DEVICE:INODE of the stream it gave us; a redirected child inherits the
 * variable, but not the stream. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device;
    uintmax_t inode;
    struct stat status;

    return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

static bool stderr_has_colour(void)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");

    return isatty(STDERR_FILENO) && (no_colour == NULL || no_colour[0] == '\0') && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

void log_open(enum log_level level, enum log_format format)
{
    assert(level <= LOG_LEVEL_DEBUG);
    if (format == LOG_FORMAT_AUTO)
        format = stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
    atomic_store(&the_log.level, level);
    atomic_store(&the_log.has_colour, stderr_has_colour());
    atomic_store(&the_log.format, format);
}

void log_set_level(enum log_level level)
{
    assert(level <= LOG_LEVEL_DEBUG);
    atomic_store(&the_log.level, level);
}

bool log_has_level(enum log_level level)
{
    return level <= atomic_load_explicit(&the_log.level, memory_order_relaxed);
}

/* ---- formats ---------------------------------------------------------------------------------- */

char *log_duration(int64_t duration_ms, char ret_text[LOG_DURATION_SIZE])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };

    if (duration_ms < 1000) {
        (void)snprintf(ret_text, LOG_DURATION_SIZE, "%" PRId64 " ms", duration_ms);
        return ret_text;
    }
    if (duration_ms >= 59500 && duration_ms < 60000)
        duration_ms = 60000; /* not "60 s" */
    if (duration_ms < 60000) {
        int64_t tenths = (duration_ms + 50) / 100;
        if (tenths % 10 == 0 || tenths >= 100)
            (void)snprintf(ret_text, LOG_DURATION_SIZE, "%" PRId64 " s", (tenths + 5) / 10);
        else
            (void)snprintf(ret_text, LOG_DURATION_SIZE, "%" PRId64 ".%" PRId64 " s", tenths / 10, tenths % 10);
        return ret_text;
    }
    for (size_t i = 0; i + 1 < COUNT_OF(units); i++) {
        if (duration_ms < units[i].ms)
            continue;
        int64_t rest = duration_ms % units[i].ms / units[i + 1].ms;
        int written = snprintf(ret_text, LOG_DURATION_SIZE, "%" PRId64 " %s", duration_ms / units[i].ms, units[i].name);
        if (rest > 0 && written > 0 && written < LOG_DURATION_SIZE)
            (void)snprintf(ret_text + written, (size_t)(LOG_DURATION_SIZE - written), " %" PRId64 " %s", rest, units[i + 1].name);
        break;
    }
    return ret_text;
}

/* A line must stay one, and a terminal must not be steered by what a message says. */
static void print_clean(FILE *line, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at == '\n' && at[1] == '\0')
            break;
        if (*at < 0x20 || *at == 0x7f)
            (void)fprintf(line, *at == '\n' ? "\\n" : *at == '\t' ? "\t" : "\\x%02x", *at);
        else
            (void)fputc(*at, line);
    }
}

/* The trace's id of a traceparent `00-<32 hex>-<16 hex>-01`; anything else as it is. */
static const char *trace_of(const char *trace_id, char ret_trace[33])
{
    if (strlen(trace_id) < 55 || trace_id[2] != '-' || trace_id[35] != '-')
        return trace_id;
    memcpy(ret_trace, trace_id + 3, 32);
    ret_trace[32] = '\0';
    return ret_trace;
}

static void print_text_field(FILE *line, const char *name, const char *value)
{
    if (value == NULL)
        return;
    (void)fprintf(line, " %s=", name);
    if (value[0] == '\0' || strpbrk(value, " \"=\n\t") != NULL) {
        json_t *quoted = json_string(value);
        char *text = quoted != NULL ? json_dumps(quoted, JSON_ENCODE_ANY) : NULL;
        (void)fputs(text != NULL ? text : "\"?\"", line);
        free(text);
        json_decref(quoted);
    } else {
        print_clean(line, value);
    }
}

static void print_text(FILE *line, bool has_colour, enum log_level level, int64_t wall_ms, const struct log_fields *fields,
                       const char *text)
{
    static const char *const colours[] = { RED, YELLOW, "", DIM };
    char stamp[32];
    char trace[33];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;

    assert((size_t)level < COUNT_OF(colours));
    (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
    (void)fprintf(line, "%s%s.%03dZ%s %s%-5s%s ", has_colour ? DIM : "", stamp, (int)(wall_ms % 1000), has_colour ? RESET : "",
                  has_colour ? colours[level] : "", LOG_LEVEL_NAMES[level], has_colour ? RESET : "");
    print_clean(line, text);
    if (fields == NULL)
        return;
    if (has_colour)
        (void)fputs(DIM, line);
    print_text_field(line, "function", fields->function);
    print_text_field(line, "run", fields->run_id);
    if (fields->attempt >= 0 && fields->run_id != NULL)
        (void)fprintf(line, " attempt=%d", fields->attempt);
    print_text_field(line, "step", fields->step);
    print_text_field(line, "outcome", fields->outcome);
    if (fields->due_in_ms >= 0 && fields->run_id != NULL)
        (void)fprintf(line, " due_in_ms=%" PRId64, fields->due_in_ms);
    print_text_field(line, "event", fields->event_id);
    if (fields->topic != NULL) {
        print_text_field(line, "topic", fields->topic);
        if (fields->partition >= 0)
            (void)fprintf(line, " partition=%d", fields->partition);
        if (fields->offset >= 0)
            (void)fprintf(line, " offset=%" PRId64, fields->offset);
    }
    print_text_field(line, "trace", fields->trace_id != NULL ? trace_of(fields->trace_id, trace) : NULL);
    if (has_colour)
        (void)fputs(RESET, line);
}

static void object_add_string(json_t *object, const char *name, const char *value)
{
    if (value == NULL)
        return;
    json_t *string = json_string(value);
    if (string == NULL) { /* not UTF-8: what is ASCII of it */
        AUTO_FREE char *copy = xstrdup(value);
        for (char *at = copy; *at != '\0'; at++) {
            if ((unsigned char)*at >= 0x80)
                *at = '?';
        }
        string = json_string(copy);
    }
    (void)json_object_set_new(object, name, string);
}

static void object_add_number(json_t *object, const char *name, int64_t value)
{
    if (value >= 0)
        (void)json_object_set_new(object, name, json_integer(value));
}

static void print_json(FILE *line, enum log_level level, int64_t wall_ms, const struct log_fields *fields, const char *text)
{
    json_t *object = json_object();
    char stamp[64];
    char trace[33];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;

    size_t length = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &utc));
    (void)snprintf(stamp + length, sizeof(stamp) - length, ".%03dZ", (int)(wall_ms % 1000));
    object_add_string(object, "time", stamp);
    object_add_string(object, "level", LOG_LEVEL_NAMES[level]);
    object_add_string(object, "message", text);
    if (fields != NULL) {
        object_add_string(object, "function", fields->function);
        object_add_string(object, "run_id", fields->run_id);
        if (fields->run_id != NULL)
            object_add_number(object, "attempt", fields->attempt);
        object_add_string(object, "step", fields->step);
        object_add_string(object, "outcome", fields->outcome);
        if (fields->run_id != NULL)
            object_add_number(object, "due_in_ms", fields->due_in_ms);
        object_add_string(object, "event_id", fields->event_id);
        object_add_string(object, "trace_id", fields->trace_id != NULL ? trace_of(fields->trace_id, trace) : NULL);
        object_add_string(object, "topic", fields->topic);
        if (fields->topic != NULL) {
            object_add_number(object, "partition", fields->partition);
            object_add_number(object, "offset", fields->offset);
        }
    }
    (void)json_dumpf(object, line, JSON_COMPACT);
    json_decref(object);
}

struct glyph {
    const char *outcome;
    const char *sign;
    const char *colour;
};

static const struct glyph *glyph_of(const struct log_fields *fields, enum log_level level)
{
    static const struct glyph outcomes[] = {
        { "started", "▸", CYAN },     { "completed", "✔", GREEN }, { "retry", "↻", YELLOW },
        { "delayed", "↻", YELLOW },   { "sleeping", "◷", CYAN },   { "failed", "✘", RED },
        { "cancelled", "⊘", YELLOW }, { "behind", "⋯", DIM },      { "waiting", "◷", CYAN },
    };
    static const struct glyph levels[] = { { NULL, "✘", RED }, { NULL, "!", YELLOW }, { NULL, "·", DIM }, { NULL, "·", DIM } };

    assert((size_t)level < COUNT_OF(levels));
    for (size_t i = 0; fields != NULL && fields->outcome != NULL && i < COUNT_OF(outcomes); i++) {
        if (strcmp(outcomes[i].outcome, fields->outcome) == 0)
            return &outcomes[i];
    }
    return &levels[level];
}

/* `14:03:07.120 ↻ click-recorder        3f2a9c1e  attempt 1  retry      in 15 s · DatabaseError: insert failed` */
static void print_dev(FILE *line, bool has_colour, enum log_level level, int64_t wall_ms, const struct log_fields *fields, const char *text)
{
    const struct glyph *glyph = glyph_of(fields, level);
    const char *colour = has_colour ? glyph->colour : "";
    const char *dim = has_colour ? DIM : "";
    const char *reset = has_colour ? RESET : "";
    char stamp[32];
    char due[LOG_DURATION_SIZE];
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;

    (void)strftime(stamp, sizeof(stamp), "%H:%M:%S", localtime_r(&seconds, &local));
    (void)fprintf(line, "%s%s.%03d%s %s%s%s ", dim, stamp, (int)(wall_ms % 1000), reset, colour, glyph->sign, reset);
    if (fields == NULL || fields->run_id == NULL) {
        print_clean(line, text);
        return;
    }
    (void)fprintf(line, "%-22s %s%.8s%s", fields->function != NULL ? fields->function : "", dim, fields->run_id, reset);
    if (fields->attempt >= 0)
        (void)fprintf(line, "  attempt %d", fields->attempt);
    if (fields->outcome != NULL)
        (void)fprintf(line, "  %s%-9s%s", colour, fields->outcome, reset);
    if (fields->due_in_ms >= 0 && fields->outcome != NULL) {
        bool is_sleep = strcmp(fields->outcome, "sleeping") == 0;
        (void)fprintf(line, " %s %s", is_sleep ? "for" : "in", log_duration(fields->due_in_ms, due));
    }
    if (fields->step != NULL)
        (void)fprintf(line, "  %sstep%s %s", dim, reset, fields->step);
    if (text[0] != '\0') {
        (void)fprintf(line, "  ");
        print_clean(line, text);
    }
}

/* What `journalctl` shows of an entry, whose fields it leaves out:
 * `click-recorder 3f2a9c1e, attempt 1: retry in 15 s: DatabaseError: insert failed` */
static void print_message(FILE *line, const struct log_fields *fields, const char *text)
{
    char due[LOG_DURATION_SIZE];

    if (fields != NULL && fields->run_id != NULL) {
        (void)fprintf(line, "%s %.8s", fields->function != NULL ? fields->function : "run", fields->run_id);
        if (fields->attempt >= 0)
            (void)fprintf(line, ", attempt %d", fields->attempt);
        if (fields->step != NULL) {
            (void)fputs(", step ", line);
            print_clean(line, fields->step);
        }
        if (fields->outcome != NULL)
            (void)fprintf(line, ": %s", fields->outcome);
        if (fields->outcome != NULL && fields->due_in_ms >= 0)
            (void)fprintf(line, " %s %s", strcmp(fields->outcome, "sleeping") == 0 ? "for" : "in", log_duration(fields->due_in_ms, due));
        (void)fputs(text[0] != '\0' ? ": " : "", line);
    } else if (fields != NULL && fields->topic != NULL) {
        (void)fprintf(line, "%s [%d]", fields->topic, fields->partition);
        if (fields->offset >= 0)
            (void)fprintf(line, " @ %" PRId64, fields->offset);
        (void)fputs(": ", line);
    }
    print_clean(line, text);
}

char *log_line(enum log_format format, bool has_colour, enum log_level level, int64_t wall_ms, const struct log_fields *fields,
               const char *text)
{
    char *line = NULL;
    size_t size;
    FILE *stream = open_memstream(&line, &size);

    if (stream == NULL)
        abort();
    if (format == LOG_FORMAT_JSON)
        print_json(stream, level, wall_ms, fields, text);
    else if (format == LOG_FORMAT_DEV)
        print_dev(stream, has_colour, level, wall_ms, fields, text);
    else if (format == LOG_FORMAT_JOURNAL)
        print_message(stream, fields, text);
    else
        print_text(stream, has_colour, level, wall_ms, fields, text);
    (void)fputc('\n', stream);
    if (fclose(stream) != 0)
        abort();
    return line;
}

/* ---- the journal ------------------------------------------------------------------------------ */

#define JOURNAL_FIELDS 16

struct journal_entry {
    struct iovec fields[JOURNAL_FIELDS];
    int count;
};

static void journal_add(struct journal_entry *entry, char *field)
{
    assert(entry->count < JOURNAL_FIELDS);
    entry->fields[entry->count++] = (struct iovec){ .iov_base = field, .iov_len = strlen(field) };
}

static void journal_add_string(struct journal_entry *entry, const char *name, const char *value)
{
    if (value != NULL)
        journal_add(entry, xasprintf("%s=%s", name, value));
}

static void journal_add_number(struct journal_entry *entry, const char *name, int64_t value)
{
    if (value >= 0)
        journal_add(entry, xasprintf("%s=%" PRId64, name, value));
}

static void journal_send(const struct log_site *site, enum log_level level, const struct log_fields *fields, const char *text)
{
    static const int priorities[] = { 3, 4, 6, 7 };
    struct journal_entry entry = { .count = 0 };
    char trace[33];

    assert((size_t)level < COUNT_OF(priorities));
    AUTO_FREE char *message = log_line(LOG_FORMAT_JOURNAL, false, level, 0, fields, text);
    message[strcspn(message, "\n")] = '\0';
    journal_add_string(&entry, "MESSAGE", message);
    journal_add_number(&entry, "PRIORITY", priorities[level]);
    journal_add_string(&entry, "SYSLOG_IDENTIFIER", "stepd");
    journal_add_string(&entry, "CODE_FILE", site->file);
    journal_add_number(&entry, "CODE_LINE", site->line);
    if (fields != NULL) {
        journal_add_string(&entry, "STEPD_FUNCTION", fields->function);
        journal_add_string(&entry, "STEPD_RUN_ID", fields->run_id);
        if (fields->run_id != NULL)
            journal_add_number(&entry, "STEPD_ATTEMPT", fields->attempt);
        journal_add_string(&entry, "STEPD_STEP", fields->step);
        journal_add_string(&entry, "STEPD_OUTCOME", fields->outcome);
        if (fields->run_id != NULL)
            journal_add_number(&entry, "STEPD_DUE_IN_MS", fields->due_in_ms);
        journal_add_string(&entry, "STEPD_EVENT_ID", fields->event_id);
        journal_add_string(&entry, "STEPD_TRACE_ID", fields->trace_id != NULL ? trace_of(fields->trace_id, trace) : NULL);
        journal_add_string(&entry, "STEPD_TOPIC", fields->topic);
        if (fields->topic != NULL) {
            journal_add_number(&entry, "STEPD_PARTITION", fields->partition);
            journal_add_number(&entry, "STEPD_OFFSET", fields->offset);
        }
    }
    (void)sd_journal_sendv(entry.fields, entry.count);
    for (int i = 0; i < entry.count; i++)
        free(entry.fields[i].iov_base);
}

/* ---- writing ---------------------------------------------------------------------------------- */

static void line_emit(const struct log_site *site, enum log_level level, const struct log_fields *fields, const char *text)
{
    enum log_format format = atomic_load(&the_log.format);

    if (format == LOG_FORMAT_JOURNAL) {
        journal_send(site, level, fields, text);
        return;
    }
    AUTO_FREE char *line = log_line(format, atomic_load(&the_log.has_colour), level, clock_wall_ms(), fields, text);
    while (write(STDERR_FILENO, line, strlen(line)) < 0 && errno == EINTR)
        ;
}

static void site_list(struct log_site *site)
{
    if (atomic_exchange(&site->is_listed, true))
        return;
    struct log_site *first = atomic_load(&the_log.sites);
    do {
        atomic_store(&site->next, first);
    } while (!atomic_compare_exchange_weak(&the_log.sites, &first, site));
}

/* Whether the site may write now. Two threads that begin a second together may write a line too many. */
static bool site_allows(struct log_site *site)
{
    int_fast64_t now = clock_monotonic_ms() / 1000 + 1;

    if (atomic_exchange(&site->second, now) != now)
        atomic_store(&site->written, 0);
    if (atomic_fetch_add(&site->written, 1) < site->lines_per_second)
        return true;
    atomic_fetch_add(&site->left_out, 1);
    site_list(site);
    return false;
}

void log_write(struct log_site *site, enum log_level level, const struct log_fields *fields, const char *format, ...)
{
    char text[LOG_TEXT_SIZE];
    va_list arguments;
    int saved_errno = errno;

    if (!site_allows(site))
        return;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof(text))
        memcpy(text + sizeof(text) - 4, "...", 4);

    int left_out = atomic_exchange(&site->left_out, 0);
    size_t used = strlen(text);
    if (left_out > 0)
        (void)snprintf(text + used, sizeof(text) - used, " (%d lines like this left out)", left_out);
    line_emit(site, level, fields, text);
    errno = saved_errno;
}

void log_close(void)
{
    for (struct log_site *site = atomic_load(&the_log.sites); site != NULL; site = atomic_load(&site->next)) {
        int left_out = atomic_exchange(&site->left_out, 0);
        if (left_out == 0)
            continue;
        AUTO_FREE char *text = xasprintf("%d lines of %s:%d left out", left_out, site->file, site->line);
        line_emit(site, LOG_LEVEL_WARN, NULL, text);
    }
}
