# SPDX-License-Identifier: Apache-2.0
"""Signals of Inngest's SDKs: one run waits for a signal, and whoever sends it over HTTP is told which."""
import hashlib
import json

import pytest

from fake_app import op, step_hash
from support import eventually
from test_inngest_api import call
from test_inngest_calls import KEY, SETTINGS, register, serve  # noqa: F401
from test_inngest_waits import every, known, output, waiting
from test_inngest_waits import send as send_event

CONFLICT = "Signal conflict; signal wait already exists for another run"


def wait(name, signal, timeout="60s", conflict=None):
    return op("WaitForSignal", name, opts={"signal": signal, "timeout": timeout, **({"conflict": conflict} if conflict else {})}) | {"name": signal}


def signal(stepd, name, data=None, **headers):
    return call(stepd.http, "POST", "/v1/signals", {"signal": name, "data": data}, **headers)


def test_a_signal_ends_the_wait_of_the_run_that_is_named(daemon, serve, topic):  # noqa: F811
    names = ["s/a", 'with "quotes", \\ and ü', "s/a "]
    app = serve({f"fn{i}": every(wait("w", name)) for i, name in enumerate(names)})
    one = daemon([], topics=[topic], **SETTINGS)
    other = daemon([], topics=[topic], **SETTINGS)
    register(one, app)
    eventually(lambda: len(other.ctl("functions")) == 3)
    assert signal(one, "s/a") == (404, {"error": "No signal found", "data": None, "status": 404})
    for i, name in enumerate(names):
        send_event(one, f"fn{i}")
        run = waiting(one, f"fn{i}")
        step, = one.show(run["id"])["steps"]
        assert step["waits_for"] == {"event": "stepd/signal", "when": f"async.data.signal == {json.dumps(name, ensure_ascii=False)}"}
        status, answer = signal(other, name, {"n": i})
        assert status == 200 and answer["data"] == {"run_id": run["id"]} and answer["metadata"]["fetched_at"].endswith("Z"), answer
        assert signal(one, name)[0] == 404  # it is another sender's
        assert output(one, f"fn{i}") == [{"data": {"signal": name, "data": {"n": i}}}]
        assert signal(other, name)[0] == 404
    send_event(one, "fn0")  # once it waits again, it can be sent again
    eventually(lambda: one.runs(function="fn0", status="waiting"))
    assert call(other.http, "POST", "/v1/signals", {"signal": "s/a"})[0] == 200
    runs = one.wait_for("fn0", "completed", count=2)
    assert [{"data": {"signal": "s/a", "data": None}}] in [one.show(run["id"])["output"] for run in runs]


def test_a_signal_ends_a_wait_of_a_module_too(daemon, module, topic, kafka):
    stepd = daemon([module("waiting")], topics=[topic], **SETTINGS)
    kafka.send("order/made", {"n": 1, "for": "stepd/signal", "when": 'async.data.signal == "go"'}, topic)
    run, = stepd.wait_for("wait", "waiting")
    assert signal(stepd, "gone")[0] == 404
    status, answer = signal(stepd, "go", {"n": 5})
    assert status == 200 and answer["data"] == {"run_id": run["id"]}
    stepd.wait_for("wait", "completed")
    assert stepd.show(run["id"])["output"]["name"] == "stepd/signal"


def test_what_is_no_signal_and_who_may_not_send_one(daemon, serve, topic):  # noqa: F811
    stepd = daemon([], topics=[topic], **{**SETTINGS, "inngest": {"signing_key": KEY}})
    key = {"authorization": "Bearer signkey-test-" + hashlib.sha256(bytes.fromhex(KEY.rsplit("-", 1)[1])).hexdigest()}
    assert signal(stepd, "s")[0] == 401
    assert signal(stepd, "s", **key)[0] == 404
    assert signal(stepd, "", **key)[0] == signal(stepd, 7, **key)[0] == signal(stepd, "x" * 1001, **key)[0] == 400
    assert signal(stepd, "\x01" * 1000, **key)[0] == 400 and signal(stepd, "\x01\t", **key)[0] == 404
    assert call(stepd.http, "POST", "/v1/signals", {"signal": "s"}, content_type="text/plain", **key)[0] == 415


def test_a_wait_whose_time_is_over_is_null_and_another_may_wait_then(daemon, serve, topic):  # noqa: F811
    app = serve({"short": every(wait("w", "s", "1s")), "long": every(wait("w", "s"))})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send_event(stepd, "short")
    assert output(stepd, "short") == [None]
    send_event(stepd, "long")
    run = waiting(stepd, "long")
    assert signal(stepd, "s", 1)[1]["data"] == {"run_id": run["id"]}
    assert output(stepd, "long") == [{"data": {"signal": "s", "data": 1}}]


@pytest.mark.parametrize("shards", [1, 3])
def test_of_two_that_wait_for_one_signal(daemon, serve, topic, redis, shards):  # noqa: F811
    """The second one fails at once; or takes the place of the first, which waits until its time is over."""
    app = serve({"first": every(wait("w", "s", "8s")), "second": every(wait("w", "s", conflict="fail")), "third": every(wait("w", "s", conflict="replace")),
                 "twice": every(wait("a", "t"), wait("b", "t"))})
    stepd = daemon([], topics=[topic], redis={"url": redis.url, "shards": shards}, **SETTINGS)
    register(stepd, app)
    send_event(stepd, "first")
    waiting(stepd, "first")
    send_event(stepd, "second")
    run, = stepd.wait_for("second", "failed")
    assert CONFLICT in json.dumps(stepd.show(run["id"])) and len(stepd.runs(function="first", status="waiting")) == 1
    send_event(stepd, "third")
    run = waiting(stepd, "third")
    assert signal(stepd, "s", "now")[1]["data"] == {"run_id": run["id"]}
    assert output(stepd, "third") == [{"data": {"signal": "s", "data": "now"}}]
    assert output(stepd, "first") == [None]
    send_event(stepd, "twice")
    stepd.wait_for("twice", "failed")
    assert signal(stepd, "t")[0] == 404


def test_many_that_begin_to_wait_at_once_are_one(daemon, serve, topic, redis):  # noqa: F811
    app = serve({"many": every(wait("w", "s"))})
    settings = {**SETTINGS, "worker": {"threads": 8, "lease": "1s"}}
    fleet = [daemon([], topics=[topic], **settings) for _ in range(2)]
    register(fleet[0], app)
    for _ in range(30):
        send_event(fleet[0], "many")
    fleet[0].wait_for("many", "failed", count=29, seconds=60)
    run = waiting(fleet[0], "many")
    assert signal(fleet[1], "s", 1)[1]["data"] == {"run_id": run["id"]}
    assert output(fleet[0], "many") == [{"data": {"signal": "s", "data": 1}}]
    assert not [key for key in redis.cli("KEYS", "*").split() if "}:signal:" in key or "}:await:" in key]


def test_a_signal_beside_other_steps(daemon, serve, topic):  # noqa: F811
    def answer(request):
        if request["step"] == step_hash("s"):
            return 206, [op("StepRun", "s", "ran")]
        missing = [each for each in (wait("w", "s"), op("StepPlanned", "s")) if each["id"] not in request["body"]["steps"]]
        return (206, missing) if missing else (200, [known(request, "w"), known(request, "s")])
    app = serve({"both": answer})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send_event(stepd, "both")
    run = waiting(stepd, "both")
    assert signal(stepd, "s", [1])[1]["data"] == {"run_id": run["id"]}
    assert output(stepd, "both") == [{"data": {"signal": "s", "data": [1]}}, {"data": "ran"}]
