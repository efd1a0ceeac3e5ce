# SPDX-License-Identifier: Apache-2.0
"""What can happen to one Redis while runs are under way: each run ends all the same, or what became of it is told.

One daemon goes through all of it; between two faults all is well again."""
import random
import re
import shutil
import threading
import time

import pytest

from proxy import Proxy
from support import SLOWER, Daemon, Redis, eventually
from trips import Stream, Trips

FAULT_SECONDS = 2


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def network(server):
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def trips(kafka, module, server, network, tmp_path_factory):
    """On their way through a daemon whose Redis is behind `network`."""
    folder = tmp_path_factory.mktemp("daemon")
    book = folder / "book"
    book.touch()
    settings = {"topics": ["redis-faults"], "history": "all", "worker": {"threads": 8, "lease": "2s"},
                "redis": {"url": f"redis://{network.address}/0", "timeout": "500ms"}, "options": {"trip": {"file": str(book)}}}
    service = Daemon(folder, kafka, server, [module("trip")], settings).start()
    yield Trips(kafka, "redis-faults", service, book)
    assert service.stop() == 0


def repeatedly(act, every_seconds, seconds=FAULT_SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        act()
        time.sleep(every_seconds)


def is_away(trips):
    return trips.service.get("/readyz")[0] == 503


def test_links_that_are_reset(trips, network):
    with Stream(trips):
        repeatedly(network.reset, 0.1)
    trips.all_end()


def test_a_network_that_is_cut(trips, network):
    with Stream(trips):
        network.refuse()
        eventually(lambda: is_away(trips))
        network.restore()
    trips.all_end()


def test_a_link_that_falls_silent(trips, network):
    with Stream(trips):
        network.silence()
        eventually(lambda: is_away(trips))
        time.sleep(1)
        network.restore()  # what was said before arrives now, and must not count
    trips.all_end()


def test_every_reply_takes_a_tenth_of_a_second(trips, network):
    with Stream(trips, 1):
        network.slow(0.1)
        try:
            before = trips.back()
            eventually(lambda: trips.back() > before + 5)
            eventually(trips.service.is_ready)
        finally:
            network.restore()
    trips.all_end()


def test_a_restart(trips, server):
    with Stream(trips):
        server.kill()
        eventually(lambda: is_away(trips))
        server.start()
    trips.all_end()


def test_a_restart_without_the_last_second(trips, server, tmp_path):
    with Stream(trips, 20):
        time.sleep(0.5)
        shutil.copytree(server.folder / "appendonlydir", tmp_path / "appendonlydir")
        time.sleep(0.8)
        server.kill()
        shutil.rmtree(server.folder / "appendonlydir")
        shutil.copytree(tmp_path / "appendonlydir", server.folder / "appendonlydir")
        server.start()
    trips.all_end()
    assert "may have lost its last second" in trips.service.log()


def test_a_master_that_becomes_a_replica(trips, server):
    with Stream(trips):
        server.cli("replicaof", "127.0.0.1", "1")
        eventually(lambda: is_away(trips))
        server.cli("replicaof", "no", "one")
    trips.all_end()


def test_memory_that_is_full(trips, server):
    with Stream(trips):
        server.cli("config", "set", "maxmemory", "1")
        eventually(lambda: is_away(trips))
        server.cli("config", "set", "maxmemory", "0")
    trips.all_end()


def test_a_password_that_changed(trips, server, network):
    with Stream(trips):
        server.cli("config", "set", "requirepass", "changed")
        network.reset()
        eventually(lambda: is_away(trips))
        server.cli("-a", "changed", "config", "set", "requirepass", "")
    trips.all_end()


def test_a_wrong_password_at_the_start(trips, kafka, module, server, network, folder):
    server.cli("config", "set", "requirepass", "right")
    try:
        wrong = {"redis": {"url": f"redis://:wrong@127.0.0.1:{server.port}/0"}, "topics": ["redis-faults"],
                 "options": {"trip": {"file": str(folder / "book")}}}
        refused = Daemon(folder, kafka, server, [module("trip")], wrong)
        refused.launch()
        assert refused.process.wait(60 * SLOWER) != 0
        assert "WRONGPASS" in refused.log()
    finally:
        server.cli("-a", "right", "config", "set", "requirepass", "")
    trips.send(5)
    trips.all_end()


def test_scripts_that_are_flushed(trips, server):
    with Stream(trips):
        repeatedly(lambda: server.cli("script", "flush"), 0.05)
    trips.all_end()


def test_a_script_of_somebody_else_that_runs_long(trips, server):
    server.cli("config", "set", "busy-reply-threshold", "50")
    with Stream(trips):
        busy = threading.Thread(target=server.cli, args=("eval", "while true do end", "0"))
        busy.start()
        eventually(lambda: is_away(trips))
        eventually(lambda: server.cli("script", "kill") == "OK")
        busy.join()
    trips.all_end()


def test_the_list_of_all_that_is_due_is_deleted(trips, server):
    def some_sleep():
        trips.send(10)  # they sleep a fifth of a second: on a busy machine the first have ended before they are looked at
        return len(trips.service.runs(status="sleeping")) > 0

    eventually(some_sleep)
    for _ in range(20):
        server.cli("unlink", "stepd{0}:delayed")
    trips.all_end()


LIVING = "dsob"  # the letter of a run's status in its record


def test_any_key_deleted_at_random(trips, server):
    """No run hangs: each ends, or the log says that its record is lost."""
    chance = random.Random(11)
    lost = set()

    def delete_one():
        key = server.cli("randomkey")
        kind, _, run_id = key.partition("}:")[2].partition(":")
        if kind == "run" and chance.random() < 0.5 and server.cli("getrange", key, 1, 1) in LIVING:
            lost.add(run_id)
        elif kind in ("run", "history") or run_id in lost:
            return  # by which is told how runs ended
        server.cli("unlink", key)
    with Stream(trips, 20):
        repeatedly(delete_one, 0.02, 4)
    eventually(lambda: all(run["status"] == "completed" for run in trips.service.runs()), 40, what=trips.say)
    ended = {run["id"] for run in trips.ended().values()}
    eventually(lambda: lost <= ended | set(re.findall(r"record in Redis .* run=([0-9a-f]{32})", trips.service.log())),
               what=lambda: f"not told: {lost - ended}\n{trips.say()}")
    eventually(lambda: len(trips.missing()) <= len(lost), 40, what=trips.say)  # the last events may only now have begun
