/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What threads of the daemon hand over without a lock, on processors that reorder loads and stores. First each
 * hand-over as the source has it: many schedules, no fault. Then each order that the source names, weakened
 * alone: a fault has to be found. An order that is not needed is to be weakened in the source.
 */
#include "relacy.h"

#include "pool/ring.h"
#include "pool/sleepers.h"
#include "pool/slot.h"
#include "run/message.h"

#include <cstdio>
#include <functional>
#include <ostream>
#include <set>
#include <streambuf>
#include <vector>

namespace
{

constexpr int PLACES = 2;
constexpr int MESSAGES = 3;
constexpr unsigned SCHEDULES_THAT_HOLD = 50000;
constexpr unsigned SCHEDULES_THAT_FIND = 300000;

void ring_of_places(struct ring *ring, model::atomic<uintptr_t> *places)
{
    ring->places = places;
    ring->mask = PLACES - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    for (int i = 0; i < PLACES; i++)
        atomic_init(&places[i], 0);
}

/* One without messages at its end, which C++ can't construct: those of the model stand by themselves. */
class lone_batch
{
    alignas(struct batch) unsigned char memory[sizeof(struct batch)];

public:
    lone_batch()
    {
        ::new (&at()->open) model::atomic<unsigned>;
        ::new (&at()->away) model::atomic<int>;
        ::new (&at()->is_mixed) model::atomic<bool>;
    }

    ~lone_batch()
    {
        std::destroy_at(&at()->open);
        std::destroy_at(&at()->away);
        std::destroy_at(&at()->is_mixed);
    }

    struct batch *at() { return reinterpret_cast<struct batch *>(memory); }

    void begin(unsigned count)
    {
        at()->count = count;
        atomic_init(&at()->is_mixed, false);
        batch_begin(at());
    }
};

/* ---- messages through the ring ------------------------------------------------------------------- */

/* The consumer fills the ring and uses its two messages again, two workers empty it. */
struct ring_hands_over : rl::test_suite<ring_hands_over, 3> {
    struct ring ring;
    model::atomic<uintptr_t> places[PLACES];
    struct message messages[PLACES];
    lone_batch batches[PLACES];
    struct assignment assignment;
    int published;
    int taken[MESSAGES + 1];

    void before()
    {
        ring_of_places(&ring, places);
        atomic_init(&assignment.is_revoked, false);
        for (lone_batch &batch : batches)
            batch.begin(0);
        published = 0;
        std::memset(taken, 0, sizeof(taken));
    }

    void consume()
    {
        for (int tries = 0; tries < 2 * MESSAGES && published < MESSAGES; tries++) {
            int at = published % PLACES;
            if (batch_open_count(batches[at].at()) > 0)
                continue;
            published++;
            messages[at].event.number($) = published;
            message_init(&messages[at], &assignment, batches[at].at());
            batches[at].begin(1);
            ring_put(&ring, 0, reinterpret_cast<uintptr_t>(&messages[at]));
            ring_publish(&ring, 1);
        }
    }

    bool work()
    {
        assert(ring_count(&ring) <= PLACES);
        auto *message = reinterpret_cast<struct message *>(ring_take(&ring));
        if (message == nullptr)
            return false;
        bool is_ours = message_begin(message);
        assert(is_ours);
        taken[static_cast<int>(message->event.number($))]++;
        message_end(message, MESSAGE_DONE);
        return true;
    }

    void thread(unsigned index)
    {
        if (index == 0)
            consume();
        for (int tries = 0; index > 0 && tries < MESSAGES; tries++)
            work();
    }

    void after()
    {
        while (work())
            ;
        for (int i = 1; i <= published; i++)
            assert(taken[i] == 1);
    }
};

/* ---- how a batch ends ---------------------------------------------------------------------------- */

/* Two workers end a message each; the consumer then uses the batch again. */
struct batch_comes_back : rl::test_suite<batch_comes_back, 3> {
    struct message messages[2];
    lone_batch batch;
    rl::var<int> results[2]; /* what a worker wrote before it ended the message */

    void before()
    {
        for (struct message &message : messages)
            message_init(&message, nullptr, batch.at());
        batch.begin(2);
    }

    void look()
    {
        if (batch_open_count(batch.at()) == 0) {
            assert(batch_is_mixed(batch.at()));
            for (struct message &message : messages)
                message.event.number($) = 2;
        }
    }

    void look_at_one()
    {
        if (message_state(&messages[0]) == MESSAGE_TAKEN)
            assert(results[0]($) == 1);
    }

    void thread(unsigned index)
    {
        if (index == 2) {
            look_at_one();
            look();
            return;
        }
        messages[index].event.number($) = 1;
        results[index]($) = 1;
        message_end(&messages[index], index == 0 ? MESSAGE_TAKEN : MESSAGE_DONE);
    }
};

/* Two functions of one message, ended by two workers: it ends once, as what most is left to do for. */
struct message_of_two_runs_ends_once : rl::test_suite<message_of_two_runs_ends_once, 2> {
    struct message message;
    lone_batch batch;

    void before()
    {
        message_init(&message, nullptr, batch.at());
        atomic_init(&message.runs, 2);
        batch.begin(1);
    }

    void thread(unsigned index)
    {
        message_end_run(&message, index == 0 ? MESSAGE_TAKEN : MESSAGE_DONE);
        if (index == 0 && batch_open_count(batch.at()) == 0)
            message.event.number($) = 1;
    }

    void after()
    {
        assert(batch_open_count(batch.at()) == 0);
        assert(batch_is_mixed(batch.at()));
        assert(message_state(&message) == MESSAGE_TAKEN);
    }
};

/* ---- a partition that is revoked ----------------------------------------------------------------- */

/* One run of a message is away and comes back, while another ends: however they meet, the batch is left with none away. */
struct message_with_a_run_away : rl::test_suite<message_with_a_run_away, 2> {
    struct message message;
    lone_batch batch;

    void before()
    {
        message_init(&message, nullptr, batch.at());
        atomic_init(&message.runs, 2);
        batch.begin(1);
    }

    void thread(unsigned index)
    {
        if (index == 0) {
            message_run_leaves(&message);
            message_run_returns(&message);
        }
        message_end_run(&message, MESSAGE_DONE);
        if (batch_open_count(batch.at()) == 0)
            assert(batch_away_count(batch.at()) == 0);
    }

    void after()
    {
        assert(batch_open_count(batch.at()) == 0);
        assert(atomic_load_explicit(&batch.at()->away, memory_order_relaxed) == 0);
    }
};

/* The consumer gives the partition away once nobody is at its message: nobody may begin after that. */
struct revoked_begins_no_more : rl::test_suite<revoked_begins_no_more, 2> {
    struct message message;
    lone_batch batch;
    struct assignment assignment;
    rl::var<int> held; /* as long as the partition is */

    void before()
    {
        atomic_init(&assignment.is_revoked, false);
        held($) = 1;
        message_init(&message, &assignment, batch.at());
        batch.begin(1);
    }

    void thread(unsigned index)
    {
        if (index == 0) {
            assignment_revoke(&assignment);
            if (!message_is_running(&message))
                held($) = 0;
            return;
        }
        bool has_begun = message_begin(&message);
        if (has_begun)
            assert(held($) == 1);
        message_end(&message, has_begun ? MESSAGE_DONE : MESSAGE_DROPPED);
    }
};

/* ---- a handler past its timeout ------------------------------------------------------------------ */

/* The first attempt is overdue, the second is not; each is settled by one of both. */
struct slot_settles_who_goes_on : rl::test_suite<slot_settles_who_goes_on, 2> {
    static constexpr int64_t NOW_NS = 50;

    struct slot slot;
    rl::var<int> attempt;
    rl::var<int> takeover;

    void before()
    {
        atomic_init(&slot.word, 0);
        atomic_init(&slot.deadline_ns, 0);
        attempt($) = 0;
        takeover($) = 0;
    }

    void work()
    {
        for (int i = 1; i <= 2; i++) {
            attempt($) = i;
            slot_enter(&slot, i == 1 ? NOW_NS - 1 : NOW_NS + 1);
            if (!slot_leave(&slot)) {
                assert(i == 1);
                assert(takeover($) == 1);
                return;
            }
        }
    }

    void watch()
    {
        for (int looks = 0; looks < 4; looks++) {
            takeover($) = 1;
            if (slot_abandon(&slot, NOW_NS)) {
                assert(attempt($) == 1);
                return;
            }
            takeover($) = 0;
        }
    }

    void thread(unsigned index)
    {
        index == 0 ? work() : watch();
    }
};

/* ---- sleepers ------------------------------------------------------------------------------------ */

struct none_sleeps_through_what_comes : rl::test_suite<none_sleeps_through_what_comes, 2> {
    struct ring ring;
    model::atomic<uintptr_t> places[PLACES];
    model::atomic<int> sleepers;
    bool sleeps;
    bool is_called;

    void before()
    {
        ring_of_places(&ring, places);
        atomic_init(&sleepers, 0);
        sleeps = is_called = false;
    }

    void thread(unsigned index)
    {
        if (index == 0) {
            sleepers_add(&sleepers);
            sleeps = ring_count(&ring) == 0;
            return;
        }
        ring_put(&ring, 0, 1);
        ring_publish(&ring, 1);
        is_called = sleepers_after_publish(&sleepers) > 0;
    }

    void after()
    {
        assert(!sleeps || is_called);
    }
};

/* ---- the search ---------------------------------------------------------------------------------- */

struct handover {
    const char *name;
    std::function<bool(rl::test_params &)> search;
    std::set<const model::site *> sites; /* met in it */
};

template <typename T> handover handover_of(const char *name)
{
    return { name, [](rl::test_params &params) { return rl::simulate<T>(params); }, {} };
}

/* What Relacy says, as much as fits. It takes no memory, which Relacy would count as the model's. */
class report : public std::streambuf
{
    char text[1 << 20];

public:
    report() { setp(text, text + sizeof(text)); }
    int size() const { return static_cast<int>(pptr() - pbase()); }
    const char *start() const { return text; }
    void clear() { setp(text, text + sizeof(text)); }
};

report the_report;

/* True: no fault was found. */
bool holds(const handover &handover, unsigned schedules, unsigned long *ret_schedules)
{
    std::ostream stream(&the_report);
    rl::test_params params;

    the_report.clear();
    params.iteration_count = schedules;
    params.output_stream = &stream;
    params.progress_stream = &stream;
    params.progress_output_period = schedules + 1;
    params.execution_depth_limit = 4000;
    bool found_none = handover.search(params);
    *ret_schedules = static_cast<unsigned long>(params.stop_iteration);
    return found_none;
}

void forget_sites()
{
    for (model::site *site = model::site::first(); site != nullptr; site = site->next)
        site->is_met = false;
}

void note_sites(handover *handover)
{
    for (const model::site *site = model::site::first(); site != nullptr; site = site->next) {
        if (site->is_met)
            handover->sites.insert(site);
    }
}

bool all_hold(std::vector<handover> &handovers)
{
    bool is_good = true;

    for (handover &handover : handovers) {
        unsigned long schedules = 0;
        forget_sites();
        bool is_held = holds(handover, SCHEDULES_THAT_HOLD, &schedules);
        note_sites(&handover);
        std::printf("%s %s: %lu schedules\n", is_held ? "holds" : "FAILS", handover.name, schedules);
        if (!is_held)
            std::printf("%.*s\n", the_report.size(), the_report.start());
        is_good = is_good && is_held;
    }
    return is_good;
}

rl::memory_order next_weaker(const model::site &site)
{
    switch (site.order) {
    case rl::mo_seq_cst:
        return std::strcmp(site.operation, "load") == 0    ? rl::mo_acquire
               : std::strcmp(site.operation, "store") == 0 ? rl::mo_release
                                                           : rl::mo_acq_rel;
    case rl::mo_acq_rel: /* the failed exchange's acquire is one that C wants here as well */
        return rl::mo_acquire;
    default:
        return rl::mo_relaxed;
    }
}

/* Whether a fault is found without it. */
bool is_needed(const std::vector<handover> &handovers, model::site *site)
{
    rl::memory_order in_source = site->order;
    const handover *found_by = nullptr;
    unsigned long schedules = 0;

    site->order = next_weaker(*site);
    std::printf("%s: %s %s, %s -> %s: ", site->function, site->operation, site->object, rl::format(in_source), rl::format(site->order));
    for (size_t i = 0; i < handovers.size() && found_by == nullptr; i++) {
        if (handovers[i].sites.count(site) > 0 && !holds(handovers[i], SCHEDULES_THAT_FIND, &schedules))
            found_by = &handovers[i];
    }
    site->order = in_source;
    if (found_by == nullptr)
        std::printf("NOT NEEDED\n");
    else
        std::printf("%s fails after %lu schedules\n", found_by->name, schedules + 1);
    return found_by != nullptr;
}

} // namespace

int main()
{
    std::vector<handover> handovers = {
        handover_of<ring_hands_over>("ring_hands_over"),
        handover_of<batch_comes_back>("batch_comes_back"),
        handover_of<message_of_two_runs_ends_once>("message_of_two_runs_ends_once"),
        handover_of<message_with_a_run_away>("message_with_a_run_away"),
        handover_of<revoked_begins_no_more>("revoked_begins_no_more"),
        handover_of<slot_settles_who_goes_on>("slot_settles_who_goes_on"),
        handover_of<none_sleeps_through_what_comes>("none_sleeps_through_what_comes"),
    };
    bool is_good = all_hold(handovers);
    for (model::site *site = model::site::first(); site != nullptr; site = site->next) {
        if (site->is_named && site->order != rl::mo_relaxed)
            is_good = is_needed(handovers, site) && is_good;
    }
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
