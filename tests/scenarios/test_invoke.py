# SPDX-License-Identifier: Apache-2.0
"""Functions that start each other: the result or the error comes back once, whichever daemon has what, whatever is killed.
STEPD_KILLS=100 for as many kills as that; a few by default."""
import collections
import json
import os
import random
import time
import urllib.error
import urllib.request

import pytest

from support import BUILD, SLOWER, eventually

EXEC = BUILD / "modules/exec.so"
KILLS = int(os.environ.get("STEPD_KILLS", 6))


@pytest.fixture
def book(folder):
    return folder / "book"


@pytest.fixture
def serve(daemon, module, topic, book):
    def make(name="invoking", **settings):
        return daemon([module(name)], topics=[topic], history="all", options={name: {"file": str(book)}}, **settings)
    return make


@pytest.fixture
def ask(kafka, topic):
    def send(function, data=None, key=None, **more):
        kafka.send("invoke/ask", {"function": function, "data": data, **more}, topic=topic, key=key)
    return send


def outputs(service, count, status="completed", function="ask", seconds=60):
    runs = service.wait_for(function, status, count, seconds=seconds)
    return [service.show(run["id"])["output"] for run in runs]


def lines(book):
    return collections.Counter(tuple(line.split()) for line in book.read_text().splitlines()) if book.exists() else {}


def test_the_result_of_a_function_of_this_daemon_comes_back(serve, ask):
    service = serve()
    ask("add", {"n": 41})
    assert outputs(service, 1) == [42]
    (run,) = service.runs(function="add")
    shown = service.show(run["id"])
    assert (shown["event"]["data"], shown["partition"], shown["offset"]) == ({"n": 41}, -1, -1)
    (caller,) = service.runs(function="ask")
    (step,) = service.show(caller["id"])["steps"]
    assert (step["id"], step["status"], step["output"]) == ("ask", "completed", 42)
    assert step["invoked"] == {"run": run["id"], "function": "add"}
    assert shown["invoked_by"] == {"run": caller["id"], "step": "ask"}
    told = service.ctl_run("show", run["id"]).stdout
    assert f"invoked by run {caller['id']}, step ask" in told and "in no topic" in told and "/-1" not in told
    assert f"ask invokes add (run {run['id'][:12]})" in service.ctl_run("show", caller["id"]).stdout


def test_its_event_is_of_the_first_topic(serve, ask, topic):
    service = serve()
    ask("look")
    (seen,) = outputs(service, 1)
    assert seen == {"name": "stepd/function.invoked", "topic": topic, "partition": -1, "offset": -1}


def test_its_error_comes_back_as_it_failed(serve, ask):
    service = serve()
    ask("fail")
    assert outputs(service, 1) == [["Declined", "card expired"]]


def test_what_no_daemon_has_is_said_at_once(serve, ask):
    service = serve()
    ask("nobodys")
    assert outputs(service, 1) == [["NoSuchFunction", "no daemon has a function 'nobodys'"]]


def test_a_timeout_leaves_the_run_alone(serve, ask):
    service = serve()
    ask("nap", {"ms": 4000}, timeout_ms=1000)
    (answer,) = outputs(service, 1)
    assert answer[0] == "InvokeTimeout"
    (run,) = service.wait_for("nap", "completed", 1)
    assert run["id"] in answer[1]


def test_the_caller_waits_and_cancelling_what_it_waits_for_is_an_error_of_it(serve, ask):
    service = serve()
    ask("nap")
    (caller,) = service.wait_for("ask", "waiting", 1)
    (called,) = service.wait_for("nap", "sleeping", 1)
    assert service.ctl("stats")["waiting"] == 1
    why = service.ctl("why", caller["id"])
    assert why["reason"] == "waiting" and f"run {called['id']} of nap, which it invoked" in why["text"]
    service.ctl("cancel", called["id"])
    (answer,) = outputs(service, 1)
    assert answer[0] == "InvokeCancelled" and called["id"] in answer[1]


def test_a_caller_that_is_cancelled_leaves_it_running(serve, ask):
    service = serve()
    ask("nap", {"ms": 3000})
    (caller,) = service.wait_for("ask", "waiting", 1)
    service.ctl("cancel", caller["id"])
    service.wait_for("ask", "cancelled", 1)
    service.wait_for("nap", "completed", 1)


def test_a_function_that_invokes_itself_is_stopped_by_a_limit(serve, kafka, topic):
    service = serve()
    kafka.send("invoke/deep", {}, topic=topic)
    eventually(lambda: len(service.runs(function="deep", status="completed", limit=200)) == 101, 60)
    runs = service.runs(function="deep", limit=200)
    assert sorted(service.show(run["id"])["output"] for run in runs) == list(range(101))


def test_its_settings_hold_but_not_its_condition(serve, ask, book):
    service = serve()
    ask("choosy", {"n": 1})
    ask("one-at-a-time", {"n": 2})
    assert sorted(outputs(service, 2)) == [2, 3]
    for n in range(3):
        ask("throttled", {"n": n})
    assert sorted(outputs(service, 5)) == [1, 2, 2, 3, 3]


def test_what_starts_nothing_is_an_error_of_its_caller(serve, ask):
    service = serve()
    ask("rated", {"n": 1})
    assert outputs(service, 1) == [2]
    ask("rated", {"n": 1})
    answers = outputs(service, 2)
    assert ["InvokeSkipped", "function rated started nothing: it is over its rate limit"] in answers
    assert len(service.runs(function="rated")) == 1


def test_what_its_dedupe_window_has_seen_starts_nothing(serve, ask, kafka, redis, topic):
    """Whether a limit of all daemons stands beside the window or not; its key may be in another shard than the run."""
    once = {"use": "exec", "command": ["/bin/sh", "-c", "cat >/dev/null"], "dedupe": "1h", "dedupe_key": "event.data.cart"}
    service = serve(functions={"once": {**once, "event": "once/go"},
                               "limited": {**once, "event": "limited/go", "concurrency_limits": [{"limit": 5}]}},
                    redis={"url": redis.url, "shards": 4}, inngest={"event_key": "k1"})
    for function in ("once", "limited"):
        kafka.send(f"{function}/go", {"cart": 1}, topic=topic)
        service.wait_for(function, "completed", 1)
        assert post(service, function, {"cart": 2}, "?wait=60s&key=k1") == (200, None)
        for cart in (1, 2):
            status, answer = post(service, function, {"cart": cart}, "?wait=60s&key=k1")
            why = f"function {function} started nothing: its key was seen within its dedupe window"
            assert (status, answer["name"], answer["message"]) == (409, "InvokeSkipped", why)
        assert post(service, function, {}, "?wait=60s&key=k1") == (200, None), "an event without a key is not dropped"
        assert [run["status"] for run in service.runs(function=function)] == ["completed"] * 3
    ask("once", {"cart": 2})
    (answer,) = outputs(service, 1)
    assert answer == ["InvokeSkipped", "function once started nothing: its key was seen within its dedupe window"]
    assert redis.cli("--scan", "--pattern", "*admitted:*:-1") == ""


def test_a_function_that_only_another_daemon_has(serve, ask, daemon, topic):
    caller = serve()
    ask("elsewhere", {"n": 1})
    assert outputs(caller, 1)[0][0] == "NoSuchFunction"
    daemon([EXEC], topics=[topic + "-2"], history="all",
           functions={"elsewhere": {"use": "exec", "command": ["/bin/sh", "-c", "cat >/dev/null; echo '{\"found\": true}'"], "event": "no/one"}})
    ask("elsewhere", {"n": 2})
    eventually(lambda: {"found": True} in [caller.show(run["id"])["output"] for run in caller.runs(function="ask")],
               what=lambda: [caller.show(run["id"]) for run in caller.runs()])


def post(service, function, data=None, query="", **headers):
    """Status and answer of POST /invoke/FUNCTION."""
    body = b"" if data is None else json.dumps(data).encode()
    request = urllib.request.Request(f"http://{service.http}/invoke/{function}{query}", body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60 * SLOWER) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_program_starts_a_function_over_http_and_waits_for_its_result(serve):
    service = serve(inngest={"event_key": "k1"})
    key = {"Authorization": "Bearer k1"}
    assert post(service, "add", {"n": 1})[0] == 401
    assert post(service, "add", {"n": 1}, Authorization="Bearer k2")[0] == 401
    assert post(service, "nobodys", {"n": 1}, **key)[0] == 404
    assert post(service, "add", {"n": 1}, "?wait=soon", **key)[0] == 400
    status, answer = post(service, "add", {"n": 1}, **key)
    assert status == 202
    (run,) = service.wait_for("add", "completed", 1)
    assert answer == {"run_id": run["id"]} and service.show(run["id"])["output"] == 2
    assert post(service, "add", {"n": 41}, "?wait=60s&key=k1") == (200, 42)
    status, answer = post(service, "fail", None, "?wait=60s", **key)
    assert status == 500 and (answer["name"], answer["message"]) == ("Declined", "card expired") and answer["run_id"]
    status, answer = post(service, "nap", {"ms": 60000}, "?wait=1s", **key)
    assert status == 202 and service.show(answer["run_id"])["status"] == "sleeping"
    assert post(service, "rated", {"n": 1}, "?wait=60s", **key) == (200, 2)
    status, answer = post(service, "rated", {"n": 1}, "?wait=60s", **key)
    assert status == 409 and answer["name"] == "InvokeSkipped"


def test_each_invoked_run_runs_once_and_each_caller_goes_on_once_whatever_is_killed(serve, ask, book, kafka, redis, topic):
    seed = random.Random(11)
    worker = {"threads": 4, "lease": "500ms"}
    group = {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest", "session.timeout.ms": 6000}
    services = [serve(worker=worker, kafka=group, redis={"url": redis.url, "shards": 4}) for _ in range(3)]
    sent = 0
    for _ in range(KILLS):
        for _ in range(15):
            ask("add", {"n": sent}, key=str(sent))
            sent += 1
        time.sleep(seed.uniform(0.05, 0.6))
        victim = seed.choice(services)
        victim.kill()
        victim.start()
    answers = outputs(services[0], sent)
    assert sorted(answers) == list(range(1, sent + 1))
    assert len(services[0].runs(function="add", limit=10000)) == sent
    seen = lines(book)
    assert len([line for line in seen if line[0] == "added"]) == sent
    again = sum(count - 1 for count in seen.values())
    assert again <= KILLS * worker["threads"], "what a kill did not hit ran again"
    eventually(lambda: services[0].ctl("stats")["waiting"] == 0)


def test_a_caller_ends_whichever_key_of_its_call_is_lost(serve, ask, redis):
    """It hears the result, or that it is lost."""
    count, chance = 24, random.Random(11)
    service = serve(redis={"url": redis.url, "shards": 4})

    def lose(kind, run_id):
        for shard in range(4):
            redis.cli("unlink", f"stepd{{{shard}}}:{kind}:{run_id}")

    for n in range(count):
        ask("nap", {"ms": 20000}, key=str(n))
        redis.cli("unlink", *(f"stepd{{{shard}}}:{key}" for shard in range(4) for key in ("letters", "outbox") if chance.random() < 0.5))
    callers = [run["id"] for run in service.wait_for("ask", "waiting", count, seconds=60)]
    called = {service.show(run["id"])["invoked_by"]["run"]: run["id"] for run in service.runs(function="nap", limit=count)}
    for caller in callers:
        if caller not in called:
            continue  # its letter is lost already
        match chance.choice(["calls", "called", "both", "run", "nothing"]):
            case "both":
                lose("calls", caller)
                lose("called", called[caller])
            case "calls":
                lose("calls", caller)
            case "nothing":
                pass
            case kind:
                lose(kind, called[caller])
    answers = outputs(service, count, seconds=150)
    assert all(answer == 1 or answer[0] == "InvokeLost" for answer in answers), answers
    assert answers.count(1) > 0
    eventually(lambda: service.ctl("stats")["waiting"] == 0)
