# SPDX-License-Identifier: Apache-2.0
"""Daemons of the version before and of this one work in one group and on one Redis; an upgrade one by one, and back, loses nothing and
runs no step again. The version before is installed from its packages, which are made from git: where its commit is not there, nothing can
be said."""
import collections
import json
import os
import subprocess
import threading
import time

import pytest

from support import BUILD, ROOT, SLOWER, STEPD, Daemon, KafkaTool, build_module, eventually
from test_flow_ledger import Ledger

OLDER = "d0da6af"
OLDER_WITH_LIMITS = "2a02f12"   # OLDER knows no limits of all daemons; this one keeps a run's limits to its end, and asks for each run by itself
OLDER_DEBIAN = "the version before is built on Debian 12 alone"
FUNCTIONS = {"steps": {"first", "second", "third"}, "keyed": {"first", "second", "third"}, "once": {"first", "second", "third"},
             "retried": {"only"}}
NOT_IN_THIS_CLONE = 75
MEMBERS = 3
PARTITIONS = 6
KEYS = 1000


def install(commit):
    """What the packages of that commit hold, under a folder of its own."""
    if subprocess.run(["pkg-config", "--exists", "msgpack"]).returncode != 0:
        pytest.skip(f"{OLDER_DEBIAN}: {commit} knows msgpack-c by its old name alone")
    folder = BUILD / f"packages-{commit}"
    made = subprocess.run([ROOT / "scripts/packages-of", commit, folder], capture_output=True, text=True)
    if made.returncode == NOT_IN_THIS_CLONE:
        pytest.skip(made.stderr)
    assert made.returncode == 0, made.stderr
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
    return folder / "root"


@pytest.fixture(scope="module")
def older():
    return install(OLDER)


@pytest.fixture(scope="module")
def older_with_limits():
    return install(OLDER_WITH_LIMITS)


class Producer(threading.Thread):
    """Some events a second until it is told to stop. Every tenth comes twice, with the same id."""

    def __init__(self, kafka, topic):
        super().__init__(daemon=True)
        self.kafka, self.topic, self.count, self.is_stopping = kafka, topic, 0, threading.Event()

    def run(self):
        while not self.is_stopping.wait(0.2):
            numbers = range(self.count, self.count + 20)
            self.kafka.produce_lines((f"{number % KEYS}\t" + json.dumps({"name": name, "id": f"e{number}", "data": {"number": number}})
                                      for number in numbers for name in self.names(number)), self.topic)
            self.count = numbers.stop

    @staticmethod
    def names(number):
        return ("mixed/go", "mixed/again") if number % 10 == 0 else ("mixed/go",)

    def end(self):
        self.is_stopping.set()
        self.join(60 * SLOWER)
        return self.count


class Fleet:
    """Three daemons of one group, each of either version."""

    def __init__(self, folder, kafka, redis, topic, module, book, programs, **more):
        self.programs, self.members, self.killed = programs, [], {}
        settings = {
            "kafka": {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"},
            "topics": [topic], "retry": {"schedule": ["300ms"], "jitter": "0"}, "worker": {"threads": 4, "lease": "2s"},
            "redis": {"url": redis.url, "shards": 2}, "options": {module.stem: {"file": str(book)}}, "log": {"level": "warn", "format": "text"},
            **more,
        }
        for number in range(MEMBERS):
            self.members.append(Daemon(folder / f"member-{number}", kafka, redis, [module], settings))

    def run_as(self, number, version):
        """The member stops, in order, and comes back as that version."""
        member = self.members[number]
        if member.process is not None and member.process.poll() is None:
            assert member.stop() == 0, member.log()[-3000:]
        member.words[0] = str(self.programs[version])
        member.start()

    def kill(self, number):
        member = self.members[number]
        pid = member.process.pid
        member.kill()
        self.killed[pid] = int(time.time() * 1000)

    def end(self):
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.kill()


@pytest.fixture
def fleet(folder, kafka, redis, topic, older):
    KafkaTool(kafka.address).create(topic, PARTITIONS)
    module = build_module(ROOT / "tests/scenarios/modules/mixed.c", folder, include=older / "usr/include")
    made = Fleet(folder, kafka, redis, topic, module, folder / "book", {"older": older / "usr/bin/stepd", "newer": STEPD})
    yield made
    made.end()


def booked(path):
    """{(function, number): {step: how often it ran}}"""
    book = collections.defaultdict(collections.Counter)
    for line in path.read_text().splitlines():
        function, number, step = line.split()
        book[function, int(number)][step] += 1
    return book


def all_done(book, count):
    return all(set(book[function, number]) == steps for function, steps in FUNCTIONS.items() for number in range(count))


def test_an_upgrade_one_by_one_and_back_loses_nothing_and_runs_no_step_again(fleet, folder, kafka, redis, topic):
    producer = Producer(kafka, topic)
    for number in range(MEMBERS):
        fleet.run_as(number, "older")
    producer.start()
    for version in ("newer", "older"):
        for number in range(MEMBERS):
            time.sleep(3)
            fleet.run_as(number, version)
    fleet.run_as(0, "newer")
    time.sleep(4)
    count = producer.end()
    assert count > 200

    path = folder / "book"
    eventually(lambda: all_done(booked(path), count), 60 * SLOWER,
               what=lambda: {key: dict(steps) for key, steps in booked(path).items() if set(steps) != FUNCTIONS[key[0]]})
    again = {key: dict(steps) for key, steps in booked(path).items() if max(steps.values()) > 1}
    assert not again, again
    eventually(lambda: fleet.members[0].ctl("stats")["delayed"] == 0)
    assert fleet.members[0].runs(status="failed") == []


# ---- limits of all daemons ---------------------------------------------------------------------------------

BY_KEY = "event.data.k"
TURNS, TURN_MS = 20, 50     # at once, and how far apart then
STARTED_LATE = 10           # turns that a busy machine may begin later than they were given
LIMITED = {
    "turns": {"throttle": {"limit": TURNS, "period": f"{TURNS * TURN_MS}ms"}},
    "turns-by-key": {"throttle": {"limit": 5, "period": "1s", "key": BY_KEY}},
    "places": {"concurrency_limits": [{"limit": 2, "key": BY_KEY}], "ms": 30},
    "scoped": {"concurrency_limits": [{"limit": 3, "scope": "all"}], "ms": 20},
    "scoped-too": {"concurrency_limits": [{"limit": 3, "scope": "all"}], "ms": 20},
    "both": {"throttle": {"limit": 30, "period": "1s"}, "concurrency_limits": [{"limit": 1}], "ms": 5},
    "slept": {"concurrency_limits": [{"limit": 2}], "ms": 10, "sleep": "700ms"},
}
LIMITED_KEYS = 4
LIMITED_EVENTS = 400


@pytest.fixture
def limited_fleet(folder, kafka, redis, topic, older_with_limits):
    KafkaTool(kafka.address).create(topic, PARTITIONS)
    module = build_module(ROOT / "tests/scenarios/modules/flow.c", folder, include=older_with_limits / "usr/include")
    functions = {name: {"use": "book", "event": "flow/go", **given} for name, given in LIMITED.items()}
    made = Fleet(folder, kafka, redis, topic, module, folder / "book", {"older": older_with_limits / "usr/bin/stepd", "newer": STEPD},
                 functions=functions)
    yield made
    made.end()


def assert_turns_are_kept(begun, at_once, turn_ms):
    """Of each span of time no more began than a throttle gives."""
    begun = sorted(begun)
    for first, since in enumerate(begun):
        for last in range(first, len(begun)):
            given = at_once + (begun[last] - since) / turn_ms + STARTED_LATE * SLOWER
            assert last - first + 1 <= given, f"{last - first + 1} turns in {begun[last] - since} ms"


def test_daemons_of_both_versions_keep_the_limits_of_all_and_lose_nothing(limited_fleet, folder, kafka, topic, redis):
    fleet, sent = limited_fleet, 0

    def send(count):
        nonlocal sent
        kafka.produce_lines((f"key-{n % LIMITED_KEYS}\t" + json.dumps({"name": "flow/go", "data": {"n": n, "k": n % LIMITED_KEYS}})
                             for n in range(sent, sent + count)), topic)
        sent += count
    for number in range(MEMBERS):
        fleet.run_as(number, "older")
    steps = [(version, number) for version in ("newer", "older") for number in range(MEMBERS)]
    for version, number in steps:
        send(LIMITED_EVENTS // len(steps))
        time.sleep(2)
        if number == 1:
            fleet.kill(number)
        fleet.run_as(number, version)
    fleet.run_as(0, "newer")
    send(LIMITED_EVENTS - sent)

    everything = set(range(LIMITED_EVENTS))
    for function in LIMITED:
        eventually(lambda: Ledger(folder / "book").ended(function) == everything, 90 * SLOWER,
                   what=lambda: f"{function}: {sorted(everything - Ledger(folder / 'book').ended(function))}\n{fleet.members[0].log()[-2000:]}")
    eventually(lambda: fleet.members[0].ctl("stats")["queued"] == 0, 30)
    assert fleet.members[0].runs(status="failed") == []

    book = Ledger(folder / "book")
    assert_turns_are_kept(book.begun("turns").values(), TURNS, TURN_MS)
    assert_turns_are_kept(book.begun("both").values(), 30, 1000 / 30)
    for k in range(LIMITED_KEYS):
        assert_turns_are_kept([ms for n, ms in book.begun("turns-by-key").items() if n % LIMITED_KEYS == k], 5, 200)
        assert book.most_at_once(["places"], fleet.killed, lambda n, k=k: n % LIMITED_KEYS == k) <= 2
    assert book.most_at_once(["scoped", "scoped-too"], fleet.killed) <= 3
    assert book.most_at_once(["both"], fleet.killed) <= 1
    assert book.most_at_once(["slept"], fleet.killed) <= 2
    left = "line", "heads", "places", "blocked", "flow"
    eventually(lambda: not [key for kind in left for key in redis.cli("KEYS", f"*:{kind}:*").split()], 30,
               what=lambda: [redis.cli("KEYS", f"*:{kind}:*") for kind in left])
