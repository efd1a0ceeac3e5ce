/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that stay, where the config names some. */
#include "program/programs.h"

#include <errno.h>

#include "config/config.h"
#include "modules/loader.h"
#include "parts/families.h"
#include "parts/part.h"
#include "sdk/inngest.h"
#include "store/shelf.h"
#include "store/store.h"

/* Who looks after the shelf asks again: a call that waits would hold up the daemon's stop. */
static int save(void *context, const char *shelf, const char *name, struct bytes thing)
{
    const struct daemon *daemon = context;

    return store_is_up(daemon->store) ? shelf_save(daemon->store, shelf, name, thing) : -EAGAIN;
}

static int load(void *context, const char *shelf, void (*each)(void *each_context, const char *name, struct bytes thing),
                void *each_context)
{
    const struct daemon *daemon = context;

    return store_is_up(daemon->store) ? shelf_load(daemon->store, shelf, each, each_context) : -EAGAIN;
}

static bool is_others(void *context, const char *id)
{
    const struct daemon *daemon = context;

    return functions_find(&daemon->loaded->functions, id) != NULL ||
           (daemon->inngest != NULL && inngest_find_function(daemon->inngest, id) != NULL);
}

static int start(struct daemon *daemon, struct error *ret_error)
{
    const struct programs_settings settings = {
        .config = daemon->config,
        .routes = daemon->routes,
        .first_index = daemon->loaded->functions.count + (daemon->inngest != NULL ? INNGEST_FUNCTIONS_MAX : 0),
        .is_others = is_others,
        .context = daemon,
        .shelf = { save, load, daemon },
    };

    if (daemon->config->program_count == 0)
        return 0;
    daemon->programs = programs_create(&settings);
    return programs_start(daemon->programs, ret_error);
}

static void halt(struct daemon *daemon)
{
    programs_stop(daemon->programs);
}

static void end(struct daemon *daemon)
{
    programs_destroy(daemon->programs);
}

/* ---- metrics ------------------------------------------------------------------------------------- */

static const struct family families[] = {
    GAUGE("program_processes", "Processes of the program that serve.", program_counts, processes),
    GAUGE("program_calls", "Attempts that the program has under way.", program_counts, calls),
    GAUGE("program_calls_waiting", "Attempts that wait until the program has room.", program_counts, waiting),
    COUNTER("program_deaths_total", "Processes of the program that ended without being told to.", program_counts, deaths),
};

struct row {
    struct metrics_page *page;
    const struct family *family;
};

static void put(void *context, const struct program_counts *counts)
{
    const struct row *row = context;
    const struct metric_label labels[] = { { "program", counts->name }, { 0 } };

    metrics_put(row->page, labels, family_value(counts, row->family));
}

static void write_metrics(struct daemon *daemon, struct metrics_page *page)
{
    for (size_t i = 0; daemon->programs != NULL && i < sizeof(families) / sizeof(families[0]); i++) {
        metrics_family(page, families[i].kind, families[i].name, families[i].help);
        programs_each(daemon->programs, put, &(struct row){ page, &families[i] });
    }
}

const struct part PART_PROGRAMS = { .name = "programs", .start = start, .halt = halt, .end = end, .write_metrics = write_metrics };
