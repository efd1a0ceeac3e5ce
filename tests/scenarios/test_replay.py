# SPDX-License-Identifier: Apache-2.0
"""A function starts anew on events of the log: marked, linked to the first run, each once by the replay's name."""
import json
import time

import pytest

from support import Dev, eventually

SEES = """
import json, os, sys
event = json.load(sys.stdin)
print(json.dumps({"function": os.environ["STEPD_FUNCTION"], "n": event["data"]["n"], "run": os.environ["STEPD_RUN_ID"]}), file=open("seen", "a"))
"""


@pytest.fixture
def serve(daemon, kafka, topic, folder):
    def make(**settings):
        (folder / "sees.py").write_text(SEES)
        function = {"use": "exec", "command": ["/usr/bin/python3", str(folder / "sees.py")], "directory": str(folder), **settings}
        return daemon([], topics=[topic], history="all",
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "allow.auto.create.topics": "true"},
                      functions={"charge": {**function, "event": "order/paid"}, "mail": {**function, "event": "order/*"}})
    return make


def seen(folder, function):
    path = folder / "seen"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [entry for entry in entries if entry["function"] == function]


def send(kafka, topic, numbers, name="order/paid"):
    for n in numbers:
        kafka.produce(json.dumps({"name": name, "id": f"id-{n}", "data": {"n": n}}), topic, key=f"key-{n}")


def replay(service, topic, *words, span=("--from", "-1h", "--to", "-0s")):
    return service.ctl("replay", "--function", "charge", "--topic", topic, *span, *words)


def test_runs_of_a_replay_are_marked_and_linked_to_the_first(kafka, redis, serve, topic, folder):
    service = serve()
    send(kafka, topic, range(4))
    send(kafka, topic, [9], name="order/made")
    eventually(lambda: len(seen(folder, "charge")) == 4 and len(seen(folder, "mail")) == 5)

    dry = replay(service, topic, "--dry-run")
    assert (dry["found"], dry["started"], dry["dry_run"]) == (4, 0, True)
    assert replay(service, topic, "--name", "fix-17", "--where", "event.data.n >= 2") == {"name": "fix-17", "started": 2}
    eventually(lambda: len(seen(folder, "charge")) == 6)
    first = {entry["n"]: entry["run"] for entry in seen(folder, "charge")[:4]}
    again = {entry["n"]: entry["run"] for entry in seen(folder, "charge")[4:]}
    assert again.keys() == {2, 3} and not set(again.values()) & set(first.values())
    runs = {run["id"]: run for run in service.runs(function="charge")}
    assert [runs[again[n]]["replay"] for n in (2, 3)] == [{"name": "fix-17", "of": first[n]} for n in (2, 3)]
    assert all(runs[run]["replay"] is None for run in first.values())
    assert len(seen(folder, "mail")) == 5, "no other function"


def test_the_same_name_starts_nothing_twice(kafka, redis, serve, topic, folder):
    service = serve(dedupe="1h")
    send(kafka, topic, range(5))
    eventually(lambda: len(seen(folder, "charge")) == 5)

    assert replay(service, topic, "--name", "once")["started"] == 5
    eventually(lambda: len(seen(folder, "charge")) == 10)
    redis.cli("EVAL", "for _, key in ipairs(redis.call('KEYS', '*taken*')) do redis.call('DEL', key) end", "0")
    assert replay(service, topic, "--name", "once")["started"] == 0
    send(kafka, topic, [5])
    eventually(lambda: len(seen(folder, "charge")) == 11)
    assert replay(service, topic, "--name", "once")["started"] == 1, "what has come since"
    assert replay(service, topic, "--name", "twice")["started"] == 6, "another name"
    assert replay(service, topic)["name"] != replay(service, topic, "--dry-run")["name"]
    done = service.ctl_run("replay", "--function", "mail", "--topic", topic, "--from", "-1h", "--to", "-0s", "--name", "once")
    assert done.returncode == 2 and "a replay named 'once' was: --function charge" in done.stderr


def test_a_replay_goes_from_a_time_to_a_time(kafka, redis, serve, topic, folder):
    service = serve()
    send(kafka, topic, [1, 2])
    time.sleep(1.2)
    between = time.time()
    time.sleep(1.2)
    send(kafka, topic, [3])
    eventually(lambda: len(seen(folder, "charge")) == 3)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(between))

    assert replay(service, topic, "--dry-run", span=("--from", "-1h", "--to", moment))["found"] == 2
    assert replay(service, topic, "--dry-run", span=("--from", moment, "--to", "-0s"))["found"] == 1
    assert service.ctl_run("replay", "--function", "charge", "--topic", topic, "--from", "-1m", "--to", "-1h").returncode == 2
    assert service.ctl_run("replay", "--function", "charge", "--topic", topic, "--from", "-1h").returncode == 2
    assert service.ctl_run("replay", "--function", "gone", "--topic", topic, "--from", "-1h", "--to", "-0s").returncode == 3
    assert service.ctl_run("replay", "--function", "charge", "--topic", "gone", "--from", "-1h", "--to", "-0s").returncode == 3
    assert service.ctl_run("replay", "--function", "charge", "--topic", topic, "--from", "-2h", "--to", "-1h").stdout == "none\n"


def test_a_replay_works_with_the_broker_of_stepd_dev(tmp_path):
    config = tmp_path / "user.yaml"
    config.write_text('topics: [events]\nfunctions: {charge: {use: exec, event: "order/paid", command: ["true"]}}\n')
    service = Dev(tmp_path / "dev", [], "--config", config).start()
    try:
        service.kafka.send("order/paid", {"n": 1})
        service.wait_for("charge", "completed")
        time.sleep(1.2)
        between = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        time.sleep(1.2)
        service.kafka.send("order/paid", {"n": 2})
        eventually(lambda: len(service.runs(function="charge", status="completed")) == 2)
        assert replay(service, "events", "--dry-run", span=("--from", "-1h", "--to", "-0s"))["found"] == 2
        assert replay(service, "events", span=("--from", "-1h", "--to", between))["started"] == 1
        eventually(lambda: len(service.runs(function="charge", status="completed")) == 3)
        assert service.ctl_run("replay", "--function", "charge", "--topic", "events", "--from", "-2h", "--to", "-1h").stdout == "none\n"
    finally:
        service.stop()


def test_what_delays_holds_replayed_events_and_what_drops_does_not(kafka, redis, serve, topic, folder):
    service = serve(throttle={"limit": 1, "period": "1s"}, rate_limit={"limit": 6, "period": "1h"}, dedupe="1h",
                    singleton={"mode": "skip", "key": "event.data.n"}, debounce={"period": "1h", "key": "event.data.none"})
    send(kafka, topic, range(3))
    eventually(lambda: len(seen(folder, "charge")) == 3)
    began = time.monotonic()
    assert replay(service, topic, "--name", "slowly")["started"] == 3
    assert replay(service, topic, "--name", "slowly")["started"] == 0
    eventually(lambda: len(seen(folder, "charge")) == 6, 30)
    assert time.monotonic() - began >= 1.5, "one a second"
    assert not [run for run in service.runs(function="charge") if run["status"] != "completed"]
