# SPDX-License-Identifier: Apache-2.0
"""What programs ask of Inngest's server about their runs: one, those of an event, and that some end; of any daemon of the group."""
import hashlib
import json
import urllib.error
import urllib.request

from support import SLOWER, eventually
from test_inngest_calls import KEY, SETTINGS, register, serve  # noqa: F401
from test_inngest_waits import every, send, wait


def call(http, method, path, body=None, **headers):
    """Status and what was answered; "": nothing."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{http}{path}", data, headers, method=method), timeout=20 * SLOWER) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else ""
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


def runs_of(http, event, status):
    """The runs of the event once there is one of that status."""
    def look():
        code, answer = call(http, "GET", f"/v1/events/{event}/runs")
        assert code == 200 and set(answer) == {"data", "metadata"}, answer
        return answer["data"] if any(run["status"] == status for run in answer["data"]) else None
    return eventually(look)


def test_any_daemon_tells_of_a_run_and_ends_it(daemon, serve, topic):
    app = serve({"good": lambda _: (200, {"n": 7}), "bad": lambda _: (400, {"name": "Own", "message": "no"}, {"x-inngest-no-retry": "true"}),
                 "long": every(wait("w", "never"))})
    one = daemon([], topics=[topic], **SETTINGS)
    other = daemon([], topics=[topic], **SETTINGS)
    register(one, app)
    eventually(lambda: len(other.ctl("functions")) == 3)
    event = send(one, "good")
    run, = runs_of(other.http, event, "Completed")
    assert {key: run[key] for key in ("function_id", "event_id", "status", "output")} == {
        "function_id": "good", "event_id": event, "status": "Completed", "output": {"n": 7}}
    assert run["run_started_at"] <= run["ended_at"] and run["ended_at"].endswith("Z")
    for each in (one, other):
        assert call(each.http, "GET", f"/v1/runs/{run['run_id']}")[1]["data"] == run
    failed, = runs_of(other.http, send(one, "bad"), "Failed")
    assert failed["output"] == {"name": "Own", "message": "no"}
    long, = runs_of(other.http, send(one, "long"), "Running")
    assert long["ended_at"] is None
    for each in (other, one):  # a second time it has ended already, which is fine
        assert call(each.http, "DELETE", f"/v1/runs/{long['run_id']}") == (200, "")
    ended, = runs_of(one.http, long["event_id"], "Cancelled")
    assert ended["run_id"] == long["run_id"]
    assert "1 run cancelled (" in other.log() and "by 127.0.0.1 over HTTP" in other.log()
    assert call(one.http, "GET", "/v1/runs/" + "0" * 32)[0] == call(one.http, "GET", "/v1/runs/x")[0] == 404
    assert call(one.http, "GET", "/v1/events/none/runs")[1]["data"] == []


def test_runs_that_were_begun_in_a_span_of_time_are_cancelled_together(daemon, serve, topic):
    app = serve({"long": every(wait("w", "never")), "else": every(wait("w", "never"))})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    for n in range(4):
        send(stepd, "long", n=n)
    send(stepd, "else", n=1)
    stepd.wait_for("long", "waiting", 4)
    stepd.wait_for("else", "waiting")
    status, answer = call(stepd.http, "POST", "/v1/cancellations", {
        "app_id": "fake", "function_id": "long", "started_after": "2020-01-01T00:00:00.000Z", "started_before": "2100-01-01T00:00:00Z",
        "if": "event.data.n >= 2"})
    assert status == 200 and answer["function_id"] == "long" and answer["if"] == "event.data.n >= 2" and answer["id"], answer
    stepd.wait_for("long", "cancelled", 2)
    assert len(stepd.runs(function="long", status="waiting")) == 2 and len(stepd.runs(function="else", status="waiting")) == 1
    status, _ = call(stepd.http, "POST", "/v1/cancellations", {"function_id": "long", "started_after": "2020-01-01T00:00:00Z", "started_before": "2020-01-02T00:00:00Z"})
    assert status == 200 and len(stepd.runs(function="long", status="waiting")) == 2
    for wrong in ({}, {"function_id": "long", "if": "event.data.("}, {"function_id": "long", "started_after": "yesterday"}):
        assert call(stepd.http, "POST", "/v1/cancellations", wrong)[0] == 400, wrong


def test_who_asks_shows_the_signing_key_or_its_hash(daemon, topic):
    stepd = daemon([], topics=[topic], **{**SETTINGS, "inngest": {"signing_key": KEY}})
    hashed = "signkey-test-" + hashlib.sha256(bytes.fromhex(KEY.rsplit("-", 1)[1])).hexdigest()
    id = "0" * 32
    asked = (("GET", f"/v1/runs/{id}", None), ("DELETE", f"/v1/runs/{id}", None), ("GET", "/v1/events/x/runs", None),
             ("POST", "/v1/cancellations", {"function_id": "f"}))
    for method, path, body in asked:
        assert call(stepd.http, method, path, body)[0] == 401
        assert call(stepd.http, method, path, body, Authorization="Bearer signkey-test-00")[0] == 401
        for key in (KEY, hashed):
            assert call(stepd.http, method, path, body, Authorization=f"Bearer {key}")[0] in (200, 404), (method, path)
    assert call(stepd.http, "DELETE", f"/v1/runs/{id}", Authorization=f"Bearer {KEY}", Origin="http://elsewhere.example")[0] == 403
    assert call(stepd.http, "POST", "/v1/cancellations", {"function_id": "f"}, Authorization=f"Bearer {KEY}", content_type="text/plain")[0] == 415
