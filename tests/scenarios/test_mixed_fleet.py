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

OLDER = "d0da6af"
OLDER_DEBIAN = "the version before is built on Debian 12 alone"
FUNCTIONS = {"steps": {"first", "second", "third"}, "keyed": {"first", "second", "third"}, "once": {"first", "second", "third"},
             "retried": {"only"}}
NOT_IN_THIS_CLONE = 75
MEMBERS = 3
PARTITIONS = 6
KEYS = 1000


def install_older():
    """What the packages of the version before hold, under a folder of its own."""
    if subprocess.run(["pkg-config", "--exists", "msgpack"]).returncode != 0:
        pytest.skip(f"{OLDER_DEBIAN}: {OLDER} knows msgpack-c by its old name alone")
    folder = BUILD / f"packages-{OLDER}"
    made = subprocess.run([ROOT / "scripts/packages-of", OLDER, folder], capture_output=True, text=True)
    if made.returncode == NOT_IN_THIS_CLONE:
        pytest.skip(made.stderr)
    assert made.returncode == 0, made.stderr
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
    return folder / "root"


@pytest.fixture(scope="module")
def older():
    return install_older()


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

    def __init__(self, folder, kafka, redis, topic, module, book, programs):
        self.programs, self.members = programs, []
        settings = {
            "kafka": {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"},
            "topics": [topic], "retry": {"schedule": ["300ms"], "jitter": "0"}, "worker": {"threads": 4, "lease": "2s"},
            "redis": {"url": redis.url, "shards": 2}, "options": {"mixed": {"file": str(book)}}, "log": {"level": "warn", "format": "text"},
        }
        for number in range(MEMBERS):
            self.members.append(Daemon(folder / f"member-{number}", kafka, redis, [module], settings))

    def run_as(self, number, version):
        """The member stops, in order, and comes back as that version."""
        member = self.members[number]
        if member.process is not None:
            assert member.stop() == 0, member.log()[-3000:]
        member.words[0] = str(self.programs[version])
        member.start()

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
