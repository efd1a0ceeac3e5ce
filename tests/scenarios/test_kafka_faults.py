# SPDX-License-Identifier: Apache-2.0
"""What keys, topics and brokers can do to a daemon: the rest goes on, and nothing counts as done before it is."""
import json
import signal
import time

import pytest

from support import SLOWER, Kafka, KafkaTool, Kcat, eventually


class Book:
    def __init__(self, path):
        self.path = path
        self.path.touch()

    def lines(self, function=None):
        """(number, key, attempt, outcome) of each attempt, in order."""
        rows = (line.split() for line in self.path.read_text().splitlines())
        return [(int(number), key, int(attempt), outcome) for name, number, key, attempt, outcome in rows
                if function in (None, name)]

    def done(self, key=None):
        return [number for number, of, _, outcome in self.lines() if outcome == "done" and key in (None, of)]


@pytest.fixture
def book(folder):
    return Book(folder / "book")


@pytest.fixture
def tool(kafka):
    return KafkaTool(kafka.address)


def trial(mode, number, **data):
    return json.dumps({"name": f"trial/{mode}", "data": {"n": number, **data}})


def serve(daemon, module, topic, book, **settings):
    return daemon([module("trials")], topics=[topic], options={"trials": {"file": str(book.path)}}, **settings)


@pytest.mark.parametrize("mode", ["any-order", "by-key"])
def test_a_poison_record_holds_up_its_key_at_most(kafka, daemon, module, topic, book, mode):
    service = serve(daemon, module, topic, book)
    lines = [f"{key}\t{trial(mode, number, bad=(key, number) == ('a', 3))}" for number in range(10) for key in ("a", "b")]
    kafka.produce_lines(lines, topic)
    eventually(lambda: len(book.lines()) == 22, 40)
    entries = book.lines()
    end = max(at for at, entry in enumerate(entries) if entry[3] == "failed")
    before, after = [[number for number, key, _, outcome in part if (key, outcome) == ("a", "done")]
                     for part in (entries[:end], entries[end:])]
    rest = [4, 5, 6, 7, 8, 9]
    if mode == "by-key":
        assert (before, after) == ([0, 1, 2], rest), "in order, behind the one that failed"
        assert book.done("b") == list(range(10))
    else:
        assert sorted(before) == [0, 1, 2, *rest] and after == []
    assert sorted(number for number, key, _, _ in entries[:end] if key == "b") == list(range(10)), "no other key waited"
    assert [entry[2] for entry in entries if entry[3] == "failed"] == [0, 1, 2]
    (letter,) = eventually(lambda: kafka.consume(f"{topic}.dead"))
    assert letter["headers"]["stepd-error-name"] == "Bad"
    assert service.ctl("stats")["dead"] == 1


def test_keys_that_fail_for_ever_leave_the_others_their_rate(kafka, daemon, module, tool, topic, book):
    service = serve(daemon, module, topic, book, kafka={"bootstrap.servers": kafka.address, "group.id": topic})

    def seconds_for(first, bad_keys):
        """2,000 events of 100 keys; how long those of the good ones took."""
        lines = [f"key-{n % 100}\t{trial('stubborn', first + n, bad=n % 100 < bad_keys)}" for n in range(2000)]
        good = 2000 - 20 * bad_keys
        already, began = len(book.done()), time.monotonic()
        kafka.produce_lines(lines, topic)
        eventually(lambda: len(book.done()) == already + good, 60)
        return time.monotonic() - began
    alone = seconds_for(0, 0)
    beside = seconds_for(2000, 10)
    assert beside < 5 * alone + 5 * SLOWER
    eventually(lambda: sum(1 for line in book.lines() if line[2] >= 2) >= 10, 30)  # they are tried again and again

    def all_committed():
        done = tool.offsets(topic, topic)
        return all((done.get(part) or 0) == end for part, end in tool.ends(topic).items())
    eventually(all_committed, 30)  # 20 events of each wait in Redis, not in Kafka
    entries = len(book.done())
    assert service.stop() == 0
    service.start()
    time.sleep(2)
    assert len(book.done()) == entries, "of the others nothing came again"
    assert {line[0] for line in book.lines() if line[3] == "failed"} == set(range(2000, 2010)), "each key's first, no other"


def test_a_refused_dead_letter_leaves_its_run_and_its_event_undone(kafka, daemon, module, tool, topic, book):
    dead = f"{topic}.dead"
    tool.create(topic, 1)
    tool.create(dead, 1, max_message_bytes=10)
    service = serve(daemon, module, topic, book, kafka={"bootstrap.servers": kafka.address, "group.id": topic})
    kafka.produce(trial("any-order", 0, bad=True), topic, key="a")
    kafka.produce("no event at all {", topic, key="a")
    kafka.produce(trial("any-order", 2), topic, key="a")
    eventually(lambda: book.done() == [2])
    eventually(lambda: "the brokers refuse" in service.log() and len(book.lines()) == 4, 30)
    time.sleep(3)
    assert service.runs(status="failed") == []
    assert tool.offsets(topic, topic)[0] in (None, 0, 1), "the second has no other place than Kafka"
    service.kill()
    tool.delete(dead)
    tool.create(dead, 1)
    service.start()
    service.wait_for("any-order", "failed", seconds=60)
    eventually(lambda: tool.offsets(topic, topic)[0] == 5, 30)  # stepd/function.failed is the fourth, and once its letter is out the fifth
    assert sorted(letter["headers"]["stepd-error-name"] for letter in kafka.consume(dead)) == ["Bad", "MalformedEvent"]
    assert len(book.lines()) == 4, "neither function ran again"


def test_a_daemon_that_slept_past_its_session_is_fenced(kafka, daemon, module, topic, folder):
    book = folder / "book"
    more = {"topics": [topic], "history": "all", "options": {"twenty": {"file": str(book)}},
            "kafka": {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"},
            "worker": {"threads": 4, "lease": "3s"}}
    KafkaTool(kafka.address).create(topic, 4)
    sleeper = daemon([module("twenty")], **more)
    for n in range(40):
        kafka.send("twenty/go", {"n": n}, topic=topic, key=str(n))
    eventually(lambda: book.exists() and len(book.read_text().splitlines()) > 30)
    sleeper.process.send_signal(signal.SIGSTOP)
    heir = daemon([module("twenty")], **more)
    heir.wait_for("twenty", "completed", 40, seconds=60)
    sleeper.process.send_signal(signal.SIGCONT)
    eventually(lambda: sleeper.metrics().get("stepd_runs_fenced_total", 0) >= 1, 30, what=sleeper.log)
    eventually(lambda: "partitions lost" in sleeper.log(), 30)
    kafka.send("twenty/go", {"n": 40}, topic=topic, key="40")
    heir.wait_for("twenty", "completed", 41)
    for run in heir.runs(function="twenty"):
        assert heir.show(run["id"])["output"] == sum(range(20))
    executions = [tuple(line.split()) for line in book.read_text().splitlines()]
    assert len(set(executions)) == 41 * 20
    # Of each thread what ran when it fell asleep, and what it took from the queue before the loss of the partitions was seen.
    assert len(executions) - len(set(executions)) <= 2 * 4


@pytest.fixture
def brokers(kafka, folder):
    """Three of one cluster, which keep each message thrice; the first is its controller. (`kafka`: where none can be had.)"""
    properties = ["default.replication.factor=3", "min.insync.replicas=2", "offsets.topic.replication.factor=3",
                  "broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500"]
    made = [Kafka(folder / "broker-1", *properties)]
    made += [Kafka(folder / f"broker-{number}", *properties, joins=made[0]) for number in (2, 3)]
    yield made
    for broker in reversed(made):
        broker.stop()


def test_events_go_on_when_leaders_move(brokers, daemon, module, topic, book):
    cluster = Kcat(",".join(broker.address for broker in brokers))
    tool = KafkaTool(cluster.address)
    tool.create(topic, 6)
    service = serve(daemon, module, topic, book, kafka={"bootstrap.servers": cluster.address, "group.id": topic})
    sent = 0

    def send(count):
        nonlocal sent
        cluster.produce_lines([f"{n}\t{trial('any-order', n)}" for n in range(sent, sent + count)], topic)
        sent += count
    send(300)
    for broker in brokers[1:]:
        broker.kill()
        send(300)
        eventually(lambda: set(book.done()) == set(range(sent)), 90, what=lambda: service.log()[-3000:])
        broker.start()
        send(300)
    eventually(lambda: set(book.done()) == set(range(sent)), 60)
    ends = tool.ends(topic)
    eventually(lambda: tool.offsets(topic, topic) == ends, 60, what=lambda: f"{tool.offsets(topic, topic)} of {ends}")
    assert service.stop() == 0
