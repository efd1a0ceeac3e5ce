# SPDX-License-Identifier: Apache-2.0
"""Redis as several servers, real ones: what moves is followed while runs are under way, and none is lost."""
import os
import time

import pytest

import redis_groups
from support import Daemon, eventually
from trips import Stream, Trips

SLOTS_SECONDS = int(os.environ.get("STEPD_SLOTS_SECONDS", 6))


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory):
    group = redis_groups.Sentinels(tmp_path_factory.mktemp("sentinels"))
    yield group
    group.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    group = redis_groups.Cluster(tmp_path_factory.mktemp("cluster"))
    yield group
    group.stop()


@pytest.fixture
def travel(kafka, module, topic, folder):
    """Makes a daemon on a group, and trips through it."""
    made = []

    def make(group, **redis):
        book = folder / "book"
        book.touch()
        settings = {"topics": [topic], "history": "all", "redis": {"url": group.url, "prefix": topic, "timeout": "1s", **redis},
                    "options": {"trip": {"file": str(book)}}}
        service = Daemon(folder / "daemon", kafka, group, [module("trip")], settings).start()
        made.append(service)
        return Trips(kafka, topic, service, book)
    yield make
    for service in made:
        assert service.stop() == 0


def test_a_failover_is_followed_by_way_of_the_sentinels(sentinels, travel):
    trips = travel(sentinels)
    trips.send(20)
    old = sentinels.master()
    with Stream(trips):
        time.sleep(1)
        old.kill()
        eventually(lambda: sentinels.master() is not old)
        time.sleep(0.5)
    trips.all_end()
    old.start()  # a master by its own lights, until the sentinels tell it otherwise: nobody writes to it
    trips.send(20)
    trips.all_end()


def test_a_slot_moves_while_its_runs_are_under_way(cluster, travel):
    trips = travel(cluster)
    slot = cluster.slot(5)
    source, _ = cluster.owner(slot)
    target = next(node for node in cluster.living() if node is not source and "role:master" in node.cli("info", "replication"))
    with Stream(trips, 10):
        time.sleep(1)
        cluster.begin_move(slot, target)
        eventually(lambda: not trips.service.is_ready(), what=trips.say)  # its shard waits …
        before = trips.back()
        eventually(lambda: trips.back() > before + 20, what=trips.say)  # … and no other does
        cluster.end_move(slot, source, target)
        time.sleep(0.5)
    trips.all_end()
    assert target.cli("cluster", "countkeysinslot", slot) != "0"


def test_what_is_counted_is_what_was_done_while_slots_move(cluster, travel):
    """As this server moves them: atomically (Valkey 9, Redis 8.4), else key by key."""
    trips = travel(cluster)
    end, moves = time.monotonic() + SLOTS_SECONDS, 0
    with Stream(trips, 10):
        while time.monotonic() < end:
            slot = cluster.slot(moves % 4)  # shard 0, where the counters are, among them
            source, _ = cluster.owner(slot)
            cluster.move(slot, next(node for node in cluster.masters() if node is not source))
            moves += 1
            time.sleep(0.3)
    trips.all_end(60)
    print(f"\n{moves} moves, {'atomic' if cluster.moves_atomically() else 'key by key'}, {trips.sent} runs")
    stats = eventually(lambda: (stats := trips.service.ctl("stats"))["runs_completed"] >= trips.sent and stats, 20,
                       what=lambda: f"{trips.service.ctl('stats')} of {trips.sent}")
    assert (stats["runs_completed"], stats["runs_failed"], stats["delayed"]) == (trips.sent, 0, 0)


def test_a_master_of_the_cluster_dies(cluster, travel):
    trips = travel(cluster)
    slot = cluster.slot(3)
    master, _ = cluster.owner(slot)
    with Stream(trips, 10):
        time.sleep(1)
        master.kill()
        before = trips.back()
        eventually(lambda: trips.back() > before + 20)
        eventually(lambda: cluster.serves(slot) and cluster.owner(slot)[0] is not master)
        time.sleep(0.5)
    trips.all_end()
    master.start()
