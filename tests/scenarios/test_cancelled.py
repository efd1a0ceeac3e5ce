# SPDX-License-Identifier: Apache-2.0
"""Every run that is cancelled is told: stepd/function.cancelled is out before the run counts as ended."""
import json

import pytest

from support import BUILD, eventually
from test_flow import book, send, serve  # noqa: F401


@pytest.fixture
def told(kafka, topic):
    """The data of each stepd/function.cancelled that is in the topic."""
    def read():
        events = [json.loads(message["value"]) for message in kafka.consume(topic)]
        return [event["data"] for event in events if event["name"] == "stepd/function.cancelled"]
    return read


@pytest.mark.parametrize("history", ["failures", "none"])
def test_a_run_that_sleeps_is_told_of_before_it_counts_as_ended(serve, send, book, told, history):
    worker = serve(history=history)
    send([{"n": 1, "sleep_ms": 3600_000}])
    (run,) = worker.wait_for("work", "sleeping")
    assert worker.ctl("cancel", run["id"]) == {"id": run["id"], "cancelled": True}
    (data,) = told()
    assert (data["function_id"], data["run_id"]) == ("work", run["id"]) and "error" not in data
    assert data["event"]["name"] == "work/go" and data["event"]["data"]["n"] == 1 and data["event"]["id"] == run["event"]["id"]
    assert [each["status"] for each in worker.runs()] == (["cancelled"] if history == "failures" else [])


def test_a_run_in_an_attempt_is_told_of(serve, send, book, told):
    worker = serve({"retries": 100, "schedule": ["100ms"]})
    send([{"n": 1, "fails": 100, "ms": 5000}])  # longer than a busy machine takes to cancel it
    (run,) = worker.wait_for("work", "running")
    assert worker.ctl("cancel", run["id"])["cancelled"] is False
    worker.wait_for("work", "cancelled")
    assert [data["run_id"] for data in told()] == [run["id"]]


def test_a_first_attempt_is_told_of(kafka, daemon, topic, folder, told):
    seen = folder / "seen"
    service = daemon([BUILD / "modules/exec.so"], topics=[topic],
                     functions={"long": {"use": "exec", "event": "go", "command": ["sh", "-c", f'echo "$STEPD_RUN_ID" >>{seen}; sleep 30']}})
    kafka.send("go", {"n": 7}, topic)
    eventually(lambda: seen.exists() and seen.read_text())
    run_id = seen.read_text().strip()
    service.ctl("cancel", run_id)
    eventually(lambda: told())
    assert told()[0]["run_id"] == run_id and told()[0]["event"]["data"] == {"n": 7}
    assert not service.runs() and not kafka.consume(f"{topic}.dead")


def test_what_was_cancelled_while_no_daemon_ran_is_told_of_by_the_next(serve, send, book, told):
    worker = serve()
    send([{"n": 1, "sleep_ms": 3600_000}])
    (run,) = worker.wait_for("work", "sleeping")
    worker.stop()
    said = worker.ctl_run("cancel", run["id"]).stdout
    assert "counts as ended once a daemon has brought its stepd/function.cancelled out" in said
    assert worker.show(run["id"])["status"] != "cancelled" and worker.ctl("why", run["id"])["reason"] == "ending"
    worker.start()
    worker.wait_for("work", "cancelled")
    assert [data["run_id"] for data in told()] == [run["id"]]


def test_a_daemon_that_is_killed_before_it_has_told_leaves_it_to_another(serve, send, book, told, redis):
    worker = serve()
    send([{"n": n, "sleep_ms": 3600_000} for n in range(30)])
    runs = worker.wait_for("work", "sleeping", 30)
    worker.stop()
    assert worker.ctl("cancel", "--function", "work") == {"cancelled": 30}
    worker.start()
    worker.kill()  # some may be given to it, and not told of
    for key in redis.cli("KEYS", "*:untold").split():
        for run_id in redis.cli("ZRANGE", key, 0, -1).split():
            redis.cli("ZADD", key, 1, run_id)  # as if its time had gone by
    worker.start()
    worker.wait_for("work", "cancelled", 30)
    assert {data["run_id"] for data in told()} == {run["id"] for run in runs}


def test_a_run_whose_function_is_gone_is_told_of(serve, send, book, told, daemon, kafka, topic):
    worker = serve()
    send([{"n": 1, "sleep_ms": 3600_000}])
    (run,) = worker.wait_for("work", "sleeping")
    worker.stop()
    other = daemon([BUILD / "modules/exec.so"], topics=[topic], functions={"none": {"use": "exec", "event": "none", "command": ["true"]}},
                   kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"})
    assert other.ctl("cancel", run["id"])["cancelled"] is True
    assert [data["function_id"] for data in told()] == ["work"] and other.show(run["id"])["status"] == "cancelled"


def test_a_run_that_is_retried_before_it_is_told_of_is_told_of_and_goes_on(serve, send, book, told):
    worker = serve(history="none")
    send([{"n": 1, "sleep_ms": 3600_000}])
    (run,) = worker.wait_for("work", "sleeping")
    worker.stop()
    assert worker.ctl("cancel", run["id"])["cancelled"] is True
    assert worker.ctl("retry", run["id"])["retried"] is True
    worker.start()
    eventually(lambda: [data["run_id"] for data in told()] == [run["id"]], what=worker.log)
    worker.wait_for("work", "sleeping")
