/* SPDX-License-Identifier: Apache-2.0 */
/* All of a store in a file, and back, into another Redis or under another prefix. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/packed.h"
#include "ctl/command.h"
#include "ctl/deed.h"
#include "ctl/progress.h"
#include "store/copy.h"

#define FIRST_LINE "stepd-backup 1\n"
#define SHARDS_MOST 65536
#define KEYS_A_LOOK 1000 /* so often the bar is drawn */

/*
 * FIRST_LINE; then msgpack, one object after the other: the number of shards; of each key an array of shard, name, expires_ms
 * and value; at the end the number of keys, by which a file that was cut off is known.
 */
struct saving {
    FILE *file;
    msgpack_packer packer;
    size_t count;
};

static int write_bytes(void *context, const char *data, size_t size)
{
    return fwrite(data, 1, size, context) == size ? 0 : -1;
}

static void pack_bytes(msgpack_packer *packer, struct bytes bytes)
{
    msgpack_pack_bin(packer, bytes.size);
    msgpack_pack_bin_body(packer, bytes.data, bytes.size);
}

static bool save_key(void *context, const struct copied_key *key)
{
    struct saving *saving = context;

    assert(key->shard >= 0 && key->shard < SHARDS_MOST);
    msgpack_pack_array(&saving->packer, 4);
    msgpack_pack_int(&saving->packer, key->shard);
    pack_bytes(&saving->packer, key->name);
    msgpack_pack_int64(&saving->packer, key->expires_ms);
    pack_bytes(&saving->packer, key->value);
    if (++saving->count % KEYS_A_LOOK == 0)
        progress_show("saved", saving->count, 0);
    return ferror(saving->file) == 0 && !progress_is_stopped();
}

/* What changes while it is read is in no one moment. */
static enum ctl_exit check_stopped(struct ctl *ctl, const char *what)
{
    int64_t alive = 0;
    assert(ctl->store != NULL);
    int status = store_workers_alive(ctl->store, 0, &alive);

    if (status != 0)
        return ctl_store_failed(ctl, status);
    if (alive > 0)
        return ctl_fail(CTL_FAILED,
                        "%" PRId64 " daemon%s alive: stop all before a %s (docs/fleet.md); one that died counts for some seconds", alive,
                        alive == 1 ? " is" : "s are", what);
    return CTL_OK;
}

static void say(const struct ctl *ctl, const char *done, size_t count)
{
    if (ctl->is_json)
        (void)printf("{\"%s\":%zu}\n", done, count);
    else
        (void)printf("%zu key%s %s.\n", count, count == 1 ? "" : "s", done);
}

static enum ctl_exit save_all(struct ctl *ctl, FILE *file)
{
    struct saving saving = { .file = file };

    msgpack_packer_init(&saving.packer, file, write_bytes);
    (void)fputs(FIRST_LINE, file);
    msgpack_pack_int(&saving.packer, store_shards(ctl->store));
    progress_begin();
    int status = copy_each(ctl->store, save_key, &saving);
    progress_end();
    msgpack_pack_uint64(&saving.packer, saving.count);
    if (status == -ECANCELED && ferror(file) == 0)
        return ctl_fail(CTL_FAILED, "stopped: the file is no backup");
    if (status != 0 && status != -ECANCELED)
        return ctl_store_failed(ctl, status);
    if (fflush(file) != 0 || fsync(fileno(file)) != 0 || ferror(file) != 0)
        return ctl_fail(CTL_FAILED, "%s: %s", ctl->words[1], strerror(errno));
    say(ctl, "saved", saving.count);
    return CTL_OK;
}

static enum ctl_exit run_backup(struct ctl *ctl)
{
    if (ctl->word_count != 2)
        return ctl_misused(ctl, "into which file?");
    enum ctl_exit status = ctl_open_store(ctl);
    if (status == CTL_OK)
        status = check_stopped(ctl, "backup");
    if (status != CTL_OK)
        return status;
    FILE *file = fopen(ctl->words[1], "wxe");
    if (file == NULL)
        return ctl_fail(CTL_FAILED, "%s: %s", ctl->words[1], strerror(errno));
    status = save_all(ctl, file);
    (void)fclose(file);
    if (status != CTL_OK)
        (void)unlink(ctl->words[1]);
    return status;
}

/* ---- and back -------------------------------------------------------------------------------------- */

struct restoring {
    struct ctl *ctl;
    msgpack_unpacker unpacker;
    FILE *file;
    size_t count;
    int shards;             /* when it was saved */
    struct copy_plan *plan; /* NULL: the number of shards stays */
};

/* False: there is no more, or it is no backup. */
static bool next_object(struct restoring *restoring, msgpack_unpacked *object)
{
    for (;;) {
        msgpack_unpack_return answer = msgpack_unpacker_next(&restoring->unpacker, object);
        if (answer == MSGPACK_UNPACK_SUCCESS || answer == MSGPACK_UNPACK_EXTRA_BYTES)
            return true;
        if (answer != MSGPACK_UNPACK_CONTINUE || !msgpack_unpacker_reserve_buffer(&restoring->unpacker, 1 << 20))
            return false;
        size_t got = fread(msgpack_unpacker_buffer(&restoring->unpacker), 1, 1 << 20, restoring->file);
        if (got == 0)
            return false;
        msgpack_unpacker_buffer_consumed(&restoring->unpacker, got);
    }
}

static bool read_key(const msgpack_object *object, struct copied_key *ret_key)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != 4)
        return false;
    const msgpack_object *fields = object->via.array.ptr;
    if (fields[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || fields[0].via.u64 >= SHARDS_MOST || fields[1].type != MSGPACK_OBJECT_BIN ||
        fields[2].type != MSGPACK_OBJECT_POSITIVE_INTEGER || fields[3].type != MSGPACK_OBJECT_BIN)
        return false;
    *ret_key = (struct copied_key){
        .shard = (int)fields[0].via.u64,
        .name = { fields[1].via.bin.ptr, fields[1].via.bin.size },
        .expires_ms = fields[2].via.i64,
        .value = { fields[3].via.bin.ptr, fields[3].via.bin.size },
    };
    return true;
}

static enum ctl_exit no_backup(const struct ctl *ctl)
{
    return ctl_fail(CTL_FAILED, "%s is no whole backup: delete the keys that were restored of it", ctl->words[1]);
}

/* The last object of a whole file says how many there were. */
static enum ctl_exit put_keys(struct restoring *restoring)
{
    struct ctl *ctl = restoring->ctl;
    enum ctl_exit status = CTL_FAILED;
    struct copied_key key;
    msgpack_unpacked object;
    int refused = 0;

    assert(restoring->shards > 0); /* begin() read it */
    msgpack_unpacked_init(&object);
    while (refused == 0 && next_object(restoring, &object) && read_key(&object.data, &key) && key.shard < restoring->shards) {
        refused = restoring->plan != NULL ? copy_plan_put(restoring->plan, &key) : copy_put(ctl->store, &key);
        if (++restoring->count % KEYS_A_LOOK == 0)
            progress_show("restored", restoring->count, 0);
    }
    bool is_whole = refused == 0 && object.data.type == MSGPACK_OBJECT_POSITIVE_INTEGER && object.data.via.u64 == restoring->count;
    msgpack_unpacked_destroy(&object);
    if (refused != 0)
        status = ctl_store_failed(ctl, refused);
    else
        status = is_whole ? CTL_OK : no_backup(ctl);
    return status;
}

/* To the keys, behind the first line and the number of shards. */
static bool begin(struct restoring *restoring)
{
    msgpack_unpacked object;

    if (fseek(restoring->file, (long)strlen(FIRST_LINE), SEEK_SET) != 0)
        return false;
    msgpack_unpacker_destroy(&restoring->unpacker);
    if (!msgpack_unpacker_init(&restoring->unpacker, 1 << 20))
        abort();
    msgpack_unpacked_init(&object);
    bool is_read = next_object(restoring, &object) && object.data.type == MSGPACK_OBJECT_POSITIVE_INTEGER && object.data.via.u64 > 0 &&
                   object.data.via.u64 <= SHARDS_MOST;
    restoring->shards = is_read ? (int)object.data.via.u64 : 0;
    msgpack_unpacked_destroy(&object);
    return is_read;
}

/* The plan is made of one key, wherever it stands; then it begins anew. */
static int read_plan(struct restoring *restoring)
{
    msgpack_unpacked object;
    struct copied_key key;
    int status = 0;

    assert(restoring->plan == NULL);
    restoring->plan = copy_plan_create(restoring->ctl->store);
    msgpack_unpacked_init(&object);
    while (status == 0 && next_object(restoring, &object) && read_key(&object.data, &key))
        if (copy_plan_wants(&key))
            status = copy_plan_read(restoring->plan, &key);
    msgpack_unpacked_destroy(&object);
    return status;
}

static enum ctl_exit restore_all(struct restoring *restoring)
{
    struct ctl *ctl = restoring->ctl;
    char first[sizeof(FIRST_LINE)] = "";

    if (fread(first, 1, strlen(FIRST_LINE), restoring->file) != strlen(FIRST_LINE) || strcmp(first, FIRST_LINE) != 0)
        return ctl_fail(CTL_FAILED, "%s was not made by `stepctl backup`, or by a later one", ctl->words[1]);
    if (!begin(restoring))
        return no_backup(ctl);
    if (restoring->shards != store_shards(ctl->store)) {
        int failed = read_plan(restoring);
        if (failed != 0)
            return ctl_store_failed(ctl, failed);
        if (!begin(restoring))
            return no_backup(ctl);
    }
    progress_begin();
    enum ctl_exit status = put_keys(restoring);
    progress_end();
    return status;
}

static enum ctl_exit check_target(struct ctl *ctl)
{
    bool is_empty = false;
    enum ctl_exit status = check_stopped(ctl, "restore");

    if (status != CTL_OK)
        return status;
    int failed = copy_is_empty(ctl->store, &is_empty);
    if (failed != 0)
        return ctl_store_failed(ctl, failed);
    return is_empty ? CTL_OK
                    : ctl_fail(CTL_FAILED, "there are keys of prefix '%s' at redis.url of %s: a restore goes to an empty place",
                               ctl->config->redis.prefix, ctl->config->path);
}

static enum ctl_exit run_restore(struct ctl *ctl)
{
    struct restoring restoring = { .ctl = ctl };

    if (ctl->word_count != 2)
        return ctl_misused(ctl, "from which file?");
    restoring.file = fopen(ctl->words[1], "re");
    if (restoring.file == NULL)
        return ctl_fail(CTL_FAILED, "%s: %s", ctl->words[1], strerror(errno));
    enum ctl_exit status = ctl_open_store(ctl);
    if (status == CTL_OK)
        status = check_target(ctl);
    if (status == CTL_OK && !msgpack_unpacker_init(&restoring.unpacker, 1 << 20))
        abort();
    if (status == CTL_OK) {
        status = restore_all(&restoring);
        msgpack_unpacker_destroy(&restoring.unpacker);
        if (restoring.plan != NULL)
            copy_plan_destroy(restoring.plan);
    }
    (void)fclose(restoring.file);
    if (status != CTL_OK)
        return status;
    if (restoring.shards != store_shards(ctl->store) && !ctl->is_json)
        (void)printf("Its %d shard%s are %d now: each run is in the shard of its id.\n", restoring.shards, restoring.shards == 1 ? "" : "s",
                     store_shards(ctl->store));
    deed_tell(ctl, "restore of %zu key%s", restoring.count, restoring.count == 1 ? "" : "s");
    say(ctl, "restored", restoring.count);
    return CTL_OK;
}

const struct command COMMAND_BACKUP = {
    .name = "backup",
    .arguments = "FILE",
    .summary = "all that Redis has, in a file",
    .help =
        "Writes all of the config's redis.prefix to a new file: runs that wait, steps that are done, what is paused. Daemons have to be\n"
        "stopped. `stepctl restore` puts it into another Redis, or under another prefix. Needs DUMP and PTTL of Redis, besides\n"
        "what stepd itself needs.\n\n"
        "  stepctl backup stepd.backup",
    .most_words = 1,
    .run = run_backup,
};

const struct command COMMAND_RESTORE = {
    .name = "restore",
    .arguments = "FILE",
    .summary = "what `stepctl backup` saved, into an empty place",
    .help =
        "Puts it under redis.prefix at redis.url of the config, where nothing may be yet, and no daemon alive. Where redis.shards is\n"
        "another number than it was, each run goes to its shard among those: this is how the number of shards is changed. Needs RESTORE\n"
        "of Redis, and for another number of shards DEL, HSCAN, PEXPIREAT, SSCAN, TYPE and ZSCAN.\n\n"
        "  stepctl restore stepd.backup",
    .most_words = 1,
    .run = run_restore,
};
