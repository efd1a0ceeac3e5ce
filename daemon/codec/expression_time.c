/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/expression_time.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "codec/calendar.h"

#define SECOND_NS INT64_C(1000000000)
#define FIRST_SECOND INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND INT64_C(253402300799)  /* 9999-12-31T23:59:59Z */

/* What is left to read; each read_ takes its piece off the front, or answers false. */
struct reading {
    const char *at, *end;
};

static bool read_one(struct reading *reading, const char *letters)
{
    if (reading->at == reading->end || *reading->at == '\0' || strchr(letters, *reading->at) == NULL)
        return false;
    reading->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly two digits, or four. */
static bool read_digits(struct reading *reading, int count, int *ret_number)
{
    int number = 0;

    for (int i = 0; i < count; i++) {
        if (reading->at == reading->end || !is_digit(*reading->at))
            return false;
        number = number * 10 + (*reading->at++ - '0');
    }
    *ret_number = number;
    return true;
}

static bool read_date(struct reading *reading, struct date *date)
{
    return read_digits(reading, 4, &date->year) && read_one(reading, "-") && read_digits(reading, 2, &date->month) &&
           read_one(reading, "-") && read_digits(reading, 2, &date->day) && date->year >= 1 && calendar_is_real(*date);
}

/* What is beyond a nanosecond is cut off. */
static bool read_fraction(struct reading *reading, int32_t *ret_nanoseconds)
{
    int32_t nanoseconds = 0, unit = 100000000;
    const char *start = reading->at;

    for (; reading->at < reading->end && is_digit(*reading->at); reading->at++, unit /= 10)
        nanoseconds += (*reading->at - '0') * unit;
    *ret_nanoseconds = nanoseconds;
    return reading->at > start;
}

static bool read_zone(struct reading *reading, int64_t *ret_offset)
{
    int hours, minutes;

    *ret_offset = 0;
    if (read_one(reading, "Zz"))
        return true;
    bool is_west = reading->at < reading->end && *reading->at == '-';
    if (!read_one(reading, "+-") || !read_digits(reading, 2, &hours) || !read_one(reading, ":") || !read_digits(reading, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_offset = (hours * 60 + minutes) * (is_west ? -60 : 60);
    return true;
}

static bool read_seconds(struct reading *reading, struct civil_time *civil, int32_t *ret_nanoseconds)
{
    if (!read_digits(reading, 2, &civil->second) || civil->second > 59)
        return false;
    return !read_one(reading, ".") || read_fraction(reading, ret_nanoseconds);
}

static bool read_clock(struct reading *reading, bool needs_seconds, struct civil_time *civil, int32_t *ret_nanoseconds)
{
    if (!read_digits(reading, 2, &civil->hour) || !read_one(reading, ":") || !read_digits(reading, 2, &civil->minute) || civil->hour > 23 ||
        civil->minute > 59)
        return false;
    if (!read_one(reading, ":"))
        return !needs_seconds;
    return read_seconds(reading, civil, ret_nanoseconds);
}

static bool is_in_range(int64_t seconds)
{
    return seconds >= FIRST_SECOND && seconds <= LAST_SECOND;
}

bool time_parse(struct bytes text, struct moment *ret_moment)
{
    struct reading reading = { text.data, (const char *)text.data + text.size };
    struct civil_time civil = { 0 };
    struct moment moment = { 0 };
    int64_t offset;

    if (!read_date(&reading, &civil.date) || !read_one(&reading, "Tt") || !read_clock(&reading, true, &civil, &moment.nanoseconds) ||
        !read_zone(&reading, &offset) || reading.at != reading.end)
        return false;
    moment.seconds = calendar_seconds(&civil) - offset;
    *ret_moment = moment;
    return is_in_range(moment.seconds);
}

bool time_parse_loosely(struct bytes text, struct moment *ret_moment)
{
    struct reading reading = { text.data, (const char *)text.data + text.size };
    struct civil_time civil = { 0 };
    struct moment moment = { 0 };
    int64_t offset = 0;

    if (!read_date(&reading, &civil.date))
        return false;
    if (read_one(&reading, "Tt ") && !read_clock(&reading, false, &civil, &moment.nanoseconds))
        return false;
    if (reading.at != reading.end && (!read_zone(&reading, &offset) || reading.at != reading.end))
        return false;
    moment.seconds = calendar_seconds(&civil) - offset;
    *ret_moment = moment;
    return is_in_range(moment.seconds);
}

/* ---- durations ----------------------------------------------------------------------------------------- */

static bool read_unit(struct reading *reading, int64_t *ret_unit)
{
    static const struct {
        const char *name;
        int64_t unit;
    } units[] = {
        { "ns", 1 },       { "us", 1000 },     { "\u00b5s", 1000 },     { "\u03bcs", 1000 },
        { "ms", 1000000 }, { "s", SECOND_NS }, { "m", 60 * SECOND_NS }, { "h", 3600 * SECOND_NS },
    };

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        size_t size = strlen(units[i].name);
        if ((size_t)(reading->end - reading->at) >= size && memcmp(reading->at, units[i].name, size) == 0) {
            reading->at += size;
            *ret_unit = units[i].unit;
            return true;
        }
    }
    return false;
}

/* "1.5h": whole digits, others behind a point, or both; a unit. Adds to *total, which is as far below 0. */
static bool read_piece(struct reading *reading, int64_t *total)
{
    int64_t whole = 0, unit, piece;
    double fraction = 0, scale = 0.1;
    const char *start = reading->at;

    for (; reading->at < reading->end && is_digit(*reading->at); reading->at++)
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, *reading->at - '0', &whole))
            return false;
    size_t digits = (size_t)(reading->at - start);
    if (read_one(reading, "."))
        for (; reading->at < reading->end && is_digit(*reading->at); reading->at++, digits++, scale /= 10)
            fraction += (*reading->at - '0') * scale;
    if (digits == 0 || !read_unit(reading, &unit) || __builtin_mul_overflow(whole, -unit, &piece))
        return false;
    return !__builtin_sub_overflow(piece, (int64_t)(fraction * (double)unit + 0.5), &piece) &&
           !__builtin_add_overflow(*total, piece, total);
}

bool time_parse_duration(struct bytes text, int64_t *ret_nanoseconds)
{
    struct reading reading = { text.data, (const char *)text.data + text.size };
    int64_t total = 0; /* counted downwards: there is one more number below 0 */
    bool is_negative = reading.at < reading.end && *reading.at == '-';

    (void)read_one(&reading, "+-");
    if (reading.end - reading.at == 1 && *reading.at == '0') {
        *ret_nanoseconds = 0;
        return true;
    }
    do {
        if (!read_piece(&reading, &total))
            return false;
    } while (reading.at < reading.end);
    if (!is_negative && total == INT64_MIN)
        return false;
    *ret_nanoseconds = is_negative ? total : -total;
    return true;
}

/* ---- values and their text ----------------------------------------------------------------------------- */

struct value time_timestamp(struct moment moment)
{
    if (!is_in_range(moment.seconds))
        return value_error("timestamp overflow");
    return (struct value){ .kind = VALUE_TIMESTAMP, .moment = moment };
}

struct value time_of_seconds(int64_t seconds)
{
    return time_timestamp((struct moment){ .seconds = seconds });
}

struct value time_of_ms(int64_t unix_ms)
{
    int64_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0);
    return time_timestamp((struct moment){ seconds, (int32_t)(unix_ms - seconds * 1000) * 1000000 });
}

struct value time_duration(int64_t nanoseconds)
{
    return (struct value){ .kind = VALUE_DURATION, .nanoseconds = nanoseconds };
}

/* ".789", or nothing. */
static size_t write_fraction(int32_t nanoseconds, char *text)
{
    if (nanoseconds == 0) {
        text[0] = '\0';
        return 0;
    }
    size_t size = (size_t)snprintf(text, 16, ".%09d", (int)nanoseconds);
    while (text[size - 1] == '0')
        size--;
    text[size] = '\0';
    return size;
}

size_t time_write(struct moment moment, char text[TIME_TEXT_SIZE])
{
    size_t size = calendar_write(moment.seconds, text);

    size += write_fraction(moment.nanoseconds, text + size);
    text[size++] = 'Z';
    text[size] = '\0';
    return size;
}

size_t time_write_duration(int64_t nanoseconds, char text[TIME_TEXT_SIZE])
{
    uint64_t most = nanoseconds < 0 ? 0 - (uint64_t)nanoseconds : (uint64_t)nanoseconds;
    size_t size =
        (size_t)snprintf(text, TIME_TEXT_SIZE, "%s%llu", nanoseconds < 0 ? "-" : "", (unsigned long long)(most / (uint64_t)SECOND_NS));

    size += write_fraction((int32_t)(most % (uint64_t)SECOND_NS), text + size);
    text[size++] = 's';
    text[size] = '\0';
    return size;
}

/* ---- sums ---------------------------------------------------------------------------------------------- */

static struct value shifted(struct moment moment, int64_t nanoseconds)
{
    int64_t below = moment.nanoseconds + nanoseconds % SECOND_NS;
    int64_t carry = below / SECOND_NS - (below % SECOND_NS < 0);

    return time_timestamp((struct moment){ moment.seconds + nanoseconds / SECOND_NS + carry, (int32_t)(below - carry * SECOND_NS) });
}

static struct value between(struct moment from, struct moment to)
{
    int64_t nanoseconds;

    if (__builtin_mul_overflow(to.seconds - from.seconds, SECOND_NS, &nanoseconds) ||
        __builtin_add_overflow(nanoseconds, (int64_t)to.nanoseconds - from.nanoseconds, &nanoseconds))
        return value_error("duration overflow");
    return time_duration(nanoseconds);
}

static struct value sum_of_durations(char operation, int64_t a, int64_t b)
{
    int64_t sum;
    bool is_beyond = operation == '+' ? __builtin_add_overflow(a, b, &sum) : __builtin_sub_overflow(a, b, &sum);

    return is_beyond ? value_error("duration overflow") : time_duration(sum);
}

struct value time_calculate(char operation, const struct value *a, const struct value *b)
{
    if (a->kind == VALUE_DURATION && b->kind == VALUE_DURATION)
        return sum_of_durations(operation, a->nanoseconds, b->nanoseconds);
    if (a->kind == VALUE_TIMESTAMP && b->kind == VALUE_TIMESTAMP && operation == '-')
        return between(b->moment, a->moment);
    if (a->kind == VALUE_DURATION && b->kind == VALUE_TIMESTAMP && operation == '+')
        return shifted(b->moment, a->nanoseconds);
    if (a->kind != VALUE_TIMESTAMP || b->kind != VALUE_DURATION)
        return value_error("no such overload");
    if (operation == '-' && b->nanoseconds == INT64_MIN)
        return value_error("duration overflow");
    return shifted(a->moment, operation == '-' ? -b->nanoseconds : b->nanoseconds);
}

/* ---- parts --------------------------------------------------------------------------------------------- */

static struct value part_of_duration(enum time_part part, int64_t nanoseconds)
{
    switch (part) {
    case TIME_HOURS:
        return value_int(nanoseconds / (3600 * SECOND_NS));
    case TIME_MINUTES:
        return value_int(nanoseconds / (60 * SECOND_NS));
    case TIME_SECONDS:
        return value_int(nanoseconds / SECOND_NS);
    case TIME_MILLISECONDS:
        return value_int(nanoseconds / 1000000 % 1000);
    default:
        return value_error("no such overload: a duration has no date");
    }
}

static int part_of_moment(enum time_part part, const struct civil_time *civil, int32_t nanoseconds)
{
    int64_t days = calendar_days(civil->date);

    switch (part) {
    case TIME_FULL_YEAR:
        return civil->date.year;
    case TIME_MONTH:
        return civil->date.month - 1;
    case TIME_DATE:
        return civil->date.day;
    case TIME_DAY_OF_MONTH:
        return civil->date.day - 1;
    case TIME_DAY_OF_WEEK:
        return calendar_weekday(days);
    case TIME_DAY_OF_YEAR:
        return (int)(days - calendar_days((struct date){ civil->date.year, 1, 1 }));
    case TIME_HOURS:
        return civil->hour;
    case TIME_MINUTES:
        return civil->minute;
    case TIME_SECONDS:
        return civil->second;
    case TIME_MILLISECONDS:
        break;
    }
    return nanoseconds / 1000000;
}

struct value time_part(enum time_part part, const struct value *time, const struct zone *zone)
{
    if (time->kind == VALUE_DURATION)
        return zone == NULL ? part_of_duration(part, time->nanoseconds) : value_error("no such overload: a duration has no zone");
    if (time->kind != VALUE_TIMESTAMP)
        return value_error("no such overload: it is no timestamp");
    int64_t seconds = time->moment.seconds;
    struct civil_time civil = calendar_civil(seconds + (zone != NULL ? zone_span_at(zone, seconds).offset : 0));
    return value_int(part_of_moment(part, &civil, time->moment.nanoseconds));
}
