# SPDX-License-Identifier: Apache-2.0
"""start_timeout and finish_timeout: what has not begun, or not ended, in time is cancelled."""
import time

from support import eventually
from test_cancelled import told  # noqa: F401
from test_flow import book, send, serve  # noqa: F401


def numbers(runs):
    return sorted(run["event"]["data"]["n"] for run in runs)


def test_what_has_not_begun_in_time_is_cancelled(serve, send, book, told):
    worker = serve({"concurrency_limits": [{"limit": 1}], "start_timeout": "2s"})
    send([{"n": 0, "ms": 6000}])
    eventually(lambda: book.begun() == [0])
    send([{"n": n} for n in (1, 2, 3)])
    cancelled = worker.wait_for("work", "cancelled", 3)
    assert numbers(cancelled) == [1, 2, 3] and {data["run_id"] for data in told()} == {run["id"] for run in cancelled}
    assert all(run["ended_ms"] - run["created_ms"] >= 2000 for run in cancelled)
    eventually(lambda: len(book.entries("end")) == 1)
    eventually(lambda: worker.ctl("stats")["owned"] == 0)
    assert book.begun() == [0] and len(worker.runs(status="cancelled")) == 3, "the first had begun in time"


def test_an_event_that_waited_too_long_in_kafka_starts_nothing_but_is_told_of(serve, send, book, told):
    worker = serve({"start_timeout": "1s"})
    worker.stop()
    send([{"n": 1}])
    time.sleep(1.5)
    worker.start()
    (run,) = worker.wait_for("work", "cancelled")
    send([{"n": 2}])
    eventually(lambda: book.begun() == [2])
    assert [data["run_id"] for data in told()] == [run["id"]]


def test_what_has_not_ended_in_time_is_cancelled_wherever_it_is(serve, send, book, told):
    worker = serve({"finish_timeout": "2s", "retries": 50, "schedule": ["300ms"]})
    send([{"n": 1, "sleep_ms": 3600_000}, {"n": 2, "fails": 1000}, {"n": 3, "ms": 4000}, {"n": 4}])
    cancelled = worker.wait_for("work", "cancelled", 3)
    assert numbers(cancelled) == [1, 2, 3]
    assert {data["run_id"] for data in told()} == {run["id"] for run in cancelled}
    assert len([n for n in book.begun() if n == 2]) > 1 and 4 in [n for n, _, _ in book.entries("end")]


def test_time_in_which_its_function_is_paused_does_not_count(serve, send, book, told):
    worker = serve({"start_timeout": "3s"})
    assert worker.ctl_run("pause", "work").returncode == 0
    eventually(lambda: "function work is paused here" in worker.log())
    send([{"n": 1}])
    worker.wait_for("work", "queued")
    time.sleep(6)
    assert numbers(worker.runs(status="queued")) == [1]
    assert worker.ctl_run("resume", "work").returncode == 0
    eventually(lambda: book.begun() == [1])
    assert not told()


def test_a_run_that_is_retried_has_its_time_anew(serve, send, book):
    worker = serve({"finish_timeout": "2s"})
    send([{"n": 1, "sleep_ms": 4000}])
    (run,) = worker.wait_for("work", "cancelled")
    assert worker.ctl_run("retry", run["id"]).returncode == 0
    eventually(lambda: worker.show(run["id"])["status"] != "cancelled")
    eventually(lambda: worker.show(run["id"])["status"] == "completed", what=lambda: worker.show(run["id"]))


def test_killed_daemons_leave_no_run_past_its_time(serve, send, book, told, redis):
    workers = [serve({"finish_timeout": "5s"}, worker={"lease": "1s"}) for _ in range(2)]
    send([{"n": n, "sleep_ms": 3600_000} for n in range(40)])
    for i in range(4):
        time.sleep(1)
        workers[i % 2].kill()
        workers[i % 2].start()
    cancelled = workers[0].wait_for("work", "cancelled", 40, 60)
    assert {run["id"] for run in cancelled} == {data["run_id"] for data in told()}
    eventually(lambda: not [key for key in redis.cli("KEYS", "*").split("\n") if "deadlines" in key], 60, what=lambda: redis.cli("KEYS", "*"))


def test_time_in_which_a_breaker_held_a_run_does_not_count_once_it_is_closed_either(serve, send, book, told, folder):
    """Of the 8 s that a run has, those under the open breaker don't count; then it waits for its turn."""
    down = folder / "down"
    down.touch()
    worker = serve({"start_timeout": "8s", "throttle": {"limit": 1, "period": "13s"}, "retries": 20, "schedule": ["300ms"],
                    "breaker": {"failures": 1, "window": "1m", "pause": "7s"}})
    send([{"n": 1, "down": str(down)}])
    eventually(lambda: worker.metrics().get("stepd_breaker_open") == 1)
    send([{"n": 2}])
    worker.wait_for("work", "queued", 2)
    down.unlink()
    eventually(lambda: 2 in book.begun())
    assert not told()
