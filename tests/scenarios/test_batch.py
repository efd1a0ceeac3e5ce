# SPDX-License-Identifier: Apache-2.0
"""`batch` (docs/flow.md): several events are one run, through real Kafka and Redis."""
import json
import random
import sys
import time

import pytest

from fake_app import FakeApp
from support import BUILD, ROOT, SLOWER, eventually
from test_flow import metric
from test_inngest_calls import SETTINGS, register


class Book:
    """What modules/batch.c wrote."""

    def __init__(self, path):
        self.path = path
        self.path.touch()

    def attempts(self):
        """(run, attempt, pid, ms, numbers) of each."""
        rows = (line.split() for line in self.path.read_text().splitlines())
        return [(run, int(attempt), int(pid), int(ms), [int(n) for n in numbers.split(",")]) for run, attempt, pid, ms, numbers in rows]

    def batches(self):
        return [numbers for _, _, _, _, numbers in self.attempts()]

    def numbers(self):
        return sorted(n for numbers in self.batches() for n in numbers)


@pytest.fixture
def book(folder):
    return Book(folder / "book")


@pytest.fixture
def serve(kafka, daemon, module, topic, book):
    """A daemon of the test's group whose function `gather` has these settings."""
    def start(gather=None, **settings):
        return daemon([module("batch")], topics=[topic], options={"batch": {"file": str(book.path)}}, functions={"gather": gather or {}},
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "allow.auto.create.topics": "true"},
                      **{"retry": {"jitter": 0, "schedule": ["500ms"]}, **settings})
    return start


@pytest.fixture
def send(kafka, topic):
    def produce(events, key="key-{n}"):
        kafka.produce_lines([f"{key.format(**data)}\t" + json.dumps({"name": "work/go", "data": data}) for data in events], topic)
    return produce



def test_a_batch_begins_when_it_is_full_and_what_is_left_when_its_time_is_over(serve, send, book):
    worker = serve()
    send([{"n": n} for n in range(7)], key="one")
    eventually(lambda: book.numbers() == list(range(7)))
    assert sorted(book.batches()) == [[0, 1, 2], [3, 4, 5], [6]], "as they came"
    full, last = book.attempts()[0], book.attempts()[-1]
    assert len(last[4]) == 1 and last[3] - full[3] >= 1500
    assert worker.ctl("stats")["delayed"] == 0 and worker.runs(function="gather") == []


def test_each_key_has_batches_of_its_own_and_events_without_one_share_theirs(serve, send, book):
    serve({"batch": {"size": 2, "timeout": "30s", "key": "event.data.table"}})
    send([{"n": 1, "table": "a"}, {"n": 2, "table": "b"}, {"n": 3}, {"n": 4, "table": "a"}, {"n": 5, "table": "b"}, {"n": 6}])
    eventually(lambda: book.numbers() == [1, 2, 3, 4, 5, 6])
    assert sorted(sorted(batch) for batch in book.batches()) == [[1, 4], [2, 5], [3, 6]]


def test_a_retry_has_the_same_events_in_whichever_daemon(serve, send, book):
    first, second = serve(), serve()
    send([{"n": n, "fails": 2} for n in range(3)], key="one")
    eventually(lambda: len(book.attempts()) == 3, what=lambda: f"{book.attempts()}\n{first.log()[-1500:]}")
    attempts = book.attempts()
    assert [attempt for _, attempt, _, _, _ in attempts] == [0, 1, 2]
    assert len({run for run, _, _, _, _ in attempts}) == 1 and all(batch == [0, 1, 2] for batch in book.batches())
    eventually(lambda: first.ctl("stats")["delayed"] == 0 and first.ctl("stats")["owned"] == 0)
    assert second.runs(function="gather", status="failed") == []


def test_a_batch_that_fails_for_good_leaves_a_dead_letter_for_each_event(serve, send, book, kafka, topic):
    worker = serve({"batch": {"size": 3, "timeout": "30s"}})
    send([{"n": n, "for_good": 1} for n in range(3)], key="key-{n}")
    run, = worker.wait_for("gather", "failed")
    letters = eventually(lambda: len(found := kafka.consume(f"{topic}.dead")) == 3 and found)
    assert sorted(json.loads(letter["value"])["data"]["n"] for letter in letters) == [0, 1, 2]
    assert sorted(letter["key"] for letter in letters) == ["key-0", "key-1", "key-2"]
    events = worker.show(run["id"])["events"]
    assert [event["data"]["n"] for event in events] == book.batches()[0], "all of them, in their order"
    assert all(event["key"] == f"key-{event['data']['n']}" and event["topic"] == topic for event in events)
    shown = worker.ctl_run("show", run["id"]).stdout
    assert "a batch of 3" in shown and all(event["id"] in shown for event in events), shown
    assert worker.ctl_run("retry", run["id"]).returncode == 0
    eventually(lambda: len(book.attempts()) == 2)
    assert [sorted(batch) for batch in book.batches()] == [[0, 1, 2], [0, 1, 2]]


def test_a_batch_that_sleeps_goes_on_with_all_its_events(serve, send, book):
    worker = serve({"batch": {"size": 3, "timeout": "30s"}})
    send([{"n": n, "sleep_ms": 700} for n in range(3)])
    eventually(lambda: len(book.attempts()) == 2)
    assert sorted(book.batches()[0]) == sorted(book.batches()[1]) == [0, 1, 2]
    eventually(lambda: worker.ctl("stats")["delayed"] == 0)


def test_a_batch_keeps_to_a_throttle_and_waits_in_line_as_one(serve, send, book):
    worker = serve({"batch": {"size": 2, "timeout": "30s"}, "throttle": {"limit": 1, "period": "1s"}})
    send([{"n": n} for n in range(6)], key="one")
    eventually(lambda: book.numbers() == list(range(6)), what=worker.log)
    times = [ms for _, _, _, ms, _ in book.attempts()]
    assert len(times) == 3 and times[1] - times[0] >= 900 and times[2] - times[1] >= 900, times


def test_a_daemon_that_stops_leaves_open_batches_to_others_and_none_is_lost(serve, send, book):
    first = serve({"batch": {"size": 100, "timeout": "4s"}})
    send([{"n": n} for n in range(5)])
    eventually(lambda: metric(first, "stepd_function_events_consumed_total", function="gather") == 5)
    begun = time.monotonic()
    first.stop()
    assert time.monotonic() - begun < 3.5 * SLOWER, "an open batch is not waited for"
    assert book.batches() == []
    serve({"batch": {"size": 5, "timeout": "30s"}})
    eventually(lambda: book.numbers() == list(range(5)))


def test_what_is_open_holds_half_of_the_queue_and_then_the_oldest_begins_early(serve, send, book):
    worker = serve({"batch": {"size": 10, "timeout": "10m", "key": "event.data.n"}}, worker={"queue": 40})
    send([{"n": n} for n in range(30)])
    eventually(lambda: len(book.batches()) == 10, what=worker.log)
    assert all(len(batch) == 1 for batch in book.batches())
    assert metric(worker, "stepd_batches_early_total", function="gather") == 10
    assert worker.log().count("the oldest begins early") == 1


def test_a_size_that_could_never_be_full_is_refused(serve):
    with pytest.raises(AssertionError, match="more than half of worker.queue"):
        serve({"batch": {"size": 101, "timeout": "1s"}}, worker={"queue": 200})


@pytest.mark.parametrize("other", [{"debounce": {"period": "1s"}}, {"singleton": {"mode": "skip"}}, {"priority": "1"}, {"ordering": "by_key"},
                                   {"cancel_on": [{"event": "x"}]}])
def test_what_excludes_a_batch_is_refused_by_name(serve, other):
    with pytest.raises(AssertionError, match=f"'batch' and '{next(iter(other))}' exclude each other"):
        serve(other)


def test_no_event_is_lost_when_daemons_are_killed_with_batches_open_and_under_way(serve, send, book):
    settings = {"gather": {"batch": {"size": 5, "timeout": "1s"}, "retries": 10}, "worker": {"lease": "2s"}}
    workers = [serve(**settings) for _ in range(3)]
    sent, chance = 0, random.Random(7)
    for _ in range(4):
        send([{"n": n, "ms": 30, "fails": chance.choice([0, 0, 1])} for n in range(sent, sent + 40)])
        sent += 40
        time.sleep(1)
        victim = workers.pop(chance.randrange(3))
        victim.kill()
        workers.append(serve(**settings))
    eventually(lambda: set(book.numbers()) == set(range(sent)), 90, what=lambda: f"{set(range(sent)) - set(book.numbers())}")
    eventually(lambda: all(workers[0].ctl("stats")[name] == 0 for name in ("delayed", "owned", "queued")), 60)
    by_run = {}
    for run, _, _, _, numbers in book.attempts():
        assert by_run.setdefault(run, numbers) == numbers, "a run has the same events in each attempt"
    assert workers[0].runs(function="gather", status="failed") == []


# ---- in other languages -----------------------------------------------------------------------------------


def test_exec_gets_a_batch_as_an_array(daemon, kafka, topic, folder):
    book = folder / "arrays"
    daemon([BUILD / "modules/exec.so"], topics=[topic], functions={"gather": {
        "use": "exec", "event": "work/go", "command": ["/bin/sh", "-c", f"cat >>{book}; echo >>{book}"],
        "batch": {"size": 2, "timeout": "500ms"}}})
    kafka.produce_lines(["k\t" + json.dumps({"name": "work/go", "data": {"n": n}}) for n in range(3)], topic)
    eventually(lambda: book.exists() and len(book.read_text().splitlines()) == 2)
    batches = [[event["data"]["n"] for event in json.loads(line)] for line in book.read_text().splitlines()]
    assert [len(batch) for batch in batches] == [2, 1] and sorted(batches[0] + batches[1]) == [0, 1, 2]


def test_an_app_gets_a_batch_as_its_events(daemon, kafka, topic):
    calls = []
    app = FakeApp({"many": lambda call: (calls.append(call["body"]), (200, None))[1]},
                  many={"batchEvents": {"maxSize": 3, "timeout": "2s", "if": "event.data.n < 10"}})
    try:
        stepd = daemon([], topics=[topic], **SETTINGS)
        register(stepd, app)
        kafka.produce_lines(["k\t" + json.dumps({"name": "many", "data": {"n": n}}) for n in (0, 1, 10, 2)], topic)
        eventually(lambda: len(calls) == 2)
        assert sorted([event["data"]["n"] for event in call["events"]] for call in calls) == [[0, 1, 2], [10]]
        assert all(call["event"] == call["events"][0] for call in calls)
    finally:
        app.stop()


def test_a_program_gets_a_batch_as_the_events_of_its_event(daemon, kafka, topic, folder):
    program, book = folder / "many.py", folder / "many"
    program.write_text(f"""import sys
sys.path.insert(0, {str(ROOT / "clients/python")!r})
import stepd
@stepd.function(event="work/go", batch={{"size": 2, "timeout": "500ms"}})
def many(event, step):
    with open({str(book)!r}, "a") as out:
        out.write(",".join(str(each.data["n"]) for each in event.events) + "\\n")
stepd.serve()
""")
    daemon([], topics=[topic], programs={"many": {"command": [sys.executable, str(program)]}})
    kafka.produce_lines(["k\t" + json.dumps({"name": "work/go", "data": {"n": n}}) for n in range(3)], topic)
    eventually(lambda: book.exists() and len(book.read_text().splitlines()) == 2, 40)
    first, second = ([int(n) for n in line.split(",")] for line in book.read_text().splitlines())
    assert len(first) == 2 and sorted(first + second) == [0, 1, 2]
