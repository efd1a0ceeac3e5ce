# SPDX-License-Identifier: Apache-2.0
"""A handler that crashes takes the daemon with it: that attempt counts as failed, no other one does."""
from support import eventually


def test_a_crash_is_a_failed_attempt(dev, module):
    service = dev([module("crashing")], "--retry-interval", "200ms")
    service.kafka.send("crash/bystander")
    service.kafka.send("crash/once")
    service.kafka.send("crash/bystander")
    (run,) = service.wait_for("crash-once", "completed", seconds=60)
    shown = service.show(run["id"])
    assert shown["output"] == 1
    assert [attempt["error"]["name"] for attempt in shown["attempts"] if attempt.get("error")] == ["HandlerCrashed"]
    assert [service.show(each["id"])["output"] for each in service.wait_for("bystander", "completed", 2)] == [0, 0]


def test_a_handler_that_always_crashes_ends_as_a_dead_letter(dev, module):
    service = dev([module("crashing")], "--retry-interval", "200ms")
    service.kafka.send("crash/always")
    (run,) = service.wait_for("crash-always", "failed", seconds=60)
    assert service.show(run["id"])["error"]["name"] == "HandlerCrashed"
    (letter,) = service.kafka.consume("events.dead")
    assert letter["headers"]["stepd-error-name"] == "HandlerCrashed"
    assert letter["headers"]["stepd-attempts"] == "2"


def test_a_step_that_calls_exit_fails_like_any_other(dev, module):
    service = dev([module("crashing")], "--retry-interval", "200ms")
    service.kafka.send("crash/step")
    (run,) = service.wait_for("step-exits", "completed", seconds=60)
    assert service.show(run["id"])["output"] == "HandlerCrashed"


def test_a_step_at_most_once_is_not_run_again_after_a_crash(dev, module):
    service = dev([module("crashing")], "--retry-interval", "200ms")
    service.kafka.send("crash/once-only")
    (run,) = service.wait_for("once-only", "completed", seconds=60)
    assert service.show(run["id"])["output"] == "OutcomeUnknown"


def test_a_run_that_was_under_way_in_three_deaths_of_its_daemon_has_crashed(kafka, daemon, module, topic, folder):
    book = folder / "book"
    service = daemon([module("trials")], topics=[topic], history="all", worker={"threads": 2, "journal": "journal"},
                     options={"trials": {"file": str(book)}},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "session.timeout.ms": "1500", "heartbeat.interval.ms": "500"})
    kafka.send("trial/patient", {"n": 1, "ms": 3000}, topic=topic, key="a")
    for _ in range(3):
        eventually(lambda: service.metrics().get("stepd_runs_started_total", 0) >= 1, 30, what=service.log)
        service.kill()
        service.start()
    (run,) = service.wait_for("patient", "completed", seconds=60)
    assert book.read_text().split() == ["patient", "1", "a", "1", "done"]
    errors = [attempt["error"]["name"] for attempt in service.show(run["id"])["attempts"] if attempt.get("error")]
    assert errors == ["HandlerCrashed"]
