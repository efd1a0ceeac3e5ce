# SPDX-License-Identifier: Apache-2.0
"""Flow control as apps of Inngest's SDKs register it (docs/inngest.md), through real Kafka and Redis."""
import time

from fake_app import FakeApp
from support import SLOWER, eventually
from test_inngest_calls import SETTINGS, ask, register, serve  # noqa: F401 (a fixture)


def send(stepd, name, *data):
    status, answer = ask(stepd.http, "/e/any", [{"name": name, "data": each} for each in data])
    assert status == 200, answer


class Calls:
    """A function that notes its calls' events, and when they began."""

    def __init__(self, ms=0, answer=(200, None)):
        self.events, self.times, self.ms, self.result = [], [], ms, answer

    def __call__(self, call):
        self.events.append(call["body"]["event"])
        self.times.append(time.time())
        time.sleep(self.ms / 1000)
        return self.result

    def numbers(self):
        return sorted(event["data"]["n"] for event in self.events)


def test_a_function_with_several_triggers_is_one_and_an_event_that_matches_two_is_one_run(daemon, serve, topic):
    many = Calls()
    triggers = [{"event": "multi/a"}, {"event": "multi/b", "expression": "event.data.n > 1"}, {"event": "multi/b", "expression": "event.data.n > 2"},
                {"event": "multi/w/*"}]
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, serve({"many": many}, many={"triggers": triggers}))
    send(stepd, "multi/b", {"n": 1}, {"n": 2}, {"n": 3})
    send(stepd, "multi/a", {"n": 10})
    send(stepd, "multi/w/x", {"n": 20})
    eventually(lambda: many.numbers() == [2, 3, 10, 20], what=lambda: f"{many.numbers()}\n{stepd.log()[-2000:]}")
    assert [function["id"] for function in stepd.ctl("functions")] == ["many"]


def test_a_run_that_was_parked_under_the_id_of_one_of_several_triggers_goes_on(daemon, serve, topic, redis):
    begun = []

    def fails_first(call):
        begun.append(call["attempt"])
        return (500, {"name": "Error", "message": "not yet"}) if call["attempt"] == 0 else (200, "well")
    first = daemon([], topics=[topic], **{**SETTINGS, "retry": {"schedule": ["4s"], "jitter": "0s"}})
    older = FakeApp({"many:2": fails_first}, name="older", **{"many:2": {"triggers": [{"event": "multi/b"}]}})
    try:
        register(first, older)
        send(first, "multi/b", {"n": 1})
        run, = first.wait_for("many:2", "delayed")
        first.stop()
        redis.cli("hdel", redis.cli("keys", "*:inngest").split()[0], "older")
        second = daemon([], topics=[topic], **SETTINGS)
        register(second, serve({"many": fails_first}, many={"triggers": [{"event": "multi/a"}, {"event": "multi/b"}]}))
        eventually(lambda: second.ctl("show", run["id"])["status"] == "completed", 30 * SLOWER, what=second.log)
        assert begun == [0, 1]
    finally:
        older.stop()


def test_a_throttle_of_an_app_s_function_lets_each_begin_in_its_turn(daemon, serve, topic):
    slow = Calls()
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, serve({"slow": slow}, slow={"throttle": {"limit": 1, "period": "1s", "burst": 1, "key": "event.data.k"}}))
    send(stepd, "slow", *[{"n": n, "k": "x"} for n in range(4)])
    eventually(lambda: slow.numbers() == [0, 1, 2, 3], what=stepd.log)
    assert slow.times[2] - slow.times[1] > 0.9 and slow.times[3] - slow.times[2] > 0.9, slow.times


def test_a_limit_of_an_app_s_function_is_of_all_daemons(daemon, serve, topic):
    one = Calls(ms=100)
    app = serve({"one": one}, one={"concurrency": 1})
    daemons = [daemon([], topics=[topic], **SETTINGS) for _ in range(2)]
    register(daemons[0], app)
    eventually(lambda: all(each.ctl("functions") for each in daemons))
    send(daemons[0], "one", *[{"n": n} for n in range(12)])
    eventually(lambda: one.numbers() == list(range(12)), what=daemons[0].log)
    assert app.most_at_once == 1


def test_the_idempotency_key_tells_events_apart(daemon, serve, topic):
    once = Calls()
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, serve({"once": once}, once={"idempotency": "event.data.cart"}))
    send(stepd, "once", {"n": 1, "cart": "a"})
    eventually(lambda: once.numbers() == [1], what=stepd.log)
    send(stepd, "once", {"n": 2, "cart": "a"}, {"n": 3, "cart": "b"})
    eventually(lambda: once.numbers() == [1, 3], what=stepd.log)


def test_a_cron_of_an_app_is_called_as_inngest_calls_it(daemon, serve, topic):
    ticks = Calls()
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, serve({"ticks": ticks}, ticks={"triggers": [{"cron": "TZ=Europe/Paris * * * * *"}]}))
    event = eventually(lambda: ticks.events, 80 * SLOWER, what=stepd.log)[0]
    assert event["name"] == "inngest/scheduled.timer" and event["data"]["cron"] == "TZ=Europe/Paris * * * * *"
    assert event["id"] == event["data"]["scheduledAt"] == event["data"]["fireAt"] and event["ts"] % 60000 == 0
    assert event["id"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["ts"] / 1000))


def test_the_config_gives_an_app_s_function_a_breaker(daemon, serve, topic):
    down = Calls(answer=(500, {"name": "Error", "message": "down"}))
    stepd = daemon([], topics=[topic], functions={"down": {"breaker": {"failures": 2, "window": "1m", "pause": "3s"}, "retries": 50}}, **SETTINGS)
    register(stepd, serve({"down": down}))
    send(stepd, "down", *[{"n": n} for n in range(2)])
    eventually(lambda: stepd.ctl("stats")["queued"] == 2, what=stepd.log)
    assert len(down.events) == 2
    down.result = (200, None)
    stepd.wait_for("down", "completed", count=2)
