/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_faults.h"

#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

static int fault_compare(const void *left, const void *right)
{
    const struct place *one = &((const struct config_fault *)left)->place;
    const struct place *other = &((const struct config_fault *)right)->place;
    int by_file = strcmp(one->file != NULL ? one->file : "", other->file != NULL ? other->file : "");

    if (by_file != 0)
        return by_file;
    return one->line != other->line ? one->line - other->line : one->column - other->column;
}

static void source_print(const struct place *place, FILE *out)
{
    FILE *file = place->line > 0 ? fopen(place->file, "re") : NULL;
    AUTO_FREE char *line = NULL;
    size_t size = 0;

    for (int i = 0; file != NULL && i < place->line; i++) {
        if (getline(&line, &size, file) < 0) {
            (void)fclose(file);
            return;
        }
    }
    if (file == NULL)
        return;
    (void)fclose(file);
    if (secret_is_in(line))
        return;
    (void)fprintf(out, "    %.*s\n    %*s^\n", (int)strcspn(line, "\r\n"), line, place->column > 0 ? place->column - 1 : 0, "");
}

char *config_fault_text(const struct config_fault *fault)
{
    const struct place *place = &fault->place;

    if (place->file == NULL)
        return xstrdup(fault->text);
    if (place->line == 0)
        return xasprintf("%s: %s", place->file, fault->text);
    return xasprintf("%s:%d:%d: %s", place->file, place->line, place->column, fault->text);
}

static void print(const struct config_faults *faults, const char *kind, FILE *out)
{
    AUTO_FREE struct config_fault *sorted = xmemdup(faults->items, faults->count * sizeof(*sorted));

    qsort(sorted, faults->count, sizeof(*sorted), fault_compare);
    for (size_t i = 0; i < faults->count; i++) {
        const struct place *place = &sorted[i].place;
        if (place->file != NULL)
            (void)fprintf(out, "%s:", place->file);
        if (place->file != NULL && place->line > 0)
            (void)fprintf(out, "%d:%d:", place->line, place->column);
        (void)fprintf(out, "%s%s: %s\n", place->file != NULL ? " " : "", kind, sorted[i].text);
        if (place->file != NULL)
            source_print(place, out);
    }
}

void config_faults_print(const struct config_faults *faults, FILE *out)
{
    print(faults, "error", out);
}

void config_warnings_print(const struct config_faults *warnings, FILE *out)
{
    print(warnings, "warning", out);
}
