# SPDX-License-Identifier: Apache-2.0
"""
Many runs that wait for an event each, while daemons are killed every second and Redis falls back a second twice. It is told at
any size: `STEPD_WAITS=100000 pytest -s tests/scenarios/test_waits_many.py`.
"""
import json
import os
import random
import re
import shutil
import subprocess
import threading
import time

from support import KafkaTool, eventually

COUNT = int(os.environ.get("STEPD_WAITS", "1500"))
SEED = int(os.environ.get("STEPD_WAITS_SEED", "1"))
KILL_S = float(os.environ.get("STEPD_WAITS_KILL", "1"))
SECONDS = 20 + COUNT / 40
DAEMONS = 3


class Fleet:
    """Daemons, of which every second another is killed and started again."""

    def __init__(self, workers):
        self.workers, self.kills, self.is_over = workers, 0, threading.Event()
        self.thread = threading.Thread(target=self.disturb)
        self.thread.start()

    def disturb(self):
        while not self.is_over.wait(KILL_S):
            victim = self.workers[self.kills % len(self.workers)]
            victim.kill()
            victim.launch()
            self.kills += 1

    def leave_in_peace(self):
        self.is_over.set()
        self.thread.join()
        for worker in self.workers:
            eventually(worker.is_ready, 60, what=worker.log)


def fall_back(redis):
    """Redis comes back as it was a second before."""
    log, kept = redis.folder / "appendonlydir", redis.folder / "kept"
    shutil.copytree(log, kept)
    time.sleep(1)
    redis.kill()
    shutil.rmtree(log)
    kept.rename(log)
    redis.start()


def is_next(falls):
    """Two of them, one after the other."""
    return len(falls) < 2 and not (falls and falls[-1].is_alive())


class Story:
    """
    What is sent, and in what order. Of each run: the one event that is sent once its wait was seen in Redis, which must end it; of
    some one before, which must not; of some one together with the run's own event, which may; some get none.
    """

    def __init__(self, kafka, topic, book):
        self.kafka, self.topic, self.book, self.dice = kafka, topic, book, random.Random(SEED)
        self.made, self.seen, self.sent, self.look_again = 0, set(), set(), 0.0
        numbers = range(COUNT)
        self.before = {n for n in numbers if self.dice.random() < 0.1}
        self.never = {n for n in numbers if self.dice.random() < 0.02}
        self.beside = {n for n in numbers if self.dice.random() < 0.05} - self.never

    def send(self, name, events):
        self.kafka.produce_lines([f"key-{data['id']}\t" + json.dumps({"name": name, "data": data}) for data in events], self.topic)

    def pay(self, base, numbers):
        self.send("order/paid", [{"n": base + n, "id": f"<{n}>"} for n in numbers])

    def begin_some(self):
        """The next runs; in one go with those that nobody waits for yet, or never will."""
        some = range(self.made, min(COUNT, self.made + max(COUNT // 20, 100)))
        self.pay(COUNT, self.before.intersection(some))
        self.send("order/made", [{"id": f"<{n}>", "book": str(self.book)} for n in some])
        self.pay(2 * COUNT, self.beside.intersection(some))
        self.send("order/paid", [{"n": -2, "id": f"<{COUNT + n}>"} for n in some])
        self.made = some.stop

    def look(self, redis):
        """Over all keys there are; a quarter of the time, since Redis does nothing else meanwhile."""
        if time.monotonic() < self.look_again:
            return
        begun = time.monotonic()
        self.look_at_all(redis)
        self.look_again = time.monotonic() + 3 * (time.monotonic() - begun)

    def look_at_all(self, redis):
        cursor = b"0"
        while True:
            done = subprocess.run(["redis-cli", "-p", str(redis.port), "--raw", "scan", cursor, "match", "*:wait:order/paid*", "count", "20000"],
                                  capture_output=True)
            cursor, _, keys = done.stdout.partition(b"\n")
            self.seen.update(map(int, re.findall(rb"<(\d+)>", keys)))
            if cursor.strip() in (b"", b"0") or not cursor.isdigit():
                return  # or Redis is away

    def end_some(self):
        ready = sorted(self.seen - self.sent - self.never)
        some = self.dice.sample(ready, len(ready) if len(ready) < 100 else self.dice.randrange(len(ready) // 2, len(ready)))
        self.pay(0, some)
        self.sent.update(some)

    def results(self):
        """By number: all that its run ever ended with."""
        found = {}
        for line in self.book.read_text().splitlines() if self.book.exists() else []:
            n, result = re.fullmatch(r"<(\d+)> (-?\d+)", line).groups()
            found.setdefault(int(n), set()).add(int(result))
        return found

    def must(self, n):
        """What its run may end with. One that Redis has lost the end of may come to another."""
        return [{n}, {2 * COUNT + n}, {n, 2 * COUNT + n}] if n in self.beside else [{n}]


def test_each_that_comes_after_its_wait_ends_it_and_no_other_does(kafka, redis, daemon, module, topic, folder):
    tool = KafkaTool(kafka.address)
    tool.create(topic, 6)
    redis.cli("config", "set", "auto-aof-rewrite-percentage", "0")
    workers = [daemon([module("waiting")], topics=[topic], history="all", retry={"jitter": 0, "schedule": ["200ms"]},
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "group.instance.id": f"waits-{i}"})
               for i in range(DAEMONS)]
    story, falls = Story(kafka, topic, folder / "book"), []
    begun = told = time.monotonic()
    fleet = Fleet(workers)
    try:
        def has_all():
            nonlocal told
            if story.made < COUNT:
                story.begin_some()
            story.look(redis)
            story.end_some()
            ended = len(story.results())
            if time.monotonic() - told > 15:
                told = time.monotonic()
                print(f"{told - begun:.0f} s: {story.made} made, {len(story.seen)} seen to wait, {len(story.sent)} sent, {ended} ended; "
                      f"{fleet.kills} kills, {sum(offset or 0 for offset in tool.offsets(topic, topic).values())} events committed", flush=True)
            if is_next(falls) and ended > (len(falls) + 1) * COUNT // 3:
                falls.append(threading.Thread(target=fall_back, args=(redis,)))
                falls[-1].start()
            return ended >= COUNT - len(story.never)
        eventually(has_all, SECONDS, what=lambda: f"{story.made} made, {len(story.seen)} seen, {len(story.sent)} sent, "
                                                  f"{len(story.results())} ended")
    finally:
        for fall in falls:
            fall.join()
        fleet.leave_in_peace()
    took = time.monotonic() - begun
    counts = eventually(lambda: (stats := workers[0].ctl("stats"))["waiting"] == len(story.never) and stats, 120,
                        what=lambda: workers[0].ctl("stats"))
    results = story.results()
    assert {n: results[n] for n in results if results[n] not in story.must(n)} == {}
    assert set(results) == set(range(COUNT)) - story.never
    assert counts["dead"] == 0, counts
    print(f"\n{COUNT} runs in {took:.0f} s, {fleet.kills} kills, {len(falls)} times Redis fell back: "
          f"{len(results)} ended each by its own event, {len(story.never)} wait on")


def test_each_caller_is_given_its_answer_once_and_none_waits_on(kafka, redis, daemon, module, topic, folder):
    """The same for runs that start each other, whose halves are in different shards. STEPD_INVOKES says how many."""
    count, book, falls, sent = int(os.environ.get("STEPD_INVOKES", "300")), folder / "book", [], 0
    KafkaTool(kafka.address).create(topic, 6)
    redis.cli("config", "set", "auto-aof-rewrite-percentage", "0")
    workers = [daemon([module("invoking")], topics=[topic], history="all", options={"invoking": {"file": str(book)}},
                      retry={"jitter": 0, "schedule": ["200ms"]}, worker={"lease": "500ms"}, redis={"url": redis.url, "shards": 4},
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "group.instance.id": f"invokes-{i}"})
               for i in range(DAEMONS)]

    def asked():
        return len(set(re.findall(r"^asked (\w+)$", book.read_text(), re.M))) if book.exists() else 0
    fleet = Fleet(workers)
    try:
        def have_all():
            nonlocal sent
            some = range(sent, min(count, sent + max(count // 10, 20)))
            kafka.produce_lines([f"key-{n}\t" + json.dumps({"name": "invoke/ask", "data": {"function": "add", "data": {"n": n}}}) for n in some], topic)
            sent = some.stop
            if is_next(falls) and asked() > (len(falls) + 1) * count // 3:
                falls.append(threading.Thread(target=fall_back, args=(redis,)))
                falls[-1].start()
            return sent == count and asked() >= count and len(falls) == 2 and not falls[-1].is_alive()
        eventually(have_all, 60 + count / 10, what=lambda: f"{sent} sent, {asked()} asked, {len(falls)} falls")
    finally:
        for fall in falls:
            fall.join()
        fleet.leave_in_peace()
    runs = eventually(lambda: len(found := workers[0].runs(function="ask", status="completed")) >= count and found, 120,
                      what=lambda: f"{workers[0].ctl('stats')}\n{workers[0].log()[-2000:]}")
    assert sorted(workers[0].show(run["id"])["output"] for run in runs) == list(range(1, count + 1))
    assert len(workers[0].runs(function="add")) == count
    stats = eventually(lambda: (stats := workers[0].ctl("stats"))["waiting"] == 0 and stats, 60, what=lambda: workers[0].ctl("stats"))
    assert stats["dead"] == 0, stats
    print(f"\n{count} invokes, {fleet.kills} kills, {len(falls)} times Redis fell back")
