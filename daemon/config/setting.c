/* SPDX-License-Identifier: Apache-2.0 */
#include "config/setting.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/lock.h"

#define MS_MAX ((int64_t)3650 * 86400 * 1000) /* ten years: more is a slip */

const char *place_file(const char *path)
{
    static struct lock lock = LOCK_INITIALIZER;
    static char **files;
    static size_t count;
    const char *found = NULL;

    LOCK_GUARD(&lock);
    for (size_t i = 0; i < count && found == NULL; i++) {
        if (strcmp(files[i], path) == 0)
            found = files[i];
    }
    if (found == NULL) {
        files = xrealloc(files, (count + 1) * sizeof(*files));
        files[count] = xstrdup(path);
        found = files[count++];
    }
    return found;
}

const struct setting *setting_find(const struct setting *map, const char *name)
{
    for (size_t i = 0; map != NULL && map->kind == SETTING_MAP && i < map->count; i++) {
        if (strcmp(map->items[i].name, name) == 0)
            return &map->items[i];
    }
    return NULL;
}

const char *setting_shown(const struct setting *setting)
{
    return setting->shown != NULL ? setting->shown : setting->text;
}

void config_faults_add(struct config_faults *faults, const struct place *place, const char *format, ...)
{
    va_list arguments;

    assert(format[0] != '\0');
    faults->items = xrealloc(faults->items, (faults->count + 1) * sizeof(*faults->items));
    struct config_fault *fault = &faults->items[faults->count++];
    *fault = (struct config_fault){ 0 };
    if (place != NULL)
        fault->place = *place;
    va_start(arguments, format);
    fault->text = xvasprintf(format, arguments);
    va_end(arguments);
}

void config_faults_done(struct config_faults *faults)
{
    for (size_t i = 0; i < faults->count; i++)
        free(faults->items[i].text);
    free(faults->items);
    *faults = (struct config_faults){ 0 };
}

/* Insertions, deletions, replacements and swaps of neighbours from one to the other. */
static size_t edit_distance(const char *left, const char *right)
{
    enum { LONGEST = 40 };
    size_t rows[3][LONGEST + 1];
    size_t left_length = strlen(left);
    size_t right_length = strlen(right);

    if (left_length > LONGEST || right_length > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= right_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= left_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= right_length; j++) {
            size_t best = above[j - 1] + (left[i - 1] != right[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] && above_that[j - 2] + 1 < best)
                best = above_that[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[left_length % 3][right_length];
}

const char *config_suggest(const char *name, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t nearest_distance = strlen(name) / 3 + 2;

    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(name, names[i]);
        if (distance < nearest_distance && distance < strlen(names[i])) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

int parse_int(const char *text, int64_t *ret_value)
{
    char *end;

    if (!isdigit((unsigned char)text[0]) && !(text[0] == '-' && isdigit((unsigned char)text[1])))
        return -EINVAL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end != '\0')
        return -EINVAL;
    if (errno == ERANGE)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

int parse_double(const char *text, double *ret_value)
{
    char *end;

    if (strpbrk(text, "0123456789") == NULL || isspace((unsigned char)text[0]) || strpbrk(text, "xX") != NULL)
        return -EINVAL;
    double value = strtod(text, &end);
    if (*end != '\0')
        return -EINVAL;
    if (!isfinite(value))
        return -ERANGE;
    *ret_value = value;
    return 0;
}

int parse_bool(const char *text, bool *ret_value)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return -EINVAL;
    *ret_value = text[0] == 't';
    return 0;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* Reads `12.5unit` at *text and moves behind it. */
static int quantity_read(const char **text, const struct unit *units, size_t unit_count, double *ret_quantity)
{
    char *end;
    size_t digits = strspn(*text, "0123456789.");

    if (digits == 0 || !isdigit((unsigned char)(*text)[0]))
        return -EINVAL;
    double number = strtod(*text, &end);
    if (end != *text + digits)
        return -EINVAL;
    size_t length = strcspn(end, "0123456789.");
    for (size_t i = 0; i < unit_count; i++) {
        if (strlen(units[i].name) == length && strncmp(units[i].name, end, length) == 0) {
            *ret_quantity = number * (double)units[i].factor;
            *text = end + length;
            return 0;
        }
    }
    return -EINVAL;
}

int parse_duration_ms(const char *text, int64_t *ret_ms)
{
    static const struct unit units[] = {
        { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 },
    };
    double total = 0;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return 0;
    }
    do {
        double quantity;
        int status = quantity_read(&text, units, COUNT_OF(units), &quantity);
        if (status != 0)
            return status;
        total += quantity;
    } while (*text != '\0');
    if (total > (double)MS_MAX)
        return -ERANGE;
    *ret_ms = llround(total);
    return 0;
}

int parse_size(const char *text, int64_t *ret_bytes)
{
    static const struct unit units[] = {
        { "", 1 },       { "B", 1 },         { "kB", 1000 },     { "MB", 1000000 }, { "GB", 1000000000 },
        { "KiB", 1024 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 },
    };
    double quantity;
    int status = quantity_read(&text, units, COUNT_OF(units), &quantity);

    if (status != 0)
        return status;
    if (*text != '\0')
        return -EINVAL;
    if (quantity > (double)((int64_t)1 << 50))
        return -ERANGE;
    *ret_bytes = (int64_t)quantity;
    return 0;
}
