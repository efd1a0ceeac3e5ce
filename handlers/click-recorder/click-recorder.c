/* SPDX-License-Identifier: Apache-2.0 */
/*
 * click-recorder: one row of a SQLite file for each click.
 *
 * Shows: a module's options, a connection for each worker thread, errors that are worth a retry and
 * those that are not, and a write that may happen twice and leaves one row.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stepd/stepd.h>

struct options {
    const char *database;
};

struct shared {
    const char *path;
    sqlite3 *database;
};

/* A worker thread's own: SQLite's connections are best not shared. */
struct recorder {
    sqlite3 *database;
    sqlite3_stmt *insert;
};

static const char SCHEMA[] = "CREATE TABLE IF NOT EXISTS clicks ("
                             "  run_id TEXT PRIMARY KEY, button_id TEXT, user_id TEXT, clicked_at_ms INTEGER NOT NULL) WITHOUT ROWID";

/* A run may be attempted again after its row was written, when a machine died between the two. Its
 * id is the same then, and the row is left as it is. */
static const char INSERT[] = "INSERT OR IGNORE INTO clicks (run_id, button_id, user_id, clicked_at_ms) VALUES (?, ?, ?, ?)";

/* Opens the file; many threads write to it, and each waits for its turn. */
static int database_open(const char *path, sqlite3 **ret_database)
{
    int status = sqlite3_open(path, ret_database);

    return status == SQLITE_OK ? sqlite3_busy_timeout(*ret_database, 5000) : status;
}

static int refuse(const char *path, sqlite3 *database)
{
    (void)fprintf(stderr, "click-recorder: %s: %s\n", path, sqlite3_errmsg(database));
    sqlite3_close(database);
    return -EIO;
}

/* What is needed once is done here, before there are threads. In WAL mode a commit appends to a log
 * instead of rewriting pages; the connection stays open, so that the log does as well. */
static int init(const void *options, void **ret_shared)
{
    static struct shared shared;
    const struct options *given = options;

    shared.path = given->database;
    if (database_open(shared.path, &shared.database) != SQLITE_OK ||
        sqlite3_exec(shared.database, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(shared.database, SCHEMA, NULL, NULL, NULL) != SQLITE_OK)
        return refuse(shared.path, shared.database);
    *ret_shared = &shared;
    return 0;
}

static void at_exit(void *shared)
{
    sqlite3_close(((struct shared *)shared)->database);
}

static int thread_init(void *shared, void **ret_local)
{
    const char *path = ((struct shared *)shared)->path;
    struct recorder *recorder = calloc(1, sizeof(*recorder));

    if (recorder == NULL)
        return -ENOMEM;
    if (database_open(path, &recorder->database) != SQLITE_OK ||
        sqlite3_prepare_v2(recorder->database, INSERT, -1, &recorder->insert, NULL) != SQLITE_OK) {
        int status = refuse(path, recorder->database);
        free(recorder);
        return status;
    }
    *ret_local = recorder;
    return 0;
}

static void thread_exit(void *shared, void *local)
{
    struct recorder *recorder = local;

    (void)shared;
    sqlite3_finalize(recorder->insert);
    sqlite3_close(recorder->database);
    free(recorder);
}

static int insert_click(struct stepd_ctx *ctx, sqlite3_stmt *insert)
{
    const struct stepd_event *event = stepd_event(ctx);

    sqlite3_bind_text(insert, 1, stepd_run_id(ctx), -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, stepd_get_str(ctx, event->data, "button_id", NULL), -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, stepd_get_str(ctx, event->data, "user_id", NULL), -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 4, event->ts_ms);
    int status = sqlite3_step(insert);
    sqlite3_reset(insert);
    return status;
}

static enum stepd_status record_click(struct stepd_ctx *ctx)
{
    const struct recorder *recorder = stepd_local(ctx);

    if (stepd_event(ctx)->data->type != MSGPACK_OBJECT_MAP) /* no retry makes it better */
        return stepd_non_retriable(ctx, "NotAClick", "a click's data is a map of button_id and user_id");
    if (insert_click(ctx, recorder->insert) != SQLITE_DONE)
        return stepd_error(ctx, "DatabaseError", "%s", sqlite3_errmsg(recorder->database));

    msgpack_packer *output = stepd_output(ctx);
    msgpack_pack_map(output, 1);
    msgpack_pack_str_with_body(output, "recorded", strlen("recorded"));
    msgpack_pack_true(output);
    return STEPD_OK;
}

STEPD_MODULE(.name = "click-recorder", .init = init, .exit = at_exit, .thread_init = thread_init, .thread_exit = thread_exit,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "database", .type = STEPD_STRING, .offset = offsetof(struct options, database),
                                                   .default_text = "clicks.db", .help = "the SQLite file; made when it is not there")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "click-recorder", .event = "app/button.clicked", .run = record_click,
                                                         .retries = 10)));
