# SPDX-License-Identifier: Apache-2.0
"""What is over a function's `concurrency` waits in Redis, where every daemon finds it, and holds up nothing else."""
import json
import signal
import time
from collections import Counter

import pytest

from support import KafkaTool, eventually


class Book:
    def __init__(self, path):
        self.path = path
        self.path.touch()

    def entries(self, function):
        """(number, pid, how many at once) of each run."""
        rows = (line.split() for line in self.path.read_text().splitlines())
        return [(int(number), int(pid), int(at_once)) for name, number, pid, at_once in rows if name == function]

    def numbers(self, function):
        return [number for number, _, _ in self.entries(function)]


@pytest.fixture
def book(folder):
    return Book(folder / "book")


def serve(daemon, module, kafka, topic, book, **settings):
    return daemon([module("limited")], topics=[topic], options={"limited": {"file": str(book.path)}},
                  kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                         "allow.auto.create.topics": "true"}, **settings)


def events(function, numbers, **data):
    return [f"key-{n}\t" + json.dumps({"name": f"{function}/go", "data": {"n": n, **data}}) for n in numbers]


def resident_kib(process):
    with open(f"/proc/{process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_due_runs_over_the_limit_stay_in_redis_and_all_daemons_take_them(kafka, redis, daemon, module, topic, book):
    count = 20000
    maker = serve(daemon, module, kafka, topic, book)
    at = int(time.time() * 1000) + 3600_000
    kafka.produce_lines(events("limited", range(count), at=at, ms=5), topic)
    eventually(lambda: maker.ctl("stats")["delayed"] == count, 60)
    assert maker.stop() == 0
    # They become due all at once: by then the function has a limit.
    for key in redis.cli("--scan", "--pattern", "*:delayed").split():
        redis.cli("EVAL", "for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 1, id) end", "1", key)
    limit = {"functions": {"limited": {"concurrency": 1}}}
    first = serve(daemon, module, kafka, topic, book, **limit)
    before = resident_kib(first.process)
    second = serve(daemon, module, kafka, topic, book, **limit)
    kafka.produce_lines(events("free", range(2000)), topic)
    eventually(lambda: len(book.numbers("free")) == 2000, 20)
    eventually(lambda: len({pid for _, pid, _ in book.entries("limited")}) == 2, 20)
    eventually(lambda: len(book.numbers("limited")) >= 500, 30)
    assert all(at_once == 1 for _, _, at_once in book.entries("limited"))
    pids = Counter(pid for _, pid, _ in book.entries("limited"))
    assert min(pids.values()) > 50, "both work"
    assert len(book.numbers("limited")) < count, "there is a line"
    assert resident_kib(first.process) - before < 30000, "and it is not in memory"
    assert first.ctl("stats")["owned"] < 100
    waiting = first.runs(status="queued", limit=5)
    assert not {run["id"] for run in waiting} & {run["id"] for run in first.runs(status="delayed", limit=5)}
    stats = first.ctl("stats")
    assert stats["queued"] > 0 and {run["status"] for run in first.runs(function="limited", limit=50)} <= {"queued", "running", "delayed", "completed"}
    assert len(waiting) == 5, "though the first that were found may have ended before they were read"
    eventually(lambda: first.ctl("why", waiting[-1]["id"])["reason"] in ("concurrency", "owned", "ended", "late"),
               what=lambda: first.ctl("why", waiting[-1]["id"]))
    assert second.process.poll() is None


def test_messages_over_the_limit_do_not_stop_reading_for_other_functions(kafka, daemon, module, topic, book):
    count = 10000
    KafkaTool(kafka.address).create(topic, 2)
    service = serve(daemon, module, kafka, topic, book, functions={"limited": {"concurrency": 2}}, history="all")
    kafka.produce_lines(events("limited", range(count), ms=20), topic)
    kafka.produce_lines(events("free", range(count)), topic)
    eventually(lambda: len(book.numbers("free")) == count, 30, what=lambda: Counter(line.split()[0] for line in book.path.read_text().splitlines()))
    assert len(book.numbers("limited")) < count - 4096, "what was over the limit did not wait for its turn in memory"
    assert max(at_once for _, _, at_once in book.entries("limited")) <= 2
    # Another daemon may have what waits.
    helper = serve(daemon, module, kafka, topic, book, functions={"limited": {"concurrency": 8}}, history="all")
    eventually(lambda: len({pid for _, pid, _ in book.entries("limited")}) == 2, 30)
    assert service.stop() == 0
    assert helper.process.poll() is None


def test_all_that_was_over_the_limit_is_done_once(kafka, daemon, module, topic, book):
    service = serve(daemon, module, kafka, topic, book, functions={"limited": {"concurrency": 4}}, worker={"threads": 8, "queue": 64})
    kafka.produce_lines(events("limited", range(3000), ms=1), topic)
    eventually(lambda: len(book.numbers("limited")) >= 3000, 60)
    assert sorted(book.numbers("limited")) == list(range(3000))
    assert max(at_once for _, _, at_once in book.entries("limited")) <= 4
    eventually(lambda: service.ctl("stats")["queued"] == service.ctl("stats")["delayed"] == 0, 10)


def test_a_keys_order_holds_over_the_limit(kafka, daemon, module, topic, book):
    KafkaTool(kafka.address).create(topic, 1)
    serve(daemon, module, kafka, topic, book, functions={"ordered": {"concurrency": 2}}, worker={"threads": 8, "queue": 64})
    kafka.produce_lines([f"key-{n % 7}\t" + json.dumps({"name": "ordered/go", "data": {"n": n, "ms": 1}}) for n in range(1500)], topic)
    eventually(lambda: len(book.numbers("ordered")) >= 1500, 60)
    numbers = book.numbers("ordered")
    assert sorted(numbers) == list(range(1500))
    for key in range(7):
        mine = [n for n in numbers if n % 7 == key]
        assert mine == sorted(mine)
    assert max(at_once for _, _, at_once in book.entries("ordered")) <= 2


def test_a_limit_that_is_lifted_lets_the_line_go(kafka, daemon, module, topic, book):
    service = serve(daemon, module, kafka, topic, book, functions={"limited": {"concurrency": 1}}, worker={"threads": 8, "queue": 64})
    kafka.produce_lines(events("limited", range(400), ms=200), topic)
    eventually(lambda: service.ctl("stats")["queued"] > 200, 20)
    eventually(lambda: service.metrics()["stepd_runs_queued"] > 0)
    assert service.metrics()["stepd_runs_delayed"] == 0 and service.ctl("stats")["delayed"] == 0, "they wait for no time"
    assert {run["status"] for run in service.runs(function="limited")} <= {"queued", "running", "completed"}  # while they are listed
    rows = json.loads(service.get("/api/runs?function=limited")[1])["runs"]
    assert rows and {row["status"] for row in rows} <= {"queued", "running"}, "nor on the page"
    assert json.loads(service.get("/api/runs?status=delayed")[1])["runs"] == [] == service.runs(status="delayed")
    service.configure(functions={"limited": {"concurrency": 0}})
    service.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(book.numbers("limited")) >= 400, 30)
    assert sorted(book.numbers("limited")) == list(range(400))
