/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the consumer, which is one thread's: what its files share. consumer.c has its life and its rounds;
 * anew.c has topics that were made anew, assigned.c the partitions that are ours, intake.c messages on their way to the workers and
 * back, joining.c how the group is joined, reading.c where reading begins, rebalance.c partitions that come and go, room.c those that
 * bring too much, stalls.c those that do not move.
 */
#ifndef STEPD_INTAKE_KAFKA_CONSUMER_INTERNAL_H
#define STEPD_INTAKE_KAFKA_CONSUMER_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/thread.h"
#include "intake/kafka/boundaries.h"
#include "intake/kafka/commits.h"
#include "intake/kafka/consumer.h"
#include "intake/kafka/group.h"
#include "intake/kafka/loads.h"
#include "intake/kafka/lookback.h"
#include "intake/kafka/lookups.h"
#include "intake/kafka/partition.h"
#include "intake/kafka/positions.h"
#include "intake/kafka/takings.h"

#define ASK_TIMEOUT_MS 5000 /* of the brokers, on the consumer's thread */

struct partition_list {
    struct partition **items;
    size_t count;
    size_t room;
};

struct topic_watch {
    struct topic_id id;     /* as last seen */
    unsigned looks_missing; /* so many in a row it was not there */
    unsigned looks_anew;    /* at so many it was another one, and what was committed could not be taken back */
};

enum reset { RESET_EARLIEST, RESET_LATEST, RESET_REFUSED };

struct consumer {
    struct consumer_settings settings;
    enum reset reset; /* where no offset is committed, or it is gone */
    rd_kafka_t *handle;
    rd_kafka_t *by_id;          /* asked for topics, where `handle` breaks on one that is made anew; else NULL */
    rd_kafka_queue_t *messages; /* of all partitions */
    struct group_watch group;
    struct lookups *lookups;
    struct positions positions;
    struct lookback *lookback; /* NULL: nobody waits for events */
    struct boundaries boundaries;
    struct thread thread;
    bool is_subscribed;
    bool is_refused;   /* the group can't be joined: the process ends */
    int64_t looked_ms; /* at a group that is not joined yet */
    int64_t subscribed_ms;
    bool is_heard;       /* whether the brokers have the group's protocol is known */
    bool is_left_behind; /* a thread hangs in librdkafka: everything stays */

    atomic_bool must_rewind;        /* any thread sets */
    atomic_bool must_pause;         /* any thread sets */
    atomic_bool must_stop;          /* any thread sets */
    _Atomic(int64_t) stop_until_ms; /* monotonic */

    /* The consumer's thread's: assert_thread() stands where its rounds begin. */
    struct commits *commits;
    struct loads loads;
    struct load *open; /* oldest first: what the taker has */
    struct load **open_last;
    size_t open_count;    /* of those, at the last sweep */
    int64_t swept_ms;     /* monotonic; when that was */
    struct load *filling; /* NULL: none */
    size_t in_flight;     /* at the last sweep, and what was pushed since; without: */
    size_t away;          /* at the last sweep: messages whose runs are away in places of their own */
    bool is_full;         /* by what is in flight, or the memory */
    size_t memory;        /* of open loads */
    size_t memory_max;
    size_t round; /* messages of this round */
    bool is_burst;
    struct partition_list assigned;
    struct partition *revoked; /* those that something still names */
    struct takings takings;
    struct takings knowns; /* those that the store had when their partitions were assigned, which was before loaded_ms */
    int64_t loaded_ms;
    size_t awaiting; /* assigned ones that wait for a schema */
    size_t crowded;  /* assigned ones that wait for room for queued runs */
    size_t loading;  /* assigned ones that `lookups` has not ended with */
    bool must_count_loading;
    int64_t asked_ms;           /* of `lookups`, for ends */
    int64_t asked_all_ms;       /* and for topics, too */
    struct topic_watch *topics; /* as settings.topics */
    size_t most_queued;         /* since `lookups` was last asked: librdkafka may sleep since then */
    struct {                    /* the partition of the last message */
        const rd_kafka_topic_t *topic;
        int32_t id;
        struct partition *partition;
    } last;
    int64_t begun_ms; /* monotonic */
    int64_t now_ms;   /* monotonic, of this round */
    int64_t committed_ms;
    int64_t came_ms; /* a message came */
    int64_t watched_ms;
    size_t left_bytes; /* that the process had once free memory was given back */
    int trims_left;
    int64_t backoff_us;
    bool must_tend;
    int64_t tended_ms;
    bool is_down; /* no broker answers; said once */
    int64_t down_ms;
    bool is_joined; /* an assignment has come, if only of nothing */
    bool is_closed;
    struct consumer_counts counts;

    struct lock lock; /* guards what follows */
    struct consumer_counts published;
    struct partition_view *views;
    size_t view_count;
};

/* A round begins: what time it is, and that the thread moves. */
void consumer_round_begin(struct consumer *consumer);
void consumer_publish_counts(struct consumer *consumer);
/* librdkafka's consumer may fail for good, and then does nothing ever again: so the process ends, whichever way
 * the error came (a callback, a message, the answer to something asked). */
void consumer_end_if_dead(struct consumer *consumer);
/* Says so once brokers that none of answered do again. */
void consumer_look_whether_back(struct consumer *consumer);

void partition_list_add(struct partition_list *list, struct partition *partition);
/* NULL: it is not in there. */
struct partition *partition_list_find(const struct partition_list *list, const char *topic, int32_t id);
/* As librdkafka wants them; the caller destroys. */
rd_kafka_topic_partition_list_t *partition_list_names(const struct partition_list *partitions);

/* What stepd has of its own in the consumer's settings. -EINVAL: librdkafka does not have the protocol that is asked for. */
int joining_set_values(const struct setting *kafka, rd_kafka_conf_t *conf, struct error *ret_error) MUST_CHECK;
/* Before the thread starts: joins, or leaves it to the thread to find out whether it may. */
int joining_begin(struct consumer *consumer, struct error *ret_error) MUST_CHECK;
/* Runs on: consumer thread, each round. Joins a group that is not joined yet, once it may. Waits for the brokers, a second at most. */
void joining_tend(struct consumer *consumer);

/* NULL: not ours, or not any more. */
struct partition *assigned_partition_of(struct consumer *consumer, const rd_kafka_message_t *message);
struct log_fields assigned_log_fields(const struct partition *partition, int64_t offset);
/* From here on its messages wait in our queue; its place in librdkafka is its own. */
void assigned_forward(struct consumer *consumer, const struct partition *partition);
/* Its messages stay where they are, those excepted that wait in our queue. */
void assigned_take_off(struct consumer *consumer, const struct partition *partition);
void assigned_take_up(struct consumer *consumer, struct partition *partition);
/* Its messages that have not started are dropped by who comes to them. */
void assigned_let_go(struct consumer *consumer, struct partition *partition);
/* Those that were let go, and nothing names any more. */
void assigned_free_unnamed(struct consumer *consumer);
/* What `lookups` has found out: of the store … */
void assigned_hear_lookups(struct consumer *consumer);
/* … and of the brokers: where partitions end, and with it whether their topics are still the same. */
void assigned_ask_ends(struct consumer *consumer);
void assigned_ask_all(struct consumer *consumer);
void assigned_hear_answer(struct consumer *consumer);

/* What a look is to find out of topics that were made anew; once it is on its way; what it has found. */
void anew_prepare(struct consumer *consumer, struct look *look);
void anew_asked(struct consumer *consumer);
void anew_hear(struct consumer *consumer, const struct look *look);

/* Whether the message may be taken: then with the schema that its value names, a reference, or NULL. Else its partition
 * waits for that from here on. `headers` NULL: none. */
bool schemas_may_take(struct consumer *consumer, struct partition *partition, const rd_kafka_message_t *message,
                      const rd_kafka_headers_t *headers, struct schema **ret_schema);
/* The partition waits no more: it is not ours any longer. */
void schemas_let_go(struct consumer *consumer, struct partition *partition);
/* Partitions whose schema has come go on. */
void schemas_tend(struct consumer *consumer);

/* Partitions that bring more than may be queued stop, and those for which there is room go on. */
void room_tend(struct consumer *consumer);
/* Of one that lacks room: whether there is some again, and of what. */
bool room_ask(const struct consumer *consumer, const struct partition *partition, struct room_lack *ret_lack);
/* The partition waits no more: it is not ours any longer, or begins anew. */
void room_let_go(struct consumer *consumer, struct partition *partition);

/* Hands on what is there, waiting up to wait_ms for the first. */
void intake_serve(struct consumer *consumer, int wait_ms);
/* Runs on: consumer thread, within rd_kafka_consume_callback_queue(). */
void intake_on_message(rd_kafka_message_t *message, void *opaque);
/* What was gathered is handed over. */
void intake_push(struct consumer *consumer);
/* Whether nothing more may come for now. */
bool intake_is_held_back(const struct consumer *consumer);
/* Takes back the loads that have ended, and counts what is in flight in the others. */
void intake_sweep(struct consumer *consumer);
/* The same, where it is worth to look through all that are open. */
void intake_sweep_at_times(struct consumer *consumer);
/* Before a commit: what has ended in loads that have not. */
void intake_settle_open(struct consumer *consumer);

/* Where partitions begin and end. */
struct places {
    rd_kafka_topic_partition_list_t *beginnings;
    rd_kafka_topic_partition_list_t *ends;
};
struct places reading_places_ask(struct consumer *consumer, const rd_kafka_topic_partition_list_t *list);
void reading_places_done(struct places *places);
enum reset reading_reset_of(const struct setting *kafka);
/* A partition at its committed offset. */
struct partition *reading_begin(struct consumer *consumer, const rd_kafka_topic_partition_t *committed, const struct places *places);
/* The partition's topic was deleted and made anew: it is read from its beginning. */
void reading_begin_anew(struct consumer *consumer, struct partition *old);
/* Runs on: consumer thread. A message that is an error. */
void reading_on_error(struct consumer *consumer, const rd_kafka_message_t *message);
/* A message that came on librdkafka's own queue, which is served whatever is in flight: its partition's queue came
 * loose from ours. It is dropped, and comes again over ours. */
void reading_bring_back(struct consumer *consumer, const rd_kafka_message_t *message);
/* What going back has left to do. */
void reading_tend(struct consumer *consumer);
/* Reads again what the store lost, or what was dropped while it is ours. */
void reading_go_back(struct consumer *consumer);
/* `error` NULL: it was not refused. */
void reading_say_refused(const char *what, rd_kafka_error_t *error);

/* Runs on: consumer thread, while it serves librdkafka's queue. */
void rebalance_on_change(rd_kafka_t *handle, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list, void *opaque);

/* Once a second. */
void stalls_watch(struct consumer *consumer);
/* Control records at the end of a partition never come; librdkafka's position says that it is past them. */
void stalls_reach_positions(struct consumer *consumer);

#endif
