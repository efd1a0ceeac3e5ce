# SPDX-License-Identifier: Apache-2.0
"""How apps are called: many at once, steps beside each other, signatures, state that is too large for a call."""
import hashlib
import hmac
import json
import signal
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fake_app import FakeApp, error, planned, result, step_hash, tell
from support import SLOWER, eventually, free_port

KEY = "signkey-test-12345678abcdef"


def ask(http, path, body=None, method=None, headers=()):
    """Status and what was answered."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{http}{path}", data, dict(headers), method=method), timeout=20 * SLOWER) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


@pytest.fixture
def serve():
    """An app: serve({function: answer}, function={setting: value})."""
    apps = []

    def make(functions, **settings):
        apps.append(FakeApp(functions, **settings))
        return apps[-1]
    yield make
    for app in apps:
        app.stop()


def register(stepd, app, *without):
    status, answer = ask(stepd.http, "/fn/register", app.registration(*without))
    assert status == 200, answer


def send(stepd, *names):
    status, answer = ask(stepd.http, "/e/any", [{"name": name, "data": {"n": 1}} for name in names])
    assert status == 200, answer


SETTINGS = {"inngest": {}, "history": "all", "retry": {"schedule": ["300ms"], "jitter": "0s"}, "worker": {"threads": 2, "lease": "1s"}}


def test_calls_that_are_slow_hold_no_thread(daemon, serve, topic):
    gate = threading.Event()

    def slow(_):
        gate.wait(120 * SLOWER)
        return 200, "done"
    app = serve({"slow": slow, "quick": lambda _: (200, "quick")})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, *["slow"] * 300)
    eventually(lambda: app.most_at_once == 300, 60, what=lambda: f"{app.most_at_once}\n{stepd.log()[-2000:]}")
    assert stepd.metrics()["stepd_attempts_away"] == 300
    send(stepd, "quick")  # two threads, 300 calls under way
    stepd.wait_for("quick", "completed")
    gate.set()
    stepd.wait_for("slow", "completed", count=300, seconds=60)
    assert app.made("slow") == [0] * 300


def test_a_function_has_no_more_calls_than_its_concurrency(daemon, serve, topic):
    app = serve({"few": lambda _: (time.sleep(0.05), (200, None))[1]}, few={"concurrency": [{"limit": 3}]})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, *["few"] * 30)
    assert [(each["id"], each["module"], each["concurrency"], each["retries"]) for each in stepd.ctl("functions")] == [("few", "inngest", 3, 2)]
    stepd.wait_for("few", "completed", count=30)
    assert app.most_at_once == 3


def beside(fail_a, b_gate):
    """a fails `fail_a` times, b waits for its gate; both are planned at once."""
    def answer(call):
        known = call["body"]["steps"]
        if call["step"] == step_hash("a"):
            return error("a", f"no {call['attempt']}") if call["attempt"] < fail_a else result("a", "A")
        if call["step"] == step_hash("b"):
            b_gate.wait(60 * SLOWER)
            return result("b", "B")
        if step_hash("a") in known and step_hash("b") in known:
            return 200, [known[step_hash(name)].get("data") for name in "ab"]
        return planned(*(name for name in "ab" if step_hash(name) not in known))
    return answer


def test_steps_planned_together_run_beside_each_other(daemon, serve, topic):
    gate = threading.Event()
    app = serve({"pair": beside(2, gate)})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "pair")
    # a is tried again and again, and ends, while b is under way.
    eventually(lambda: app.made("pair", "a") == [0, 1, 2], what=lambda: f"{app.calls}\n{stepd.log()[-2000:]}")
    assert app.made("pair", "b") == [0]
    gate.set()
    run, = stepd.wait_for("pair", "completed")
    shown = stepd.show(run["id"])
    assert shown["output"] == ["A", "B"]
    assert {(step["id"], step["attempts"]) for step in shown["steps"]} == {("a", 3), ("b", 1)}
    assert app.made("pair", "a") == [0, 1, 2] and app.made("pair", "b") == [0]
    assert set(app.made("pair")) == {0}


def test_a_run_that_is_cancelled_while_it_is_called_ends(daemon, serve, topic):
    gate = threading.Event()
    app = serve({"pair": beside(0, gate)})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "pair")
    run, = stepd.wait_for("pair", "running")
    eventually(lambda: [step["id"] for step in stepd.show(run["id"])["steps"]] == ["a"] and app.made("pair", "b") == [0])
    assert stepd.ctl_run("cancel", run["id"]).returncode == 0
    stepd.wait_for("pair", "cancelled")
    gate.set()


def test_what_steps_beside_each_other_have_failed_survives_the_daemon(daemon, serve, topic):
    gate = threading.Event()
    app = serve({"pair": beside(9, gate)})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "pair")
    eventually(lambda: len(app.made("pair", "a")) >= 2, what=stepd.log)
    stepd.stop(signal.SIGKILL)
    gate.set()
    stepd.start()
    stepd.wait_for("pair", "completed", seconds=60)
    # Retried twice in all, then failed for good; an attempt that was under way may have been made twice.
    attempts = app.made("pair", "a")
    assert sorted(set(attempts)) == [0, 1, 2] and len(attempts) <= 4


def test_a_call_under_way_ends_before_the_daemon_does(daemon, serve, topic):
    entered, gate = threading.Event(), threading.Event()

    def answer(call):
        if step_hash("a") in call["body"]["steps"]:
            return 200, "done"
        entered.set()
        gate.wait(60 * SLOWER)
        return result("a", 1)
    app = serve({"slow": answer})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "slow")
    assert entered.wait(20 * SLOWER)
    stepd.process.send_signal(signal.SIGTERM)
    eventually(lambda: "SIGTERM: stopping" in stepd.log())
    gate.set()
    assert stepd.process.wait(60 * SLOWER) == 0
    assert app.made("slow") == [0]  # what it came to is kept, and nothing new was begun
    stepd.start()
    stepd.wait_for("slow", "completed", seconds=30)
    assert app.made("slow") == [0, 0]


def signed_by(key, call):
    parts = dict(part.split("=") for part in call["headers"]["x-inngest-signature"].split("&"))
    secret = key.split("-", 2)[2].encode()
    return hmac.new(secret, call["raw"] + parts["t"].encode(), hashlib.sha256).hexdigest() == parts["s"]


def is_canonical(raw):
    return json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == raw


def test_calls_are_signed_and_apps_show_the_key(daemon, serve, topic):
    calls = []
    app = serve({"signed": lambda call: (calls.append(call), (200, None))[1]})
    stepd = daemon([], topics=[topic], **{**SETTINGS, "inngest": {"signing_key": KEY}})
    hashed = "signkey-test-" + hashlib.sha256(bytes.fromhex("12345678abcdef")).hexdigest()
    for wrong in ({}, {"Authorization": "Bearer undefined"}, {"Authorization": f"Bearer {KEY}"}):
        assert ask(stepd.http, "/fn/register", app.registration(), headers=wrong)[0] == 401
        assert ask(stepd.http, "/v0/runs/" + "0" * 32 + "/actions", headers=wrong)[0] == 401
    assert ask(stepd.http, "/fn/register", app.registration(), headers={"Authorization": f"Bearer {hashed}"})[0] == 200
    assert ask(stepd.http, "/e/any", {"name": "signed", "data": {"z": 1, "a": {"ü": 2.0, "b": [1.5]}}})[0] == 200
    stepd.wait_for("signed", "completed")
    call, = calls
    assert signed_by(KEY, call) and not signed_by("signkey-test-00", call)
    assert is_canonical(call["raw"]), call["raw"]


def test_a_state_too_large_for_a_call_is_asked_for(daemon, serve, topic):
    large = "x" * (3 << 20)
    seen = []

    def answer(call):
        ctx = call["body"]["ctx"]
        state = call["body"]["steps"]
        if ctx["use_api"]:
            seen.append(ctx["run_id"])
            assert call["body"]["events"] == [] and state == {}
            assert ask(stepd.http, f"/v0/runs/{ctx['run_id']}/batch")[1][0]["data"] == {"n": 1}
            state = ask(stepd.http, f"/v0/runs/{ctx['run_id']}/actions")[1]
        for name in "abc":
            if step_hash(name) not in state:
                return result(name, large)
            assert state[step_hash(name)]["data"] == large
        return 200, "all there"
    app = serve({"large": answer})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "large")
    run, = stepd.wait_for("large", "completed", seconds=40)
    assert stepd.show(run["id"])["output"] == "all there" and seen == [run["id"]] * 2
    assert ask(stepd.http, "/v0/runs/" + "0" * 32 + "/actions")[0] == 404


def test_a_function_that_went_away_is_known_after_a_restart(daemon, serve, topic):
    app = serve({"gone": lambda _: (500, {"name": "Error", "message": "not yet"}), "stays": lambda _: (200, None)})
    stepd = daemon([], topics=[topic], **{**SETTINGS, "retry": {"schedule": ["4s"], "jitter": "0s"}})
    register(stepd, app)
    send(stepd, "gone")
    stepd.wait_for("gone", "delayed")
    register(stepd, app, "gone")
    assert stepd.stop() == 0
    stepd.start()
    run, = stepd.wait_for("gone", "failed", seconds=30)
    assert run["error"]["name"] == "FunctionGone" and "'gone'" in run["error"]["message"]
    assert ask(stepd.http, "/dev")[1]["functions"] == ["stays"]
    register(stepd, app)
    assert sorted(ask(stepd.http, "/dev")[1]["functions"]) == ["gone", "stays"]


@pytest.mark.parametrize("id", ["My App-Send Email", "ünï-日本 📧", "it's \"a\\b\" & 50%/c?d#e{f}|g"])
def test_an_id_may_have_blanks_and_letters_beyond_ascii(daemon, serve, topic, id):
    gate = threading.Event()

    def answer(call):
        if not call["body"]["steps"]:
            return result("first")
        return (200, "done") if gate.is_set() else (500, {"name": "Not yet", "message": "no"})
    app = serve({id: answer})
    app.name = "My App"
    body = app.registration()
    body["functions"][0]["triggers"] = [{"event": "go"}]
    body["functions"][0]["steps"]["step"]["runtime"]["url"] = f"{app.url}?{urllib.parse.urlencode({'fnId': id, 'stepId': 'step'})}"
    stepd = daemon([], topics=[topic], **SETTINGS)
    assert ask(stepd.http, "/fn/register", body)[0] == 200
    assert ask(stepd.http, "/dev")[1]["functions"] == [id]
    send(stepd, "go")
    run, = stepd.wait_for(id, "failed")
    assert run["error"]["name"] == "Not yet"
    assert stepd.show(run["id"])["function"] == id
    assert [one["id"] for one in stepd.ctl("functions")] == [id]
    assert id in stepd.ctl_run("functions").stdout
    status, text = stepd.get("/metrics")
    label = id.replace("\\", "\\\\").replace('"', '\\"')
    assert status == 200 and f'stepd_runs_failed_total{{function="{label}"}} 1' in text, [line for line in text.splitlines() if "failed" in line]
    status, page = stepd.get(f"/api/runs?function={urllib.parse.quote(id, safe='')}")
    assert status == 200 and [one["id"] for one in json.loads(page)["runs"]] == [run["id"]], page
    assert ask(stepd.http, f"/v0/runs/{run['id']}/actions")[0] == 200
    gate.set()
    stepd.stop()
    stepd.start()  # what is on the shelf is taken back
    eventually(lambda: ask(stepd.http, "/dev")[1]["functions"] == [id])
    stepd.ctl("retry", run["id"])
    stepd.wait_for(id, "completed")


def test_what_an_expression_excludes_starts_no_run(daemon, serve, topic):
    def failing(_):
        return 500, {"name": "Error", "message": "no"}, {"x-inngest-no-retry": "true"}
    done = lambda _: (200, "done")  # noqa: E731
    names = "abc"
    on_failure = {f"{name}-failure": {"triggers": [{"event": "inngest/function.failed", "expression": f"event.data.function_id == '{name}'"}]} for name in names}
    app = serve({**{name: failing for name in names}, **{f"{name}-failure": done for name in names}, "big-orders": done, "all-orders": done, "odd": done},
                **on_failure, odd={"triggers": [{"event": "order", "expression": "event.data.kind - 1 == 2"}]}, **{"big-orders": {"triggers": [{"event": "order", "expression": "event.data.kind == 'big'"}]},
                                 "all-orders": {"triggers": [{"event": "order"}]}})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    assert ask(stepd.http, "/e/x", [{"name": "a"}, *({"name": "order", "data": {"kind": kind}} for kind in ("small", "small", "big", "small", None))])[0] == 200
    stepd.wait_for("a-failure", "completed")
    stepd.wait_for("big-orders", "completed")
    stepd.wait_for("all-orders", "completed", count=5)
    assert sorted(run["function"] for run in stepd.runs()) == ["a", "a-failure", *["all-orders"] * 5, "big-orders"]
    counted = dict(line.rsplit(" ", 1) for line in stepd.get("/metrics")[1].splitlines() if line.startswith("stepd_runs_") and "function=" in line)
    for counter in ("started", "completed"):
        of = {name: counted.get(f'stepd_runs_{counter}_total{{function="{name}"}}') for name in ("a-failure", "b-failure", "c-failure", "big-orders")}
        assert of == {"a-failure": "1", "b-failure": "0", "c-failure": "0", "big-orders": "1"}, counted
    errors = [line for line in stepd.get("/metrics")[1].splitlines() if "expression_errors" in line]
    assert 'stepd_expression_errors_total{function="odd"} 5' in errors, errors


def test_a_step_that_is_reported_as_failed_is_retried_and_its_call_told_to_stop(daemon, serve, topic):
    """SDK 4.x does so with what is falsy and thrown, taking it for a result, and goes on with the step after."""
    answers, memos = [], []

    def falsy(call):
        memo, attempt = call["body"]["steps"], call["attempt"]
        memos.append(memo)
        if step_hash("t") in memo:
            return 200, memo[step_hash("t")]["error"]["message"]
        if attempt > 0:
            return 206, [{**error("t", "null", "StepFailed")[1][0]}]
        answers.append(tell(stepd.http, call, result("before")[1][0], error("t", "null")[1][0], result("after")[1][0]))
        return 400, {"name": "StaleDispatchError", "message": "halted"}, {"x-inngest-no-retry": "true"}

    def at_once(call):
        memo = call["body"]["steps"]
        if step_hash("t") in memo:
            return 200, "caught " + memo[step_hash("t")]["error"]["message"]
        answers.append(tell(stepd.http, call, error("t", "undefined", "StepFailed")[1][0]))
        return 200, "not caught"
    app = serve({"falsy": falsy, "at-once": at_once}, falsy={"retries": 1})
    body = app.registration()
    body["functions"][0]["steps"]["step"]["retries"]["attempts"] = 1
    stepd = daemon([], topics=[topic], **SETTINGS)
    assert ask(stepd.http, "/fn/register", body)[0] == 200
    send(stepd, "falsy")
    run, = stepd.wait_for("falsy", "completed")
    shown = stepd.show(run["id"])
    assert shown["output"] == "null" and answers == [409]
    assert [(step["id"], step["status"], step["attempts"]) for step in shown["steps"]] == [("before", "completed", 1), ("t", "failed", 2)]
    assert app.made("falsy") == [0, 1, 0]
    assert [sorted(memo) for memo in memos] == [[], [step_hash("before")], sorted([step_hash("before"), step_hash("t")])]
    send(stepd, "at-once")
    run, = stepd.wait_for("at-once", "completed")
    assert stepd.show(run["id"])["output"] == "caught undefined" and answers == [409, 409]


def test_a_batch_of_events_is_acknowledged_together(daemon, kafka, topic):
    """Event by event it is a round trip to the brokers each: half a minute."""
    stepd = daemon([], topics=[topic], inngest={})
    assert ask(stepd.http, "/e/x", {"name": "warm"})[0] == 200
    count = 10000
    begun = time.monotonic()
    status, answer = ask(stepd.http, "/e/x", [{"name": "x", "data": {"i": i}} for i in range(count)])
    took = time.monotonic() - begun
    assert status == 200 and len(set(answer["ids"])) == count
    assert took < 5 * SLOWER, f"{took:.1f} s"
    sent = {event["id"]: event["data"]["i"] for event in (json.loads(message["value"]) for message in kafka.consume(topic)) if event["name"] == "x"}
    assert [sent[id] for id in answer["ids"]] == list(range(count))


def test_of_a_batch_with_a_wrong_event_none_is_sent(daemon, kafka, topic):
    stepd = daemon([], topics=[topic], inngest={}, limits={"event": "1KiB"})
    for wrong, expected in (({"name": ""}, 400), ({"name": "x", "data": [1]}, 400), (5, 400), ({"name": "a\0b"}, 400), ({"name": "x", "id": "a\0b"}, 400), ({"name": "x", "data": {"long": "y" * 1100}}, 413)):
        assert ask(stepd.http, "/e/x", [{"name": "first"}, wrong])[0] == expected
    assert ask(stepd.http, "/e/x", [])[1] == {"ids": [], "status": 200}
    assert ask(stepd.http, "/e/x", {"name": "last"})[0] == 200
    assert [json.loads(message["value"])["name"] for message in kafka.consume(topic)] == ["last"]


class Answering:
    """A program at an app's address that answers PUT as it is told."""

    def __init__(self):
        self.answer = (500, "signing key is wrong")
        answering = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self):
                status, text = answering.answer
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass
        self.handler = Handler

    def start(self, port):
        self.server = HTTPServer(("127.0.0.1", port), self.handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def test_each_new_reason_why_an_app_is_not_there_is_said_once(daemon, serve, topic):
    port, answering = free_port(), Answering()
    url = f"http://127.0.0.1:{port}/api/inngest"
    stepd = daemon([], topics=[topic], **{**SETTINGS, "inngest": {"apps": [url]}})

    def said():
        return [line.split("does not register: ", 1)[1] for line in stepd.log().splitlines() if f"{url} does not register: " in line]

    def shown(reason):
        functions, doctor = stepd.ctl_run("functions").stdout, stepd.ctl_run("doctor").stdout
        return reason in functions and url in functions and reason in doctor
    eventually(lambda: len(said()) == 1, what=stepd.log)
    answering.start(port)
    try:
        eventually(lambda: len(said()) == 2, what=stepd.log)
        assert "it answers 500: signing key is wrong" in said()[1]
        eventually(lambda: shown("it answers 500: signing key is wrong"), what=lambda: stepd.ctl_run("doctor").stdout)
        answering.answer = (200, '{"message":"Successfully registered"}')
        eventually(lambda: len(said()) == 3, what=stepd.log)
        hint = f"it answered, but has not registered here: is INNGEST_DEV http://{stepd.http}?"
        assert hint in said()[2]
        eventually(lambda: shown(hint))
        app = serve({"f": lambda _: (200, "done")})
        body = app.registration()
        body["functions"][0]["steps"]["step"]["runtime"]["url"] = f"{url}?fnId=f&stepId=step"
        assert ask(stepd.http, "/fn/register", body)[0] == 200
        eventually(lambda: url not in stepd.ctl_run("functions").stdout and url not in stepd.ctl_run("doctor").stdout)
        time.sleep(6)  # it is asked again
        assert len(said()) == 3
    finally:
        answering.stop()
