# SPDX-License-Identifier: Apache-2.0
"""Functions of apps that wait for events: several at once, beside invokes, sleeps and steps that are called, whatever is killed."""
import signal
import threading
import time

from fake_app import op, planned, result, step_hash
from support import SLOWER, eventually
from test_inngest_calls import SETTINGS, ask, register, serve  # noqa: F401
from test_inngest_invoke import invoke


def wait(name, event, timeout="60s", condition=None):
    return op("WaitForEvent", name, opts={"timeout": timeout, **({"if": condition} if condition else {})}) | {"name": event}


def sleep(name, time):
    return op("Sleep", name, opts={"duration": time})


def known(call, name):
    """What the function is told of the step; "open": nothing."""
    return call["body"]["steps"].get(step_hash(name), "open")


def every(*ops):
    """Wants all of these, as under Promise.all; its result is what it is told of them."""
    def answer(call):
        if call["step"]:
            return next((206, [op("StepRun", each["userland"]["id"], "ran")]) for each in ops if each["id"] == call["step"])
        missing = [each for each in ops if each["id"] not in call["body"]["steps"]]
        return (206, missing) if missing else (200, [known(call, each["userland"]["id"]) for each in ops])
    return answer


def first(*ops):
    """Wants one of these, as under Promise.race."""
    def answer(call):
        if call["step"]:
            return next((206, [op("StepRun", each["userland"]["id"], "ran")]) for each in ops if each["id"] == call["step"])
        told = {each["userland"]["id"]: known(call, each["userland"]["id"]) for each in ops if each["id"] in call["body"]["steps"]}
        return (200, told) if told else (206, list(ops))
    return answer


def send(stepd, name, **data):
    status, answer = ask(stepd.http, "/e/any", {"name": name, "data": data})
    assert status == 200, answer
    return answer["ids"][0]


def output(stepd, function, status="completed"):
    run, = stepd.wait_for(function, status, seconds=30)
    return stepd.show(run["id"])["output"]


def waiting(stepd, function):
    run, = stepd.wait_for(function, "waiting", seconds=30)
    return run


def test_events_that_are_waited_for_at_once_come_in_any_order(daemon, serve, topic):
    same = "async.data.id == event.data.id"
    app = serve({"all": every(wait("a", "go/a", condition=same), wait("b", "go/b", condition=same), wait("late", "go/late", "1s"),
                              sleep("nap", "500ms"), op("StepPlanned", "own"))})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "all", id=1)
    waiting(stepd, "all")
    send(stepd, "go/b", id=2)
    second = send(stepd, "go/b", id=1)
    eventually(lambda: any(step["id"] == "b" and step["status"] == "completed" for step in stepd.show(waiting(stepd, "all")["id"])["steps"]),
               what=stepd.log)
    first = send(stepd, "go/a", id=1)
    got = output(stepd, "all")
    assert [{**each, "ts": 0} for each in got[:2]] == [
        {"data": {"id": 1}, "id": first, "name": "go/a", "ts": 0, "user": {}}, {"data": {"id": 1}, "id": second, "name": "go/b", "ts": 0, "user": {}}]
    assert got[2:] == [None, None, {"data": "ran"}]
    assert app.made("all", "own") == [0] and set(app.made("all")) == {0}


def test_what_comes_while_a_step_is_called_is_told_at_once(daemon, serve, topic):
    gate = threading.Event()
    race = first(wait("w", "go"), op("StepPlanned", "slow"))
    callers = first(invoke("i", "quick"), op("StepPlanned", "slow"))
    times = first(wait("w", "never", "1s"), op("StepPlanned", "slow"))

    def slow(answer):
        def slowly(call):
            if call["step"]:
                gate.wait(60 * SLOWER)
            return answer(call)
        return slowly
    app = serve({"race": slow(race), "callers": slow(callers), "times": slow(times), "quick": lambda _: (200, "Q")})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    for each in ("race", "callers", "times"):
        send(stepd, each)
    eventually(lambda: app.made("race", "slow") == [0] and any(step["id"] == "w" for run in stepd.runs(function="race")
                                                              for step in stepd.show(run["id"])["steps"]), what=stepd.log)
    send(stepd, "go", n=7)
    assert output(stepd, "race")["w"]["data"] == {"n": 7}
    assert output(stepd, "callers") == {"i": {"data": "Q"}}
    assert output(stepd, "times") == {"w": None}
    gate.set()


def test_a_wait_outlives_the_daemon_that_called_a_step_beside_it(daemon, serve, topic):
    gate = threading.Event()
    both = every(wait("w", "go"), op("StepPlanned", "slow"))

    def slowly(call):
        if call["step"] and not gate.is_set():
            gate.wait(60 * SLOWER)
        return both(call)
    app = serve({"both": slowly})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "both")
    eventually(lambda: app.made("both", "slow") == [0], what=stepd.log)
    run, = stepd.runs(function="both")
    eventually(lambda: any(step["id"] == "w" for step in stepd.show(run["id"])["steps"]))
    send(stepd, "go", n=1)
    time.sleep(0.2)
    stepd.stop(signal.SIGKILL)
    gate.set()
    stepd.start()
    w, slow = output(stepd, "both")
    assert w["data"] == {"n": 1} and slow == {"data": "ran"}


def test_two_waits_for_one_event_are_both_given_it_and_nothing_stays_of_those_that_lose(daemon, serve, topic, redis):
    app = serve({"two": every(wait("a", "go"), wait("b", "go")), "loser": first(wait("w", "never"), sleep("nap", "300ms"))})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "two")
    send(stepd, "loser")
    waiting(stepd, "two")
    send(stepd, "go", n=1)
    a, b = output(stepd, "two")
    assert a == b and a["data"] == {"n": 1}
    assert output(stepd, "loser") == {"nap": None}
    assert not [key for key in redis.cli("KEYS", "*").split() if "}:await:" in key or "}:wait:" in key or "}:mail" in key]


def test_a_wait_is_given_what_came_before_it(daemon, serve, topic):
    gate = threading.Event()

    def late(call):
        if known(call, "s") == "open":
            gate.wait(60 * SLOWER)
            return result("s", 1)
        if known(call, "a") == "open":
            return 206, [wait("a", "go")]
        if "open" in (known(call, "b"), known(call, "c")):
            return 206, [wait("b", "go", condition="async.data.n == 2"), wait("c", "go", "1s", "async.data.n == 9")]
        return 200, [known(call, each) for each in "abc"]
    app = serve({"late": late})
    stepd = daemon([], topics=[topic], functions={"late": {"expects": [{"event": "go"}]}}, **SETTINGS)
    register(stepd, app)
    send(stepd, "late")
    eventually(lambda: app.made("late") == [0], what=stepd.log)
    for n in (1, 2, 3):
        send(stepd, "go", n=n)
        eventually(lambda: int(stepd.metrics()["stepd_waits_ended_total"]) >= n, what=stepd.log)
    gate.set()
    a, b, c = output(stepd, "late")
    assert (a["data"], b["data"], c) == ({"n": 1}, {"n": 2}, None)
    assert set(a) == {"data", "id", "name", "ts", "user"}
    run, = stepd.runs(function="late")
    assert [step["id"] for step in stepd.show(run["id"])["steps"]] == ["s", "a", "b", "c"]


def test_a_wait_beside_others_is_given_what_is_read_after_it_though_it_came_before(daemon, serve, topic, redis):
    """It is kept for the run first, by an equality of its own, and then it is the wait's, whichever is looked at first."""
    conditions = {"one": ("async.data.a == event.data.id", "async.data.b == event.data.id"),
                  "two": ("async.data.b == event.data.id", "async.data.a == event.data.id")}
    app = serve({name: every(wait("w", "go", condition=when), op("StepPlanned", "s")) for name, (_, when) in conditions.items()})
    stepd = daemon([], topics=[topic], functions={name: {"expects": [{"event": "go", "when": when}]} for name, (when, _) in conditions.items()}, **SETTINGS)
    register(stepd, app)
    send(stepd, "one", id=1)
    waiting(stepd, "one")
    send(stepd, "two", id=2)
    waiting(stepd, "two")
    # As if all of this came before the calls.
    redis.cli("EVAL", """for _, key in ipairs(redis.call('KEYS', '*}:await:*')) do
        local a = cmsgpack.unpack(redis.call('GET', key))
        for topic, offsets in pairs(a.boundary or {}) do for i in ipairs(offsets) do offsets[i] = 1000000 end end
        redis.call('SET', key, cmsgpack.pack(a)) end""", "0")
    send(stepd, "go", a=3, b=1)
    send(stepd, "go", a=2, b=3)
    send(stepd, "go", a=1, b=1)
    send(stepd, "go", a=2, b=2)
    assert output(stepd, "one")[0]["data"] == {"a": 1, "b": 1}
    assert output(stepd, "two")[0]["data"] == {"a": 2, "b": 2}


def test_a_function_whose_race_is_one_of_steps_is_told_of_the_first(daemon, serve, topic):
    gate = threading.Event()

    def race(call):
        if call["step"] == step_hash("slow"):
            gate.wait(60 * SLOWER)
        if call["step"]:
            return result("slow" if call["step"] == step_hash("slow") else "fast", 1)
        if known(call, "fast") != "open":
            return 200, "fast", {"x-inngest-req-version": "2"}
        status, ops = planned("slow", "fast")
        return status, [each | {"opts": {"parallelMode": "race"}} for each in ops], {"x-inngest-req-version": "2"}
    app = serve({"race": race})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "race")
    assert output(stepd, "race") == "fast"
    gate.set()


def test_what_a_run_was_given_ends_no_later_wait_of_it_though_redis_fell_back_meanwhile(daemon, serve, topic, redis):
    """A run from before may have waited in what Redis has lost, and is given what came since; but nothing twice, and nothing that came
    while it slept."""
    def loops(call):
        missing = [each for each in "abc" if known(call, each) == "open"]
        return (206, [wait(missing[0], "go")]) if missing else (200, [known(call, each)["data"]["n"] for each in "abc"])

    def sleeps(call):
        if known(call, "nap") == "open":
            return 206, [sleep("nap", "10s")]
        return (206, [wait("w", "go")]) if known(call, "w") == "open" else (200, known(call, "w")["data"]["n"])
    app = serve({"loops": loops, "sleeps": sleeps})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "loops")
    waiting(stepd, "loops")
    send(stepd, "sleeps")
    eventually(lambda: stepd.runs(function="sleeps", status="sleeping"))
    redis.cli("EVAL", "for _, key in ipairs(redis.call('KEYS', '*}:watching')) do redis.call('HSET', key, 'process', 'another') end", "0")
    eventually(lambda: "rewound" in redis.cli("KEYS", "*}:rewound"))
    for n in (1, 2, 3):
        send(stepd, "go", n=n)
        eventually(lambda: len(app.made("loops")) == n + 1, what=stepd.log)
        time.sleep(1)
    assert output(stepd, "loops") == [1, 2, 3]
    waiting(stepd, "sleeps")
    time.sleep(1)
    send(stepd, "go", n=4)
    assert output(stepd, "sleeps") == 4
