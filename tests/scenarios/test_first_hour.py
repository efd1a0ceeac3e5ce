# SPDX-License-Identifier: Apache-2.0
"""What a new user does: an own module, `stepd dev`, events from kcat in each format, runs looked at."""
import json

import pytest

from support import eventually

NAME = b"\x82\xa4name\xa9user/came\xa4data\x81\xa4user\x81\xa4name\xa3Ada"
FORMATS = {
    "JSON envelope": (json.dumps({"name": "user/came", "data": {"user": {"name": "Ada"}}}).encode(), {}),
    "MessagePack envelope": (NAME, {}),
    "MessagePack by its header": (NAME, {"content-type": "application/msgpack"}),
    "CloudEvents, structured": (
        json.dumps({"specversion": "1.0", "id": "c1", "source": "/test", "type": "user/came", "data": {"user": {"name": "Ada"}}}).encode(),
        {"content-type": "application/cloudevents+json"}),
    "CloudEvents, binary": (
        json.dumps({"user": {"name": "Ada"}}).encode(),
        {"ce_specversion": "1.0", "ce_id": "b1", "ce_source": "/test", "ce_type": "user/came", "content-type": "application/json"}),
}


@pytest.mark.parametrize("form", FORMATS)
def test_events_in_every_format(dev, module, form):
    value, headers = FORMATS[form]
    service = dev([module("five")], "--topic", "events", "--topic", "raw")
    service.kafka.produce(value, headers=headers)
    (run,) = service.wait_for("greet", "completed")
    shown = service.show(run["id"])
    assert shown["output"] == "Ada"
    assert shown["event"]["name"] == "user/came"
    assert shown["event"]["data"] == {"user": {"name": "Ada"}}
    service.wait_for("audit", "completed")


def test_a_failure_recovers_on_schedule(dev, module):
    service = dev([module("five")], "--topic", "events", "--topic", "raw", "--retry-interval", "200ms")
    service.kafka.send("job/flaky")
    (run,) = service.wait_for("flaky", "completed")
    shown = service.show(run["id"])
    assert shown["output"] == 2
    assert service.ctl("stats")["retries_scheduled"] == 2


def test_a_dead_letter_says_all(dev, module):
    service = dev([module("five")], "--topic", "events", "--topic", "raw", "--retry-interval", "100ms")
    service.kafka.produce('{"name":"job/doomed","data":{"n":1}}', key="k1", headers={"x-mine": "kept"})
    (run,) = service.wait_for("doomed", "failed")
    (letter,) = eventually(lambda: service.kafka.consume("events.dead"))
    assert letter["key"] == "k1"
    assert letter["value"] == b'{"name":"job/doomed","data":{"n":1}}'
    headers = letter["headers"]
    assert headers["x-mine"] == "kept"
    assert headers["stepd-function"] == "doomed"
    assert headers["stepd-run-id"] == run["id"]
    assert headers["stepd-error-name"] == "Doomed"
    assert headers["stepd-error-message"] == "attempt 2"
    assert headers["stepd-attempts"] == "3"
    assert headers["stepd-topic"] == "events"
    assert {"stepd-partition", "stepd-offset", "stepd-failed-at"} <= headers.keys()
    assert service.show(run["id"])["error"] == {"name": "Doomed", "message": "attempt 2"}


def test_a_dead_run_is_retried_from_a_clean_counter(dev, module):
    service = dev([module("five")], "--topic", "events", "--topic", "raw", "--retry-interval", "100ms")
    service.kafka.send("job/doomed")
    (run,) = service.wait_for("doomed", "failed")
    assert service.ctl_run("retry", run["id"]).returncode == 0
    eventually(lambda: len(service.kafka.consume("events.dead")) == 2)
    assert [each["status"] for each in service.runs(function="doomed")] == ["failed"]


def test_a_run_that_is_cancelled_while_it_runs_ends_at_its_next_step(dev, module):
    service = dev([module("patient")])
    service.kafka.send("job/patient")
    (run,) = service.wait_for("patient", "running")
    eventually(lambda: service.show(run["id"])["steps"])
    assert service.ctl_run("cancel", run["id"]).returncode == 0
    service.wait_for("patient", "cancelled")
    assert [step["id"] for step in service.show(run["id"])["steps"]] == ["before"]


def test_a_topic_of_raw_bytes(dev, module):
    service = dev([module("five")], "--topic", "events", "--topic", "raw")
    service.kafka.produce(b"\x00\xff not an event", topic="raw")
    (run,) = service.wait_for("measure", "completed")
    assert service.show(run["id"])["output"] == 15


def test_what_cant_be_read_is_a_dead_letter_and_the_rest_goes_on(dev, module):
    service = dev([module("five")], "--topic", "events", "--topic", "raw")
    service.kafka.produce(b'{"name": "user/came", "data": {')
    service.kafka.send("user/came", {"user": {"name": "Ada"}})
    service.wait_for("greet", "completed")
    (letter,) = eventually(lambda: service.kafka.consume("events.dead"))
    assert letter["value"] == b'{"name": "user/came", "data": {'
    assert letter["headers"]["stepd-error-message"]


def test_a_slip_in_an_events_name_is_seen(dev, module):
    service = dev([module("five")], "--topic", "events", "--topic", "raw", "--retry-interval", "100ms")
    service.kafka.send("usr/came")
    eventually(lambda: "no function is started by usr/came" in service.log())
    service.kafka.send("job/doomed")
    service.wait_for("doomed", "failed")
    service.kafka.send("job/doom")
    eventually(lambda: "no function is started by job/doom\n" in service.log())
    assert "stepd/function.failed" not in service.log()


def test_dev_ends_clean(dev, module):
    service = dev([module("five")], "--topic", "events", "--topic", "raw")
    service.kafka.send("user/came")
    service.wait_for("greet", "completed")
    assert service.stop() == 0
