# SPDX-License-Identifier: Apache-2.0
"""Steps that an app reports while its call goes on, as SDK 4.x does: durable before they are answered, taken by who
holds the call alone, and never run again."""
import signal
import threading

from fake_app import op, report, result, step_hash
from support import SLOWER, eventually
from test_inngest_calls import SETTINGS as OTHERS, ask, register, send, serve  # noqa: F401

SETTINGS = {**OTHERS, "worker": {"threads": 2, "lease": "5s"}}  # a daemon that is only slow keeps its runs
STALE, ELSEWHERE = 409, 503


class Reporter:
    """A function of steps, each reported before the next runs; `before[step]` is called with the call before that."""

    def __init__(self, http, steps="abc", **before):
        self.http, self.steps, self.before = http, steps, before
        self.ran, self.answers = [], []

    def __call__(self, call):
        for step in self.steps:
            if step_hash(step) in call["body"]["steps"]:
                continue
            self.before.get(step, lambda _: None)(call)
            self.ran.append(step)
            self.answers.append(report(self.http(), call, step))
            if self.answers[-1] != 200:
                return 400, {"name": "StaleDispatchError", "message": "halted"}, {"x-inngest-no-retry": "true"}
        return 206, [{"op": "RunComplete", "id": step_hash("complete"), "data": "done"}]


class Gate:
    """Holds up who comes first, until it is opened."""

    def __init__(self):
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, _):
        if not self.reached.is_set():
            self.reached.set()
            self.opened.wait(60 * SLOWER)

    def wait_reached(self, stepd):
        assert self.reached.wait(30 * SLOWER), stepd.log()

    def open(self):
        self.opened.set()


def test_steps_of_one_call_are_recorded_one_by_one(daemon, serve, topic):
    gate = Gate()
    reporter = Reporter(lambda: stepd.http, c=gate)
    app = serve({"many": reporter})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "many")
    gate.wait_reached(stepd)
    run, = stepd.runs()
    assert [(step["id"], step["output"]) for step in stepd.show(run["id"])["steps"]] == [("a", "a"), ("b", "b")]
    gate.open()
    stepd.wait_for("many", "completed")
    shown = stepd.show(run["id"])
    assert shown["output"] == "done" and [step["id"] for step in shown["steps"]] == ["a", "b", "c"]
    assert reporter.answers == [200] * 3 and app.made("many") == [0]


def test_a_report_that_is_repeated_changes_nothing(daemon, serve, topic):
    answers = []

    def twice(call):
        if not call["body"]["steps"]:
            answers.extend(report(stepd.http, call, *steps) for steps in ("a", "a", "ab"))
            return 500, {"name": "Error", "message": "after them"}
        return 200, list(call["body"]["steps"].values())
    app = serve({"twice": twice})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "twice")
    run, = stepd.wait_for("twice", "completed")
    assert answers == [200, 200, 200]
    shown = stepd.show(run["id"])
    assert shown["output"] == [{"data": "a"}, {"data": "b"}]
    assert [(step["id"], step["attempts"]) for step in shown["steps"]] == [("a", 1), ("b", 1)]
    assert app.made("twice") == [0, 1]  # the function's error is an attempt of its own


def test_what_was_reported_is_not_run_again_after_a_kill(daemon, serve, topic):
    gate = Gate()
    reporter = Reporter(lambda: stepd.http, c=gate)
    app = serve({"killed": reporter})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "killed")
    gate.wait_reached(stepd)
    stepd.stop(signal.SIGKILL)
    stepd.start()
    stepd.wait_for("killed", "completed", seconds=60)
    assert reporter.ran == ["a", "b", "c"]
    gate.open()  # the call that the dead daemon made goes on, and is told to stop
    eventually(lambda: len(reporter.answers) == 4, what=lambda: reporter.answers)
    assert reporter.answers[:3] == [200] * 3 and reporter.answers[3] in (STALE, ELSEWHERE)
    run, = stepd.runs()
    assert [(step["id"], step["attempts"]) for step in stepd.show(run["id"])["steps"]] == [("a", 1), ("b", 1), ("c", 1)]


def test_who_does_not_hold_the_call_takes_no_report_of_it(daemon, serve, topic):
    """Two daemons: one holds the call, is held up until the other has the run, and wakes."""
    daemons, held, answers, gate = [], [], [], threading.Event()

    def answer(call):
        if call["body"]["steps"]:
            return 200, "done"
        if held:
            return result("b")
        told = [report(each.http, call, "a") for each in daemons]
        answers.extend(sorted(told))
        held.append(daemons[told.index(200)])
        gate.wait(60 * SLOWER)
        answers.extend(report(each.http, call, "late") for each in held)
        return 500, {"name": "Error", "message": "nobody looks at this"}
    app = serve({"two": answer})
    daemons.append(daemon([], topics=[topic], **SETTINGS))
    daemons.append(daemon([], topics=[topic], kafka=daemons[0].settings["kafka"], **SETTINGS))
    register(daemons[0], app)
    eventually(lambda: ask(daemons[1].http, "/dev")[1]["functions"] == ["two"])
    send(daemons[0], "two")
    eventually(lambda: held, what=lambda: daemons[0].log() + daemons[1].log())
    assert answers == [200, ELSEWHERE]
    other, = (each for each in daemons if each is not held[0])
    held[0].process.send_signal(signal.SIGSTOP)
    other.wait_for("two", "completed", seconds=60)
    held[0].process.send_signal(signal.SIGCONT)
    gate.set()
    eventually(lambda: len(answers) == 3, 60, what=lambda: answers)
    assert answers[2] == STALE
    run, = other.runs()
    shown = other.show(run["id"])
    assert shown["status"] == "completed" and [step["id"] for step in shown["steps"]] == ["a"]


def test_a_step_under_way_is_the_last_before_a_stop(daemon, serve, topic):
    gate = Gate()
    reporter = Reporter(lambda: stepd.http, b=gate)
    app = serve({"stopped": reporter})
    stepd = daemon([], topics=[topic], **{**SETTINGS, "worker": {**SETTINGS["worker"], "drain_timeout": "120s", "shutdown_timeout": "150s"}})
    register(stepd, app)
    send(stepd, "stopped")
    gate.wait_reached(stepd)
    stepd.process.send_signal(signal.SIGTERM)
    eventually(lambda: "stopping" in stepd.log())
    gate.open()
    assert stepd.process.wait(60 * SLOWER) == 0
    assert reporter.answers == [200, STALE]
    stepd.start()
    stepd.wait_for("stopped", "completed", seconds=30)
    assert reporter.ran == ["a", "b", "c"] and app.made("stopped") == [0, 0]


def test_an_app_whose_reports_do_not_get_here_is_not_asked_for_them(daemon, serve, topic):
    may_report = []

    def answer(call):
        may_report.append("fn_id" in call["body"]["ctx"])
        return (200, "done") if call["body"]["steps"] else result("a")
    app = serve({"silent": answer})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "silent")
    stepd.wait_for("silent", "completed")
    assert may_report == [True, False]


def test_what_can_not_be_recorded_is_refused(daemon, serve, topic):
    answers = []

    def answer(call):
        run = call["body"]["ctx"]["run_id"]
        path = f"/v1/checkpoint/{run}/async"
        answers.extend(ask(stepd.http, path, body)[0] for body in ({}, {"steps": []}, {"steps": 1, "qi_id": "x"}))
        answers.extend(ask(stepd.http, wrong, {"steps": [], "qi_id": "x"})[0] for wrong in (path + "x", "/v1/checkpoint/x/async"))
        answers.append(ask(stepd.http, path, {"steps": [], "qi_id": "x"})[0])
        asks = [op("WaitForEvent", "a", opts={"event": "x", "timeout": "1h"})]
        answers.append(ask(stepd.http, path, {"steps": asks, "qi_id": call["body"]["ctx"]["qi_id"]})[0])
        return 200, "nobody looks at this"
    app = serve({"wrong": answer})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "wrong")
    run, = stepd.wait_for("wrong", "failed")
    assert run["error"]["name"] == "UnsupportedStep" and "WaitForEvent" in run["error"]["message"]
    eventually(lambda: len(answers) == 7, what=lambda: answers)
    assert answers == [400, 400, 400, 404, 404, STALE, STALE]
