# SPDX-License-Identifier: Apache-2.0
"""Flow control (docs/flow.md): each setting does what it promises, through real Kafka and Redis."""
import json
import shutil
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
    assert worker.log().count("when of function work fails for an event") == 1


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


# ---- what Redis decides for all daemons ---------------------------------------------------------------------


def test_a_rate_limit_lets_its_number_begin_and_drops_the_rest(serve, send, book):
    worker = serve({"rate_limit": {"limit": 2, "period": "1h", "key": "event.data.user"}})
    send([{"n": n, "user": "a"} for n in range(5)] + [{"n": n, "user": "b"} for n in range(10, 12)] + [{"n": n} for n in range(20, 25)])
    eventually(lambda: len(book.begun()) == 9)
    assert len([n for n in book.begun() if n < 5]) == 2 and {10, 11, 20, 21, 22, 23, 24} <= set(book.begun())
    eventually(lambda: metric(worker, "stepd_runs_skipped_total", function="work", reason="rate_limit") == 3)
    assert worker.runs(function="work") == []


def test_a_throttle_begins_some_at_once_and_the_rest_in_their_turns(serve, send, book):
    worker = serve({"throttle": {"limit": 2, "period": "2s", "burst": 1}})
    send([{"n": n} for n in range(6)])
    eventually(lambda: len(book.begun()) == 6)
    times = sorted(book.times())
    assert times[2] - times[0] < 900 * 3, times  # three at once
    for at_once, later in ((2, 3), (3, 4), (4, 5)):
        assert times[later] - times[at_once] >= 900, times
    assert worker.ctl("stats")["queued"] == 0


def test_places_are_of_all_daemons_and_by_key(serve, send, book):
    limits = {"concurrency_limits": [{"limit": 2, "key": "event.data.account"}]}
    first, second = serve(limits), serve(limits)
    send([{"n": n, "account": "a" if n < 12 else "b", "ms": 200} for n in range(24)])
    eventually(lambda: len(book.entries("end")) == 24)
    assert book.most_at_once(range(12)) == 2 and book.most_at_once(range(12, 24)) == 2
    assert book.most_at_once() > 2, "a full key holds up no other"
    assert first.ctl("stats")["queued"] == 0


def test_functions_that_name_a_scope_share_its_places(serve, send, book):
    limits = {"concurrency_limits": [{"limit": 1, "scope": "crm"}]}
    serve(limits, functions={"other": limits})
    send([{"n": n, "ms": 100} for n in range(6)])
    send([{"n": n, "ms": 100} for n in range(10, 16)], "other/go")
    eventually(lambda: len(book.entries("end")) + len(book.entries("end", "other")) == 12)
    spans = sorted((begun, ended) for function in ("work", "other")
                   for (n, begun, _), (m, ended, _) in zip(sorted(book.entries("begin", function)), sorted(book.entries("end", function))))
    assert all(later[0] >= earlier[1] for earlier, later in zip(spans, spans[1:])), spans


def test_while_a_run_of_its_key_lives_a_singleton_starts_nothing(serve, send, book):
    worker = serve({"singleton": {"mode": "skip", "key": "event.data.id"}})
    send([{"n": 1, "id": "a", "sleep_ms": 2000}])
    eventually(lambda: book.begun() == [1])
    send([{"n": 2, "id": "a"}, {"n": 3, "id": "b"}, {"n": 4}])
    eventually(lambda: set(book.begun()) == {1, 3, 4})
    eventually(lambda: metric(worker, "stepd_runs_skipped_total", function="work", reason="singleton") == 1)
    eventually(lambda: worker.ctl("stats")["delayed"] == 0 and worker.ctl("stats")["owned"] == 0)
    send([{"n": 5, "id": "a"}])
    eventually(lambda: 5 in book.begun())
    assert 2 not in book.begun()


def test_priority_goes_first_in_line(serve, send, book):
    serve({"concurrency_limits": [{"limit": 1}], "priority": "event.data.vip ? 120 : 0"})
    send([{"n": 0, "ms": 6000}])
    eventually(lambda: book.begun() == [0])
    send([{"n": n, "ms": 20} for n in range(1, 6)])
    time.sleep(0.3)
    send([{"n": 6, "vip": True, "ms": 20}])
    eventually(lambda: len(book.entries("end")) == 7)
    assert book.begun()[1] == 6


def test_a_queued_run_says_what_it_waits_for(serve, send, book):
    worker = serve({"concurrency_limits": [{"limit": 1, "key": "event.data.account"}]})
    send([{"n": 0, "account": "acme", "ms": 12000}])
    eventually(lambda: book.begun() == [0])
    send([{"n": 1, "account": "acme"}])
    queued = worker.wait_for("work", "queued")
    assert queued[0]["status"] == "queued"
    why = worker.ctl("why", queued[0]["id"])
    assert (why["reason"], why["key"], why["place"]) == ("concurrency", "acme", 1), why
    assert worker.ctl("stats")["queued"] == 1
    assert "1 daemon is alive, 1 run waits" in worker.ctl_run("doctor").stdout
    eventually(lambda: metric(worker, "stepd_runs_queued", function="work") == 1)
    assert worker.ctl_run("cancel", queued[0]["id"]).returncode == 0
    eventually(lambda: worker.ctl("stats")["queued"] == 0)
    eventually(lambda: len(book.entries("end")) == 1)
    assert book.begun() == [0]


def test_a_retry_takes_no_turn_and_gives_its_place_back(serve, send, book):
    serve({"throttle": {"limit": 1, "period": "1h", "burst": 1}, "concurrency_limits": [{"limit": 1}], "retries": 2,
           "schedule": ["300ms"]})
    send([{"n": 1, "fails": 2}, {"n": 2}])
    eventually(lambda: sorted(book.begun()) == [1, 1, 1, 2])


def test_a_killed_daemon_gives_its_places_back_and_limits_hold(serve, send, book):
    """Kills every second; what a daemon that was killed had begun ends with it."""
    limits = {"throttle": {"limit": 50, "period": "1s", "burst": 0}, "concurrency_limits": [{"limit": 2}]}
    settings = {"worker": {"threads": 8, "lease": "1s"}}
    workers = [serve(limits, **settings), serve(limits, **settings)]
    count = 60
    send([{"n": n, "ms": 100} for n in range(count)])
    for i in range(4):
        time.sleep(1)
        workers[i % 2].kill()
        workers[i % 2].start()
    eventually(lambda: len({n for n, _, _ in book.entries("end")}) == count, 40, what=lambda: sorted(set(range(count)) - set(book.begun())))
    spans = []
    for pid in {pid for _, _, pid in book.entries("begin")}:
        begun = [(n, ms) for n, ms, who in book.entries("begin") if who == pid]
        ended = {n: ms for n, ms, who in book.entries("end") if who == pid}
        spans += [(ms, ended[n]) for n, ms in begun if n in ended]
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    assert most <= 2
    eventually(lambda: workers[0].ctl("stats")["owned"] == 0 and workers[0].ctl("stats")["queued"] == 0)


def test_after_redis_fell_back_no_place_is_given_while_attempts_execute_that_it_has_forgotten(serve, send, book, redis):
    workers = [serve({"concurrency_limits": [{"limit": 2}]}, worker={"lease": "10s"}) for _ in range(2)]
    assert workers[0].ctl_run("pause", "work").returncode == 0
    eventually(lambda: all("function work is paused here" in worker.log() for worker in workers))
    send([{"n": n, "ms": 8000} for n in range(4)])
    eventually(lambda: workers[0].ctl("stats")["queued"] == 4)
    files = redis.folder / "appendonlydir"
    shutil.copytree(files, redis.folder / "before")
    assert workers[0].ctl_run("resume", "work").returncode == 0
    eventually(lambda: len(book.begun()) == 2)
    redis.kill()
    shutil.rmtree(files)
    shutil.copytree(redis.folder / "before", files)
    redis.start()
    workers[0].ctl_run("resume", "work")
    eventually(lambda: {n for n, _, _ in book.entries("end")} == set(range(4)), 60)
    assert book.most_at_once() <= 2, book.entries("begin")
