# SPDX-License-Identifier: Apache-2.0
"""Flow control (docs/flow.md): each setting does what it promises, through real Kafka and Redis."""
import json
import time

import pytest

from support import eventually


class Book:
    """What modules/flow.c wrote."""

    def __init__(self, path):
        self.path = path
        self.path.touch()

    def entries(self, what, function="work"):
        """(number, ms, pid) of each."""
        rows = (line.split() for line in self.path.read_text().splitlines())
        return [(int(number), int(ms), int(pid)) for name, number, pid, kind, ms in rows if name == function and kind == what]

    def begun(self, function="work"):
        return [number for number, _, _ in self.entries("begin", function)]

    def times(self, function="work"):
        return [ms for _, ms, _ in self.entries("begin", function)]

    def most_at_once(self, numbers=None):
        """Of attempts that both begin and end in the book."""
        changes = [(ms, 1) for n, ms, _ in self.entries("begin") if numbers is None or n in numbers]
        changes += [(ms, -1) for n, ms, _ in self.entries("end") if numbers is None or n in numbers]
        most = now = 0
        for _, change in sorted(changes):
            now += change
            most = max(most, now)
        return most


@pytest.fixture
def book(folder):
    return Book(folder / "book")


@pytest.fixture
def serve(kafka, daemon, module, topic, book):
    """A daemon of the test's group whose function `work` has these settings."""
    def start(work=None, **settings):
        functions = {"work": work or {}, **settings.pop("functions", {})}
        return daemon([module("flow")], topics=[topic], options={"flow": {"file": str(book.path)}}, functions=functions,
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "allow.auto.create.topics": "true"}, retry={"jitter": 0, "schedule": ["1s"]}, **settings)
    return start


@pytest.fixture
def send(kafka, topic):
    def produce(events, name="work/go"):
        """One event for each of these data."""
        kafka.produce_lines([f"key-{data['n']}\t" + json.dumps({"name": name, "data": data}) for data in events], topic)
    return produce


def metric(daemon, name, **labels):
    for line in daemon.get("/metrics")[1].splitlines():
        if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return 0


# ---- what one daemon decides alone -----------------------------------------------------------------------


def test_of_events_that_when_is_not_true_of_nothing_is_started_or_counted(serve, send, book):
    worker = serve({"when": "event.data.total > 100"})
    send([{"n": 1, "total": 200}, {"n": 2, "total": 50}, {"n": 3}, {"n": 4, "total": 101}, {"n": 5, "total": "x"}])
    eventually(lambda: sorted(book.begun()) == [1, 4])
    eventually(lambda: metric(worker, "stepd_expression_errors_total", function="work") == 1)
    assert metric(worker, "stepd_function_events_consumed_total", function="work") == 2
    assert worker.log().count("when of function work can't be worked out") == 1


def test_several_events_start_a_function_and_each_is_one_run(serve, send, book):
    serve({"events": ["work/*", "work/go", "more/go"]})
    send([{"n": 1}])
    send([{"n": 2}], "more/go")
    send([{"n": 3}], "work/else")
    send([{"n": 4}], "other/go")
    eventually(lambda: sorted(book.begun()) == [1, 2, 3])
    eventually(lambda: book.begun("other") == [4])
    assert sorted(book.begun()) == [1, 2, 3]


def test_an_error_has_retries_of_its_own(serve, send, book):
    worker = serve({"retries": 1, "on_error": [{"error": "Busy", "retries": 3, "backoff": ["200ms"]}, {"error": "Bad*", "retries": 0}]})
    send([{"n": 1, "error": "Busy", "fails": 3}, {"n": 2, "error": "BadInput", "fails": 1}, {"n": 3, "error": "Other", "fails": 5}])
    eventually(lambda: sorted(book.begun()) == [1, 1, 1, 1, 2, 3, 3])
    failed = worker.wait_for("work", "failed", 2)
    assert sorted(run["error"]["name"] for run in failed) == ["BadInput", "Other"]


def test_the_dedupe_key_tells_events_apart(serve, send, book):
    serve({"dedupe": "1h", "dedupe_key": "event.data.cart"})
    send([{"n": 1, "cart": "a"}, {"n": 2, "cart": "b"}])
    eventually(lambda: sorted(book.begun()) == [1, 2])
    send([{"n": 3, "cart": "a"}, {"n": 4}, {"n": 5}])
    eventually(lambda: sorted(book.begun()) == [1, 2, 4, 5])
