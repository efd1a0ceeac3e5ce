# SPDX-License-Identifier: Apache-2.0
"""Go's SDK: an app that answers as it did when Inngest's own server called it (inngest/recorded-go.jsonl, SDK 0.16.0) is
called as that server called it. The SDK itself runs in test_inngest.py, where its module can be had."""
import json
import uuid
from collections import defaultdict
from pathlib import Path

import pytest

from fake_app import FakeApp
from support import eventually
from test_inngest import get, post

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "inngest/recorded-go.jsonl").read_text().splitlines()]
REGISTRATION = RECORDED[0]["registration"]
CALLS = RECORDED[1:]
EVENTS = {call["function"]: call["call"]["event"] for call in CALLS}
ENDS = {"oracle-go-click-recorder": "completed", "oracle-go-never": "failed", "oracle-go-zero": "failed", "oracle-go-sync-systems": "completed",
        "oracle-go-digest": "failed", "oracle-go-welcome": "completed", "oracle-go-unhandled": "failed", "oracle-go-sender": "completed",
        "oracle-go-fnerr": "completed", "oracle-go-parallel": "completed"}


def key_of(function, step, attempt, memo):
    """What an answer goes by. A step beside others may or may not be told of those."""
    return function, step, attempt, None if step != "step" else frozenset(memo)


class GoApp(FakeApp):
    """Answers what was recorded for the same call, and keeps all that was asked."""

    def __init__(self):
        super().__init__({}, "oracle-go")
        self.asked = defaultdict(list)
        self.answers = {key_of(call["function"], call["step"], call["call"]["attempt"], call["call"]["steps"]): call for call in CALLS}

    def answer(self, path, raw, headers):
        query = dict(part.split("=", 1) for part in path.split("?", 1)[1].split("&"))
        body = json.loads(raw)
        function, step, ctx = query["fnId"], query["stepId"], body["ctx"]
        with self.lock:
            self.asked[function].append((path.split("?", 1)[1], step, body))
        recorded = self.answers.get(key_of(function, step, ctx["attempt"], body["steps"]))
        if recorded is None:
            return 500, {"message": f"nothing was recorded of {function} {step} {ctx['attempt']} {sorted(body['steps'])}"}, {"x-inngest-no-retry": "true"}
        return recorded["status"], recorded["answer"], recorded["headers"]

    def registration(self):
        """As Go's SDK writes it; of functions that the recording does not show, made alike."""
        shown = {function["id"]: function for function in REGISTRATION["functions"]}
        most = {call["function"]: call["call"]["max_attempts"] for call in CALLS}
        functions = [shown.get(id) or self.made_alike(id, most[id] - 1) for id in EVENTS]
        text = json.dumps({**REGISTRATION, "url": self.url, "functions": functions})
        return json.loads(text.replace("http://127.0.0.1:13555/api/inngest", self.url))

    @staticmethod
    def made_alike(id, retries):
        return {"name": id, "id": id, "triggers": [{"event": EVENTS[id]}], "retries": retries, "Singleton": None, "steps": {"step": {
            "id": "step", "name": id, "retries": {"attempts": retries},
            "runtime": {"url": f"http://127.0.0.1:13555/api/inngest?fnId={id}&step=step"}}}}


def seen(step, call, fn_id):
    """The part of a call that is the same on any server: a step's own call may have been told of others, or not."""
    return (step, call["attempt"], call["max_attempts"], call["disable_immediate_execution"], None if step != "step" else call["steps"], fn_id)


@pytest.fixture
def go_app():
    app = GoApp()
    yield app
    app.stop()


def test_an_app_of_go_s_sdk_is_called_as_its_own_server_calls_it(folder, dev, go_app):
    stepd = dev((), "--retry-interval", "200ms", "--app", "http://127.0.0.1:1/none")
    http = f"http://{stepd.at['http']}"
    status, answer = post(f"{http}/fn/register", go_app.registration())
    assert status == 200, answer
    for event in EVENTS.values():
        assert post(f"{http}/e/x", {"name": event, "data": {}})[0] == 200
    for function, status in ENDS.items():
        stepd.wait_for(function, status, seconds=40)
    recorded = defaultdict(list)
    for call in CALLS:
        recorded[call["function"]].append(call)
    for function, asked in go_app.asked.items():
        ids = {body["ctx"]["fn_id"] for _, _, body in asked if "fn_id" in body["ctx"]}
        assert len(ids) == 1 and str(uuid.UUID(ids.pop())), function
        assert {query.split("&stepId=")[0] for query, _, _ in asked} == {call["query"].split("&stepId=")[0] for call in recorded[function]}
        ours = [seen(step, {**body, **body["ctx"]}, None) for _, step, body in asked]
        theirs = [seen(call["step"], call["call"], None) for call in recorded[function]]
        if function == "oracle-go-parallel":
            ours, theirs = sorted(ours, key=str), sorted(theirs, key=str)
        assert ours == theirs, function
    failed = {run["function"]: run["error"] for run in stepd.runs() if run["status"] == "failed"}
    assert (failed["oracle-go-never"]["name"], failed["oracle-go-never"]["message"]) == ("Error", "no")
    assert failed["oracle-go-unhandled"]["message"] == "unhandled step error: bad luck"
    run, = [run for run in stepd.runs() if run["function"] == "oracle-go-welcome"]
    assert [(step["id"], step["status"]) for step in stepd.show(run["id"])["steps"]] == [("send-message", "completed"), ("nap", "completed")]


def test_what_a_step_gave_beside_its_error_is_given_back_after_a_restart(daemon, topic, go_app):
    told = []
    given = {"n": 9007199254740993, "deep": [[[[1]]]]}

    def answer(path, raw, headers):
        body = json.loads(raw)
        told.append(body["steps"])
        if len(told) == 1:
            return 206, [{"op": "StepFailed", "id": "1902e3d6fc4e78a0bcc50ba12b882769afbf4a8c", "name": "bad", "opts": None, "data": None,
                          "error": {"name": "Step failed", "message": "bad luck", "data": given}, "userland": {"id": "bad"}}], {"x-inngest-no-retry": "true"}
        if len(told) == 2:
            return 500, {"message": "once more"}
        return 200, "done"
    go_app.answer = answer
    stepd = daemon([], topics=[topic], inngest={}, history="all", retry={"schedule": ["2s"], "jitter": "0s"})
    assert post(f"http://{stepd.http}/fn/register", go_app.registration())[0] == 200
    assert post(f"http://{stepd.http}/e/x", {"name": "go/unhandled"})[0] == 200
    stepd.wait_for("oracle-go-unhandled", "delayed")
    stepd.stop()
    stepd.start()
    stepd.wait_for("oracle-go-unhandled", "completed", seconds=40)
    memo = {"1902e3d6fc4e78a0bcc50ba12b882769afbf4a8c": {"error": {"name": "Step failed", "message": "bad luck", "data": given}}}
    assert told == [{}, memo, memo]
    eventually(lambda: get(f"http://{stepd.http}/dev")["functions"])
