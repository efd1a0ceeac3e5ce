# SPDX-License-Identifier: Apache-2.0
"""Debounce, and a singleton that cancels: what one event does to the runs of events before it."""
import json
import os
import subprocess
import time

import pytest

from support import BUILD, eventually
from test_cancelled import told  # noqa: F401
from test_flow import book, metric, send, serve  # noqa: F401

EVENTS = int(os.environ.get("STEPD_DEBOUNCE_EVENTS", "20000"))
KEYS = max(50, EVENTS // 1000)


@pytest.fixture
def send_by_doc(kafka, topic):
    """As `send`; the events of a doc share a partition, where their order is known."""
    def produce(events):
        kafka.produce_lines([f"{data['doc']}\t" + json.dumps({"name": "work/go", "data": data}) for data in events], topic)
    return produce


def keys_left(redis):
    """What is in Redis of flow control and of runs."""
    kinds = ("run:", "flow:", "debounce", "queue:", "line:", "heads:", "seen:", "lock:", "rate:", "deadlines", "delayed", "newest")
    return [key for key in redis.cli("KEYS", "*").split("\n") if any(kind in key for kind in kinds)]


def test_of_events_in_a_row_the_latest_has_one_run_under_the_id_of_the_first(serve, send_by_doc, book):
    worker = serve({"debounce": {"period": "6s", "key": "event.data.doc"}})
    send_by_doc([{"n": 1, "doc": "a"}])
    (first,) = worker.wait_for("work", "queued")
    why = worker.ctl("why", first["id"])
    assert (why["reason"], why["key"], why["place"]) == ("debounce", "a", 1), why
    send_by_doc([{"n": n, "doc": "a"} for n in (2, 3)] + [{"n": 10, "doc": "b"}] + [{"n": 20, "doc": None}])
    eventually(lambda: book.begun() and book.begun()[0] == 20, what=lambda: book.begun())
    eventually(lambda: sorted(book.begun()) == [3, 10, 20])
    runs = worker.runs()
    assert worker.ctl("stats")["queued"] == 0
    assert not [run for run in runs if run["status"] == "queued"]


def test_its_run_is_put_off_by_each_event_and_at_most_by_the_timeout(serve, send_by_doc, book):
    serve({"debounce": {"period": "4s", "timeout": "12s", "key": "event.data.doc"}}, history="all")
    began = time.monotonic()
    n = 0
    while not book.begun():
        n += 1
        send_by_doc([{"n": n, "doc": "a"}])
        time.sleep(0.3)
        assert time.monotonic() - began < 120
    took = time.monotonic() - began
    assert 12 <= took < 60, took
    assert book.begun()[0] > 3


def test_a_debounced_run_has_the_id_of_its_first_event_and_is_listed_as_one(serve, send_by_doc, book):
    worker = serve({"debounce": {"period": "2s", "key": "event.data.doc"}}, history="all")
    send_by_doc([{"n": 1, "doc": "a"}])
    (first,) = worker.wait_for("work", "queued")
    send_by_doc([{"n": 2, "doc": "a"}])
    (done,) = worker.wait_for("work", "completed")
    assert done["id"] == first["id"] and done["event"]["data"]["n"] == 2 and book.begun() == [2]


def test_dedupe_remembers_what_was_replaced_and_not_what_the_rate_limit_refused(serve, send_by_doc, book):
    worker = serve({"dedupe": "1h", "dedupe_key": "event.data.cart", "debounce": {"period": "500ms", "key": "event.data.doc"},
                    "rate_limit": {"limit": 1, "period": "1h"}})
    send_by_doc([{"n": 1, "doc": "a", "cart": "x"}, {"n": 2, "doc": "a", "cart": "y"}])
    eventually(lambda: book.begun() == [2])
    send_by_doc([{"n": 3, "doc": "a", "cart": "x"}])
    eventually(lambda: metric(worker, "stepd_runs_skipped_total", function="work", reason="dedupe") == 1)
    send_by_doc([{"n": 4, "doc": "a", "cart": "z"}])
    eventually(lambda: metric(worker, "stepd_runs_skipped_total", function="work", reason="rate_limit") == 1)
    send_by_doc([{"n": 5, "doc": "a", "cart": "z"}])
    eventually(lambda: metric(worker, "stepd_runs_skipped_total", function="work", reason="rate_limit") == 2)
    assert metric(worker, "stepd_runs_skipped_total", function="work", reason="dedupe") == 1 and book.begun() == [2]
    assert worker.ctl("stats")["queued"] == 0


def test_many_events_on_few_keys_leave_a_run_a_key_and_nothing_in_redis(serve, send_by_doc, book, redis):
    """`STEPD_DEBOUNCE_EVENTS=1000000 pytest -s` tells how fast."""
    period = 20 + EVENTS // 5000
    worker = serve({"debounce": {"period": f"{period}s", "key": "event.data.doc"}}, history="none")
    send_by_doc([{"n": n, "doc": n % KEYS} for n in range(EVENTS)])
    began = time.monotonic()
    first = worker.ctl("stats")["events_consumed"]
    eventually(lambda: worker.ctl("stats")["events_consumed"] == EVENTS, 60 + EVENTS // 2000)
    print(f"{EVENTS - first} events in {time.monotonic() - began:.1f} s")
    assert worker.ctl("stats")["queued"] == KEYS
    eventually(lambda: len(book.begun()) == KEYS, 60 + period)
    assert sorted(book.begun()) == list(range(EVENTS - KEYS, EVENTS))
    time.sleep(1)
    assert len(book.begun()) == KEYS
    eventually(lambda: not keys_left(redis), 30, what=lambda: keys_left(redis))


def test_killed_daemons_lose_no_debounced_event_and_replace_nothing_anew(serve, send_by_doc, book):
    settings = {"worker": {"lease": "1s"}, "history": "all"}
    workers = [serve({"debounce": {"period": "10s", "timeout": "1m", "key": "event.data.doc"}}, **settings) for _ in range(2)]
    for round_ in range(5):
        send_by_doc([{"n": 100 * round_ + n, "doc": n % 10} for n in range(100)])
        workers[round_ % 2].kill()
        workers[round_ % 2].start()
    latest = set(range(490, 500))
    eventually(lambda: latest <= set(book.begun()), 120, what=lambda: sorted(book.begun()))
    eventually(lambda: workers[0].ctl("stats")["queued"] == 0 and workers[0].ctl("stats")["owned"] == 0)
    assert len(set(book.begun())) <= 50, "at most one of each round runs of a key"
    for n in latest:
        later = [each for each in book.begun() if each % 10 == n % 10]
        assert later[-1] == n, f"none of the key runs after its latest: {later}"


def test_a_debounced_run_that_is_cancelled_is_told_of_and_the_next_event_begins_anew(serve, send_by_doc, book, told, redis):
    worker = serve({"debounce": {"period": "3s", "key": "event.data.doc"}})
    send_by_doc([{"n": 1, "doc": "a"}])
    (first,) = worker.wait_for("work", "queued")
    assert worker.ctl("cancel", first["id"])["cancelled"] is True
    assert [data["run_id"] for data in told()] == [first["id"]]
    send_by_doc([{"n": 2, "doc": "a"}])
    eventually(lambda: book.begun() == [2])
    assert not [key for key in redis.cli("KEYS", "*").split("\n") if "debounce" in key]


@pytest.mark.parametrize("settings, sentence", [
    ("debounce: {key: event.id}", "'debounce' needs 'period'"),
    ("debounce: {period: 1s}, ordering: by_key", "'debounce' does not go with ordered keys"),
    ("debounce: {period: 1s}, batch: {size: 2, timeout: 1s}", "'debounce' does not go with 'batch'")])
def test_what_does_not_go_together_is_refused_with_a_sentence(folder, settings, sentence):
    config = folder / "stepd.yaml"
    config.write_text(f"kafka: {{bootstrap.servers: none, group.id: g}}\ntopics: [events]\nmodules: [{BUILD / 'modules/exec.so'}]\n"
                      f"functions: {{work: {{use: exec, event: go, command: [/bin/true], {settings}}}}}\n")
    done = subprocess.run([BUILD / "bin/stepd", "--check", "--config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 78 and f"[function work] {sentence}" in done.stderr + done.stdout, done.stderr


# ---- a singleton that cancels -----------------------------------------------------------------------------


def test_a_later_run_of_its_key_cancels_the_one_that_lives(serve, send, book, told):
    worker = serve({"singleton": {"mode": "cancel", "key": "event.data.id"}})
    send([{"n": 1, "id": "a", "sleep_ms": 3600_000}, {"n": 2, "id": "b", "sleep_ms": 3600_000}])
    worker.wait_for("work", "sleeping", 2)
    send([{"n": 3, "id": "a", "ms": 4000}])
    (cancelled,) = worker.wait_for("work", "cancelled")
    assert cancelled["event"]["data"]["n"] == 1 and [data["run_id"] for data in told()] == [cancelled["id"]]
    eventually(lambda: 3 in book.begun())
    send([{"n": 4, "id": "a"}])  # of a run in an attempt
    worker.wait_for("work", "cancelled", 2)
    eventually(lambda: 4 in book.begun())
    assert len(told()) == 2
    eventually(lambda: worker.ctl("stats")["owned"] == 0)
    assert [run["event"]["data"]["n"] for run in worker.runs() if run["status"] == "sleeping"] == [2]


def test_a_queued_run_is_cancelled_by_a_later_one_of_its_key_and_killed_daemons_change_nothing(serve, send, book, told):
    work = {"singleton": {"mode": "cancel", "key": "event.data.id"}, "concurrency_limits": [{"limit": 1}]}
    workers = [serve(work, worker={"lease": "1s"}) for _ in range(2)]
    send([{"n": 0, "id": "first", "ms": 2000}])
    eventually(lambda: book.begun() == [0])
    for n in range(1, 31):
        send([{"n": n, "id": "a", "ms": 100}])
        if n % 10 == 0:
            workers[n // 10 % 2].kill()
            workers[n // 10 % 2].start()
    eventually(lambda: 30 in [n for n, _, _ in book.entries("end")], 40, what=lambda: book.begun())
    eventually(lambda: all(run["status"] in ("cancelled", "completed") for run in workers[0].runs()), 40, what=lambda: workers[0].runs())
    cancelled = {run["id"] for run in workers[0].runs(status="cancelled", limit="100")}
    assert cancelled <= {data["run_id"] for data in told()}
    ended = {n for n, _, _ in book.entries("end")} - {0}
    assert len(cancelled) + len(ended) >= 30, "each was run or cancelled"
    assert workers[0].ctl("stats")["queued"] == 0
