# SPDX-License-Identifier: Apache-2.0
"""Daemons of the version before and of this one work in one group and on one Redis; an upgrade one by one, and back, loses nothing and
runs no step again. The version before is built from git: where its commit is not there, nothing can be said."""
import collections
import json
import os
import subprocess
import threading
import time

import pytest

from support import BUILD, ROOT, SLOWER, STEPD, Daemon, KafkaTool, build_module, eventually

OLDER = "d0da6af"
FUNCTIONS = {"steps": {"first", "second", "third"}, "keyed": {"first", "second", "third"}, "once": {"first", "second", "third"},
             "retried": {"only"}}
PARTITIONS = 6
KEYS = 1000


def build_older():
    """The tree of the version before; its programs stand in build/release/bin."""
    tree = BUILD / f"older-{OLDER}"
    if (tree / "built").exists():
        return tree
    if subprocess.run(["git", "cat-file", "-e", OLDER], cwd=ROOT, capture_output=True).returncode != 0:
        pytest.skip(f"commit {OLDER} is not in this clone: fetch its whole history")
    tree.mkdir(exist_ok=True)
    archive = subprocess.run(["git", "archive", OLDER], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", tree], input=archive.stdout, check=True)
    for words in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release"]):
        done = subprocess.run(words, cwd=tree, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (tree / "built").touch()
    return tree


@pytest.fixture(scope="module")
def older():
    return build_older()


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
    """Two daemons of one group, each of either version."""

    def __init__(self, folder, kafka, redis, topic, module, book, programs):
        self.programs, self.members = programs, []
        settings = {
            "kafka": {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"},
            "topics": [topic], "retry": {"schedule": ["300ms"], "jitter": "0"}, "worker": {"threads": 4, "lease": "2s"},
            "redis": {"url": redis.url, "shards": 2}, "options": {"mixed": {"file": str(book)}}, "log": {"level": "warn", "format": "text"},
        }
        for number in range(2):
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
    module = build_module(ROOT / "tests/scenarios/modules/mixed.c", folder, root=older)
    made = Fleet(folder, kafka, redis, topic, module, folder / "book", {"older": older / "build/release/bin/stepd", "newer": STEPD})
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
    for number in (0, 1):
        fleet.run_as(number, "older")
    producer.start()
    for number, version in ((0, "newer"), (1, "newer"), (0, "older"), (1, "older"), (0, "newer")):
        time.sleep(4)
        fleet.run_as(number, version)
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
