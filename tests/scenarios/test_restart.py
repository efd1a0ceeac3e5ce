# SPDX-License-Identifier: Apache-2.0
"""The daemon stops, dies, or loses its Redis, over a real Kafka; nothing is lost."""
import json

from support import eventually

RETRY = {"retry": {"schedule": ["2s"], "jitter": "0"}}


def send(kafka, topic, name, count):
    kafka.produce_lines((f"{n}\t" + json.dumps({"name": name, "data": {"n": n}}) for n in range(count)), topic)


def test_a_stop_ends_clean_and_nothing_runs_twice(kafka, daemon, module, topic):
    service = daemon([module("five")], topics=[topic, "raw"], history="all")
    send(kafka, topic, "user/came", 200)
    service.wait_for("greet", "completed", 200)
    assert service.stop() == 0
    before = service.ctl("stats")["runs_started"]
    service.start()
    send(kafka, topic, "user/came", 10)
    service.wait_for("greet", "completed", 210)
    eventually(lambda: service.ctl("stats")["runs_started"] == before + 20,  # greet and audit
               what=lambda: service.ctl("stats"))


def test_parked_runs_outlive_a_kill(kafka, daemon, module, topic):
    service = daemon([module("five")], topics=[topic, "raw"], history="all", **RETRY)
    send(kafka, topic, "job/flaky", 50)
    service.wait_for("flaky", "delayed", 50)
    service.kill()
    service.start()
    runs = service.wait_for("flaky", "completed", 50, seconds=40)
    assert len(runs) == 50


def test_redis_comes_back(kafka, daemon, module, topic, redis):
    service = daemon([module("five")], topics=[topic, "raw"], history="all", **RETRY)
    send(kafka, topic, "job/flaky", 20)
    service.wait_for("flaky", "delayed", 20)
    redis.kill()
    send(kafka, topic, "job/flaky", 20)
    eventually(lambda: service.get("/readyz")[0] == 503)
    redis.start()
    runs = service.wait_for("flaky", "completed", 40, seconds=40)
    assert len(runs) == 40
    assert service.is_ready()


def test_stepctl_works_while_the_daemon_is_down(kafka, daemon, module, topic):
    service = daemon([module("five")], topics=[topic, "raw"], retry={"schedule": ["50ms"], "jitter": "0"})
    send(kafka, topic, "job/doomed", 3)
    service.wait_for("doomed", "failed", 3)
    assert service.stop() == 0
    runs = service.runs(status="failed")
    assert {run["error"]["name"] for run in runs} == {"Doomed"}
    assert len(kafka.consume(f"{topic}.dead")) == 3
