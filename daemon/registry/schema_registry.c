/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/schema_registry.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "codec/packed.h"
#include "registry/answer.h"
#include "registry/client.h"
#include "registry/protobuf.h"

#define UNKNOWN_MS 5000        /* an id that is not known is asked for again so long: it may be on its way */
#define UNKNOWN_FRESH_MS 60000 /* and believed to be unknown so long */
#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 5000
#define REFERENCES_MAX 64
#define REFERENCE_DEPTH_MAX 16
#define PULSE_MS 60000 /* one question takes 10 s at most, one with references some of them */
#define ZONE_CHUNK_SIZE 8192

struct entry {
    struct schema_key key;
    struct schema *schema; /* NULL: asked for */
    bool is_unknown;       /* it is not known there: it may be some day */
    int64_t used_ms;
    int64_t unknown_since_ms; /* 0: nobody said so yet */
    int64_t due_ms;           /* not asked before */
    int64_t pause_ms;         /* since the last question */
};

struct schema_registry {
    struct schema_registry_settings settings;
    struct thread thread;
    struct registry_client *client; /* the thread's */
    msgpack_zone zone;              /* the thread's: of one schema */
    atomic_bool must_stop;

    struct lock lock; /* guards what follows */
    struct condition work;
    struct entry *entries;
    size_t count;
    struct schema_registry_counts counts;
    bool is_away; /* said once */
    char trouble[240];
};

/* ---- what is kept --------------------------------------------------------------------------------- */

/* The last one that was looked for stands first: there it is mostly found. */
static struct entry *entry_find(struct schema_registry *registry, const struct schema_key *key)
{
    size_t at = 0;

    assert_held(&registry->lock);
    while (at < registry->count && !schema_key_equals(&registry->entries[at].key, key))
        at++;
    if (at == registry->count)
        return NULL;
    const struct entry found = registry->entries[at];
    registry->entries[at] = registry->entries[0];
    registry->entries[0] = found;
    return &registry->entries[0];
}

/* The least used schema; one that is asked for is waited for. NULL: all are. */
static struct entry *entry_oldest(const struct schema_registry *registry)
{
    struct entry *oldest = NULL;

    assert_held(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        struct entry *entry = &registry->entries[i];
        if (entry->schema != NULL && (oldest == NULL || entry->used_ms < oldest->used_ms))
            oldest = entry;
    }
    return oldest;
}

static struct entry *entry_place(struct schema_registry *registry)
{
    assert(registry->count <= registry->settings.room);
    assert_held(&registry->lock);
    if (registry->count < registry->settings.room)
        return &registry->entries[registry->count++];
    struct entry *entry = entry_oldest(registry);
    if (entry != NULL)
        schema_release(entry->schema);
    return entry;
}

static void ask_for(struct schema_registry *registry, const struct schema_key *key, int64_t now_ms)
{
    struct entry *entry = entry_place(registry);

    assert_held(&registry->lock);
    if (entry == NULL)
        return; /* its turn comes with the next look */
    *entry = (struct entry){ .key = *key, .used_ms = now_ms };
    condition_wake_one(&registry->work);
}

/* An id that was not known may be by now: whoever comes after a while has it asked for once more. */
static bool is_stale(const struct entry *entry, int64_t now_ms)
{
    return entry->is_unknown && entry->due_ms <= now_ms;
}

struct schema *schema_registry_find(struct schema_registry *registry, const struct schema_key *key)
{
    int64_t now_ms = clock_monotonic_ms();

    LOCK_GUARD(&registry->lock);
    struct entry *entry = entry_find(registry, key);
    if (entry == NULL) {
        ask_for(registry, key, now_ms);
        return NULL;
    }
    entry->used_ms = now_ms;
    if (entry->schema != NULL && is_stale(entry, now_ms)) {
        schema_release(entry->schema);
        entry->schema = NULL;
        condition_wake_one(&registry->work);
    }
    return entry->schema != NULL ? schema_hold(entry->schema) : NULL;
}

bool schema_registry_reads_topic(const struct schema_registry *registry, const char *topic)
{
    const char *const *pattern = registry->settings.topics;

    if (pattern == NULL)
        return true;
    while (*pattern != NULL && fnmatch(*pattern, topic, 0) != 0)
        pattern++;
    return *pattern != NULL;
}

void schema_registry_say_why(struct schema_registry *registry, char *text, size_t size)
{
    LOCK_GUARD(&registry->lock);
    if (registry->trouble[0] != '\0')
        (void)snprintf(text, size, "%s", registry->trouble);
    else
        (void)snprintf(text, size, "the schema registry %s has not answered yet", registry->settings.address.url);
}

void schema_registry_counts(struct schema_registry *registry, struct schema_registry_counts *ret_counts)
{
    LOCK_GUARD(&registry->lock);
    *ret_counts = registry->counts;
    ret_counts->schemas = registry->count;
}

/* ---- asking --------------------------------------------------------------------------------------- */

/* "as user 'app'" */
static char *who_asks(const struct schema_registry *registry)
{
    const char *user = registry->settings.address.user;

    return user != NULL ? xasprintf("as user '%s'", user) : xstrdup("without a user");
}

static char *path_of(const struct schema_key *key)
{
    char text[SCHEMA_TEXT_SIZE];

    schema_key_text(key, text);
    return xasprintf(key->form == SCHEMA_BY_GUID ? "/schemas/guids/%s" : "/schemas/ids/%s", text);
}

static struct answer ask(struct schema_registry *registry, const char *path, bool has_codes)
{
    struct registry_reply reply;
    struct error error;
    struct answer answer;

    assert_thread(&registry->thread);
    bool is_answered = registry_client_get(registry->client, path, &reply, &error) == 0;
    if (is_answered) {
        answer = answer_read(reply.status, reply.body, has_codes, &registry->zone);
    } else {
        char *words = zone_take(&registry->zone, sizeof(error.text));
        (void)snprintf(words, sizeof(error.text), "%s", error.text);
        answer = (struct answer){ .verdict = ANSWER_AWAY, .words = words };
    }
    bool has_failed = answer.verdict == ANSWER_AWAY || answer.verdict == ANSWER_REFUSED;
    LOCK_GUARD(&registry->lock);
    registry->counts.asked++;
    registry->counts.failed += has_failed;
    registry->counts.up = !has_failed;
    return answer;
}

/* The texts of a schema, those that it refers to first, and by what names that is. */
struct texts {
    struct bytes list[REFERENCES_MAX + 1];
    const char *names[REFERENCES_MAX + 1]; /* NULL: none, as the last has */
    size_t count;
};

/* What a schema refers to, and what that refers to. The first answer that is no schema, or the last. */
static struct answer gather(struct schema_registry *registry, const struct answer *of, const char *name, struct texts *texts, int depth)
{
    assert(depth >= 0 && depth <= REFERENCE_DEPTH_MAX);
    for (size_t i = 0; i < of->reference_count; i++) {
        AUTO_FREE char *subject = registry_client_escape(of->references[i].subject);
        AUTO_FREE char *path = xasprintf("/subjects/%s/versions/%" PRId64, subject, of->references[i].version);
        struct answer answer = ask(registry, path, true);
        if (answer.verdict == ANSWER_SCHEMA && (depth >= REFERENCE_DEPTH_MAX || texts->count >= REFERENCES_MAX))
            return (struct answer){ .verdict = ANSWER_UNKNOWN, .words = "it refers to too many others" };
        if (answer.verdict == ANSWER_SCHEMA)
            answer = gather(registry, &answer, of->references[i].name, texts, depth + 1);
        if (answer.verdict != ANSWER_SCHEMA)
            return answer;
    }
    assert(texts->count <= REFERENCES_MAX);
    texts->names[texts->count] = name;
    texts->list[texts->count++] = of->schema;
    return *of;
}

static int read_protobuf(const void *state, struct bytes data, msgpack_sbuffer *buffer, struct error *ret_error)
{
    return protobuf_to_msgpack(state, data, buffer, ret_error);
}

static void destroy_protobuf(void *state)
{
    protobuf_destroy(state);
}

static struct schema *create_protobuf(const struct schema_key *key, const struct texts *texts)
{
    static const struct schema_reader reader = { read_protobuf, destroy_protobuf };
    const struct bytes indexes = { key->indexes, key->indexes_size };
    struct protobuf_source sources[REFERENCES_MAX + 1];
    struct protobuf *protobuf;
    struct error error;
    char text[SCHEMA_TEXT_SIZE];

    for (size_t i = 0; i < texts->count; i++)
        sources[i] = (struct protobuf_source){ texts->names[i], texts->list[i] };
    if (protobuf_create(sources, texts->count, indexes, &protobuf, &error) == 0)
        return schema_create_read_by(key, &reader, protobuf);
    schema_key_text(key, text);
    AUTO_FREE char *reason = xasprintf("schema %s: %s", text, error.text);
    return schema_create_unreadable(key, reason);
}

static struct schema *create_schema(const struct schema_key *key, const struct answer *answer, const struct texts *texts)
{
    char text[SCHEMA_TEXT_SIZE];

    if (strcasecmp(answer->type, "AVRO") == 0)
        return schema_create_avro(key, texts->list, texts->count);
    if (strcasecmp(answer->type, "JSON") == 0)
        return schema_create_json(key);
    if (strcasecmp(answer->type, "PROTOBUF") == 0)
        return create_protobuf(key, texts);
    schema_key_text(key, text);
    AUTO_FREE char *reason = xasprintf("schema %s: stepd does not read %s", text, answer->type);
    log_warn("%s: functions with `topic` get such values as they are; for functions with `event` they become dead letters", reason);
    return schema_create_unreadable(key, reason);
}

static struct answer ask_for_schema(struct schema_registry *registry, const struct schema_key *key, struct schema **ret_schema)
{
    struct texts texts = { .count = 0 };
    AUTO_FREE char *path = path_of(key);

    assert_thread(&registry->thread);
    msgpack_zone_clear(&registry->zone);
    /* An id that no registry can have: Apicurio then says that there is no such page. */
    bool has_codes = key->form == SCHEMA_BY_ID && key->number <= INT32_MAX;
    struct answer answer = ask(registry, path, has_codes);
    if (answer.verdict != ANSWER_SCHEMA)
        return answer;
    if (strcasecmp(answer.type, "JSON") != 0)
        answer = gather(registry, &answer, NULL, &texts, 0);
    if (answer.verdict == ANSWER_SCHEMA)
        *ret_schema = create_schema(key, &answer, &texts);
    return answer;
}

/* ---- what comes of an answer ---------------------------------------------------------------------- */

static void wait_longer(struct entry *entry, int64_t now_ms, int64_t most_ms)
{
    entry->pause_ms = entry->pause_ms == 0 ? PAUSE_MIN_MS : entry->pause_ms * 2;
    if (entry->pause_ms > most_ms)
        entry->pause_ms = most_ms;
    entry->due_ms = now_ms + entry->pause_ms;
}

/* What is known of an id that is not known. */
static void believe_unknown(struct schema_registry *registry, struct entry *entry, const char *words, int64_t now_ms)
{
    char id[SCHEMA_TEXT_SIZE];
    AUTO_FREE char *who = who_asks(registry);

    assert(entry->schema == NULL);
    assert_held(&registry->lock);
    schema_key_text(&entry->key, id);
    AUTO_FREE char *reason = xasprintf("the schema registry, asked %s, does not know schema %s (%s)", who, id, words);
    entry->schema = schema_create_unreadable(&entry->key, reason);
    entry->is_unknown = true;
    entry->due_ms = now_ms + UNKNOWN_FRESH_MS;
    log_warn("%s", reason);
}

static void say_trouble(struct schema_registry *registry, const struct answer *answer)
{
    char text[sizeof(registry->trouble)];
    AUTO_FREE char *who = who_asks(registry);
    const char *url = registry->settings.address.url;

    assert_held(&registry->lock);
    if (answer->verdict == ANSWER_REFUSED)
        (void)snprintf(text, sizeof(text), "the schema registry %s refuses who asks %s (%s)", url, who, answer->words);
    else
        (void)snprintf(text, sizeof(text), "the schema registry %s can't be asked (%s)", url, answer->words);
    if (!registry->is_away || strcmp(text, registry->trouble) != 0)
        log_warn("%s: partitions whose next message needs a schema of it wait", text);
    registry->is_away = true;
    memcpy(registry->trouble, text, sizeof(text));
}

static void say_back(struct schema_registry *registry)
{
    assert_held(&registry->lock);
    if (registry->is_away)
        log_info("the schema registry %s answers again", registry->settings.address.url);
    registry->is_away = false;
    registry->trouble[0] = '\0';
}

static void note_unknown(struct schema_registry *registry, struct entry *entry, const struct answer *answer, int64_t now_ms)
{
    AUTO_FREE char *who = who_asks(registry);

    assert_held(&registry->lock);
    if (entry->unknown_since_ms == 0)
        entry->unknown_since_ms = now_ms;
    if (entry->is_unknown || now_ms - entry->unknown_since_ms >= UNKNOWN_MS) {
        believe_unknown(registry, entry, answer->words, now_ms);
        return;
    }
    (void)snprintf(registry->trouble, sizeof(registry->trouble), "the schema registry, asked %s, does not know it yet (%s)", who,
                   answer->words);
    wait_longer(entry, now_ms, PAUSE_MIN_MS * 5);
}

/* The schema, if any, is the entry's from here on. */
static void take_answer(struct schema_registry *registry, const struct schema_key *key, const struct answer *answer, struct schema *schema)
{
    int64_t now_ms = clock_monotonic_ms();

    LOCK_GUARD(&registry->lock);
    struct entry *entry = entry_find(registry, key);
    assert(entry != NULL && entry->schema == NULL); /* what is asked for is not given up */
    if (answer->verdict == ANSWER_SCHEMA || answer->verdict == ANSWER_UNKNOWN)
        say_back(registry);
    if (answer->verdict == ANSWER_SCHEMA) {
        entry->schema = schema;
        entry->is_unknown = false;
    } else if (answer->verdict == ANSWER_UNKNOWN) {
        note_unknown(registry, entry, answer, now_ms);
    } else {
        say_trouble(registry, answer);
        wait_longer(entry, now_ms, PAUSE_MAX_MS);
    }
}

/* ---- the thread ----------------------------------------------------------------------------------- */

/* The one that is due first among those that are asked for; NULL: none is asked for. */
static const struct entry *next_due(const struct schema_registry *registry)
{
    const struct entry *next = NULL;

    assert_held(&registry->lock);
    for (size_t i = 0; i < registry->count; i++) {
        const struct entry *entry = &registry->entries[i];
        if (entry->schema == NULL && (next == NULL || entry->due_ms < next->due_ms))
            next = entry;
    }
    return next;
}

/* False: it is over. */
static bool wait_for_work(struct schema_registry *registry, struct schema_key *ret_key)
{
    LOCK_GUARD(&registry->lock);
    while (!atomic_load(&registry->must_stop)) {
        const struct entry *entry = next_due(registry);
        int64_t now_ms = clock_monotonic_ms();
        if (entry != NULL && entry->due_ms <= now_ms) {
            *ret_key = entry->key;
            return true;
        }
        pulse_beat_here();
        int64_t until_ms = now_ms + 1000;
        (void)condition_wait_until(&registry->work, &registry->lock, entry != NULL && entry->due_ms < until_ms ? entry->due_ms : until_ms);
    }
    return false;
}

static void *schema_registry_main(void *context)
{
    struct schema_registry *registry = context;
    struct schema_key key;

    while (wait_for_work(registry, &key)) {
        struct schema *schema = NULL;
        struct answer answer = ask_for_schema(registry, &key, &schema);
        take_answer(registry, &key, &answer, schema);
        pulse_beat_here();
    }
    return NULL;
}

/* ---- its life ------------------------------------------------------------------------------------- */

struct schema_registry *schema_registry_create(const struct schema_registry_settings *settings)
{
    struct schema_registry *registry = xcalloc(1, sizeof(*registry));

    assert(settings->room > 0);
    registry->settings = *settings;
    registry->entries = xcalloc(settings->room, sizeof(*registry->entries));
    registry->client = registry_client_create(&settings->address, &registry->must_stop);
    if (!msgpack_zone_init(&registry->zone, ZONE_CHUNK_SIZE))
        abort();
    lock_init(&registry->lock);
    condition_init(&registry->work);
    return registry;
}

int schema_registry_start(struct schema_registry *registry, struct error *ret_error)
{
    return thread_start(&registry->thread, "schemas", PULSE_MS, schema_registry_main, registry, ret_error);
}

void schema_registry_stop(struct schema_registry *registry)
{
    atomic_store(&registry->must_stop, true);
    lock_take(&registry->lock);
    condition_wake_all(&registry->work);
    lock_give(&registry->lock);
    thread_join(&registry->thread);
}

void schema_registry_destroy(struct schema_registry *registry)
{
    if (registry == NULL)
        return;
    schema_registry_stop(registry);
    for (size_t i = 0; i < registry->count; i++)
        schema_release(registry->entries[i].schema);
    free(registry->entries);
    registry_client_destroy(registry->client);
    msgpack_zone_destroy(&registry->zone);
    condition_done(&registry->work);
    lock_done(&registry->lock);
    free(registry);
}
