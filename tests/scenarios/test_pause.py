# SPDX-License-Identifier: Apache-2.0
"""A paused function's runs wait, in all daemons and across restarts; other functions of the same events go on."""
import json
import signal
import time
import urllib.error
import urllib.request

import pytest

from support import eventually

SEES = """
import json, os, sys
event = json.load(sys.stdin)
print(json.dumps({"function": os.environ["STEPD_FUNCTION"], "n": event["data"]["n"]}), file=open("seen", "a"))
"""


@pytest.fixture
def serve(daemon, kafka, topic, folder):
    def make(**settings):
        (folder / "sees.py").write_text(SEES)
        function = {"use": "exec", "event": "order/paid", "command": ["/usr/bin/python3", str(folder / "sees.py")], "directory": str(folder)}
        return daemon([], topics=[topic], history="all",
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "allow.auto.create.topics": "true"},
                      functions={"charge": {**function, **settings}, "mail": function})
    return make


def seen(folder, function):
    path = folder / "seen"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return sorted(entry["n"] for entry in entries if entry["function"] == function)


def send(kafka, topic, numbers):
    for n in numbers:
        kafka.produce(json.dumps({"name": "order/paid", "id": f"id-{n}", "data": {"n": n}}), topic, key=f"key-{n}")


def is_paused(service):
    return 'stepd_function_paused{function="charge"} 1' in service.get("/metrics")[1]


THROTTLE = {"throttle": {"limit": 1000, "period": "1s"}}
LIMITS = {"concurrency_limits": [{"limit": 2}]}


@pytest.mark.parametrize("settings", [{}, {"concurrency": 2}, {"ordering": "by_key"}, THROTTLE, LIMITS],
                         ids=["plain", "concurrency", "ordered", "throttle", "limits"])
def test_a_paused_functions_runs_wait_and_others_go_on(kafka, redis, serve, topic, folder, settings):
    first, second = serve(**settings), serve(**settings)
    assert first.ctl("pause", "charge") == {"function": "charge", "paused": True}
    eventually(lambda: is_paused(first) and is_paused(second))
    send(kafka, topic, range(6))
    eventually(lambda: seen(folder, "mail") == list(range(6)))
    runs = eventually(lambda: (lambda found: found if len(found) == 6 else None)(first.runs(function="charge", status="queued")))
    assert first.ctl("why", runs[0]["id"])["reason"] == "pause"
    assert first.show(runs[0]["id"])["status"] == "queued"
    assert json.loads(first.get(f"/api/runs/{runs[0]['id']}")[1])["run"]["status"] == "queued"
    assert [row["status"] for row in json.loads(first.get("/api/runs?status=queued")[1])["runs"]] == 6 * ["queued"]
    assert "function charge is paused" in first.ctl_run("doctor").stdout
    assert seen(folder, "charge") == []

    assert first.ctl("resume", "charge") == {"function": "charge", "paused": False}
    eventually(lambda: seen(folder, "charge") == list(range(6)))
    for what in ("pause of function charge by ", "resume of function charge by "):
        eventually(lambda: sum(service.log().count(what) for service in (first, second)) == 1)


def test_a_pause_lasts_across_a_restart(kafka, redis, serve, topic, folder):
    service = serve()
    service.ctl("pause", "charge")
    eventually(lambda: is_paused(service))
    assert service.stop() == 0
    send(kafka, topic, range(4))
    service.start()
    eventually(lambda: seen(folder, "mail") == list(range(4)))
    time.sleep(1)
    assert seen(folder, "charge") == []
    service.ctl("resume", "charge")
    eventually(lambda: seen(folder, "charge") == list(range(4)))


def test_what_was_paused_is_told_to_a_redis_that_came_back_as_another(kafka, redis, serve, topic, folder):
    service = serve()
    service.ctl("pause", "charge")
    eventually(lambda: is_paused(service))
    redis.kill()
    for path in (folder / "redis").rglob("appendonly.aof*"):
        path.unlink()
    redis.start()
    eventually(lambda: redis.cli("HEXISTS", "stepd{0}:paused", "charge").strip() == "1", 30, what=service.log)
    assert is_paused(service)
    assert service.ctl_run("pause", "gone").returncode == 3


def test_what_goes_on_goes_on_though_redis_lost_that_it_does(kafka, redis, serve, topic, folder):
    service = serve()
    service.ctl("pause", "charge")
    eventually(lambda: is_paused(service))
    who = redis.cli("HGET", "stepd{0}:paused", "charge").strip()
    service.ctl("resume", "charge")
    eventually(lambda: not is_paused(service))
    service.process.send_signal(signal.SIGSTOP)  # it is not to see what only the Redis that comes back has
    redis.cli("HSET", "stepd{0}:paused", "charge", who)
    redis.cli("SAVE")
    redis.kill()
    service.process.send_signal(signal.SIGCONT)
    redis.options = (*redis.options, "--appendonly", "no")
    redis.start()
    eventually(lambda: redis.cli("HEXISTS", "stepd{0}:paused", "charge") == "0")
    time.sleep(1)
    assert not is_paused(service)


def test_what_a_person_did_is_a_line_in_the_log_of_the_next_that_starts(kafka, redis, serve, topic, folder):
    service = serve()
    assert service.stop() == 0
    service.ctl("pause", "charge")
    service.ctl("resume", "charge")
    service.start()
    eventually(lambda: "resume of function charge by " in service.log())


def test_the_page_pauses_and_resumes_a_function(kafka, redis, serve, topic, folder):
    service = serve()
    service.configure(http={"listen": service.http, "token": "t"})
    assert service.stop() == 0
    service.start()

    def post(word, token="t"):
        request = urllib.request.Request(f"http://{service.http}/api/functions/{word}", data=b"{}", method="POST",
                                         headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    assert post("charge/pause", token="wrong")[0] in (401, 403)
    assert post("charge/pause") == (200, {"function": "charge", "paused": True})
    eventually(lambda: is_paused(service))
    assert post("gone/pause")[0] == 404 and post("charge/stop")[0] == 404
    assert post("charge/resume") == (200, {"function": "charge", "paused": False})
    eventually(lambda: not is_paused(service))
    assert "pause of function charge by 127.0.0.1 over HTTP" in service.log()


def queued(service):
    return service.metrics().get("stepd_runs_queued", 0)


@pytest.mark.parametrize("is_ordered", [False, True], ids=["plain", "ordered"])
def test_past_pause_most_the_partitions_that_bring_more_stop_and_others_go_on(kafka, redis, serve, topic, folder, is_ordered):
    service = serve(**({"ordering": "by_key"} if is_ordered else {}))
    service.configure(pause={"most": 20})
    assert service.stop() == 0
    service.start()
    service.ctl("pause", "charge")
    eventually(lambda: is_paused(service))
    numbers = list(range(400))
    lines = [f"key-{n}\t" + json.dumps({"name": "order/paid", "id": f"id-{n}", "data": {"n": n}}) for n in numbers]
    kafka.produce_lines(lines, topic)
    eventually(lambda: service.metrics().get("stepd_partitions_crowded", 0) > 0, what=service.log)
    eventually(lambda: queued(service) >= 20)
    time.sleep(2)
    assert 20 <= queued(service) < 100, "no more than what was on its way"
    assert "pause.most" in service.get("/readyz")[1] and service.get("/readyz")[0] == 200
    assert "charge has" in service.ctl_run("doctor").stdout and "pause.most is 20" in service.ctl_run("doctor").stdout
    run = service.runs(function="charge", status="queued")[0]
    assert "pause.most" in service.ctl("why", run["id"])["text"]
    mailed = seen(folder, "mail")
    assert len(mailed) < 200 and len(mailed) == len(set(mailed)), "what stops, stops for all its functions, and repeats nothing"

    service.ctl("resume", "charge")
    eventually(lambda: seen(folder, "charge") == numbers and seen(folder, "mail") == numbers, 120, what=service.log)
    eventually(lambda: service.metrics()["stepd_partitions_crowded"] == 0)
    assert "ready" in service.get("/readyz")[1] and "pause.most" not in service.get("/readyz")[1]


def test_a_partition_that_stops_holds_up_no_other(kafka, redis, serve, topic, folder):
    service = serve(concurrency=1)
    service.configure(pause={"most": 5})
    assert service.stop() == 0
    service.start()
    service.ctl("pause", "charge")
    eventually(lambda: is_paused(service))
    for n in range(30):
        kafka.produce(json.dumps({"name": "order/paid", "id": f"id-{n}", "data": {"n": n}}), topic, partition=0)
    eventually(lambda: service.metrics().get("stepd_partitions_crowded", 0) == 1, what=service.log)
    kafka.produce(json.dumps({"name": "other", "id": "o", "data": {"n": 1}}), topic, partition=1)
    eventually(lambda: service.metrics()["stepd_events_unhandled_total"] == 1)
    assert service.stop() == 0
    service.start()
    eventually(lambda: service.metrics().get("stepd_partitions_crowded", 0) == 1, what=service.log)
    service.ctl("resume", "charge")
    eventually(lambda: seen(folder, "charge") == list(range(30)), 60, what=service.log)
    assert sorted(set(seen(folder, "mail"))) == list(range(30))


def test_flow_most_holds_what_any_limit_lines_up(kafka, redis, serve, topic, folder):
    service = serve(throttle={"limit": 3, "period": "1s"})
    service.configure(flow={"most": 10})
    assert service.stop() == 0
    service.start()
    kafka.produce_lines(["k\t" + json.dumps({"name": "order/paid", "id": f"id-{n}", "data": {"n": n}}) for n in range(50)], topic)
    eventually(lambda: service.metrics().get("stepd_partitions_crowded", 0) > 0, what=service.log)
    eventually(lambda: "flow.most" in service.get("/readyz")[1])
    assert queued(service) < 40
    eventually(lambda: seen(folder, "charge") == list(range(50)), 60, what=service.log)
    assert seen(folder, "mail") == list(range(50))
