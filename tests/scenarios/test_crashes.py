# SPDX-License-Identifier: Apache-2.0
"""A handler that crashes takes the daemon with it: that attempt counts as failed, no other one does."""


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
