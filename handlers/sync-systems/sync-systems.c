/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync-systems: copies what changed from one SQLite file to another, a page a run.
 *
 * Shows: two steps with the data in between, a step with a policy of its own, results that are read
 * back from a checkpoint, and an event that the function sends to itself when there is more.
 */
#include <sqlite3.h>
#include <stdint.h>
#include <string.h>

#include <stepd/stepd.h>

struct options {
    const char *source;
    const char *target;
    int64_t page;
};

static const char SCHEMA[] = "CREATE TABLE IF NOT EXISTS items (id TEXT PRIMARY KEY, name TEXT, version INTEGER NOT NULL)";
static const char CHANGED[] = "SELECT id, name, version FROM items WHERE version > ? ORDER BY version LIMIT ?";
/* The same page saved twice, or two pages in the wrong order, end alike: the later version stays. */
static const char SAVE[] = "INSERT INTO items (id, name, version) VALUES (?, ?, ?)"
                           " ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version"
                           " WHERE excluded.version > items.version";

static int init(const void *options, void **ret_shared)
{
    *ret_shared = (void *)(uintptr_t)options;
    return 0;
}

/* A connection that is closed at the end of its scope. */
static void close_at(sqlite3 **database)
{
    sqlite3_close(*database);
}
#define AUTO_DATABASE __attribute__((cleanup(close_at))) sqlite3

static void finalize_at(sqlite3_stmt **statement)
{
    sqlite3_finalize(*statement);
}
#define AUTO_STATEMENT __attribute__((cleanup(finalize_at))) sqlite3_stmt

static enum stepd_status database_error(struct stepd_ctx *ctx, sqlite3 *database, const char *path)
{
    return stepd_error(ctx, "DatabaseError", "%s: %s", path, sqlite3_errmsg(database));
}

static int database_open(const char *path, sqlite3 **ret_database)
{
    int status = sqlite3_open(path, ret_database);

    if (status == SQLITE_OK)
        status = sqlite3_busy_timeout(*ret_database, 5000);
    return status == SQLITE_OK ? sqlite3_exec(*ret_database, SCHEMA, NULL, NULL, NULL) : status;
}

static void pack_text(msgpack_packer *output, const char *text)
{
    msgpack_pack_str_with_body(output, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

/* [[id, name, version], …], in order of version. */
static enum stepd_status get_data(struct stepd_ctx *ctx, const void *arg)
{
    const struct options *options = stepd_shared(ctx);
    const int64_t *after = arg;
    AUTO_DATABASE *database = NULL;
    AUTO_STATEMENT *changed = NULL;
    msgpack_sbuffer rows;
    msgpack_packer packer;
    size_t count = 0;
    int status;

    if (database_open(options->source, &database) != SQLITE_OK || sqlite3_prepare_v2(database, CHANGED, -1, &changed, NULL) != SQLITE_OK)
        return database_error(ctx, database, options->source);
    sqlite3_bind_int64(changed, 1, *after);
    sqlite3_bind_int64(changed, 2, options->page);
    msgpack_sbuffer_init(&rows); /* an array's length stands before it, and is known when all are read */
    msgpack_packer_init(&packer, &rows, msgpack_sbuffer_write);
    for (; (status = sqlite3_step(changed)) == SQLITE_ROW; count++) {
        msgpack_pack_array(&packer, 3);
        pack_text(&packer, (const char *)sqlite3_column_text(changed, 0));
        pack_text(&packer, (const char *)sqlite3_column_text(changed, 1));
        msgpack_pack_int64(&packer, sqlite3_column_int64(changed, 2));
    }
    if (status == SQLITE_DONE) {
        msgpack_packer *output = stepd_output(ctx);
        msgpack_pack_array(output, count);
        output->callback(output->data, rows.data, rows.size);
    }
    msgpack_sbuffer_destroy(&rows);
    return status == SQLITE_DONE ? STEPD_OK : database_error(ctx, database, options->source);
}

static int save_row(struct stepd_ctx *ctx, sqlite3_stmt *save, const msgpack_object *row)
{
    sqlite3_bind_text(save, 1, stepd_get_str(ctx, row, "0", ""), -1, SQLITE_STATIC);
    sqlite3_bind_text(save, 2, stepd_get_str(ctx, row, "1", ""), -1, SQLITE_STATIC);
    sqlite3_bind_int64(save, 3, stepd_get_int(ctx, row, "2", 0));
    int status = sqlite3_step(save);
    sqlite3_reset(save);
    return status;
}

/* All rows or none: a connection that closes within a transaction takes it back. */
static enum stepd_status save_data(struct stepd_ctx *ctx, const void *arg)
{
    const struct options *options = stepd_shared(ctx);
    const msgpack_object *rows = arg;
    AUTO_DATABASE *database = NULL;
    AUTO_STATEMENT *save = NULL;

    if (database_open(options->target, &database) != SQLITE_OK ||
        sqlite3_exec(database, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(database, SAVE, -1, &save, NULL) != SQLITE_OK)
        return database_error(ctx, database, options->target);
    for (uint32_t i = 0; i < rows->via.array.size; i++) {
        if (save_row(ctx, save, &rows->via.array.ptr[i]) != SQLITE_DONE)
            return database_error(ctx, database, options->target);
    }
    if (sqlite3_exec(database, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        return database_error(ctx, database, options->target);
    return STEPD_OK;
}

/* The next page is a run of its own: each stays short, and what is done of them is durable. */
static enum stepd_status ask_for_more(struct stepd_ctx *ctx, int64_t after)
{
    msgpack_sbuffer data;
    msgpack_packer packer;

    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_text(&packer, "after");
    msgpack_pack_int64(&packer, after);
    enum stepd_status status = stepd_send_event(ctx, "ask-for-more", "auto/sync.request", &data);
    msgpack_sbuffer_destroy(&data);
    return status;
}

static enum stepd_status sync_systems(struct stepd_ctx *ctx)
{
    static const struct stepd_policy patient = { .retries = 10, .timeout_ms = 60000 };
    const struct options *options = stepd_shared(ctx);
    const int64_t after = stepd_get_int(ctx, stepd_event(ctx)->data, "after", 0);
    const msgpack_object *rows;

    STEPD_TRY(stepd_step_run(ctx, "get-data", get_data, &after, &rows));
    const uint32_t count = rows->via.array.size;
    if (count > 0)
        STEPD_TRY(stepd_step_run_with(ctx, &patient, "save-data", save_data, rows, NULL));
    if (count > 0 && count == options->page)
        STEPD_TRY(ask_for_more(ctx, stepd_get_int(ctx, &rows->via.array.ptr[count - 1], "2", after)));
    msgpack_pack_uint32(stepd_output(ctx), count);
    return STEPD_OK;
}

STEPD_MODULE(.name = "sync-systems", .init = init,
             .options = STEPD_OPTIONS(STEPD_OPTION(.name = "source", .type = STEPD_STRING, .offset = offsetof(struct options, source),
                                                   .default_text = "source.db", .help = "the SQLite file to copy from"),
                                      STEPD_OPTION(.name = "target", .type = STEPD_STRING, .offset = offsetof(struct options, target),
                                                   .default_text = "target.db", .help = "the SQLite file to copy to"),
                                      STEPD_OPTION(.name = "page", .type = STEPD_INT, .offset = offsetof(struct options, page),
                                                   .default_text = "500", .help = "items a run")),
             .options_size = sizeof(struct options),
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "sync-systems", .event = "auto/sync.request", .run = sync_systems,
                                                         .concurrency = 1)));
