# SPDX-License-Identifier: Apache-2.0
"""What fills up is seen before it is full, and nothing is lost where it is."""
import json
import re
import signal
import subprocess

import pytest

from support import STEPCTL, eventually

@pytest.fixture
def serve(daemon, kafka, topic, folder):
    def make(**settings):
        (folder / "sees.py").write_text("import json, sys\nprint(json.load(sys.stdin)['data']['n'], file=open(sys.argv[1], 'a'))\n")
        function = {"use": "exec", "event": "go", "directory": str(folder)}
        return daemon([], topics=[topic], kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                                                 "allow.auto.create.topics": "true"},
                      functions={"slow": {**function, "command": ["/usr/bin/python3", str(folder / "sees.py"), "slow"],
                                          "throttle": {"limit": 50, "period": "1s"}},
                                 "plain": {**function, "event": "other", "command": ["/usr/bin/python3", str(folder / "sees.py"), "plain"]}},
                      **settings)
    return make


def seen(folder, name):
    return sorted(map(int, (folder / name).read_text().split())) if (folder / name).exists() else []


def send(kafka, topic, name, numbers, partition):
    for n in numbers:
        kafka.produce(json.dumps({"name": name, "id": f"{name}-{n}", "data": {"n": n}}), topic, partition=partition)


def used(redis):
    return int(re.search(r"used_memory:(\d+)", redis.cli("INFO", "memory"))[1])


def test_before_redis_is_full_what_it_would_keep_stops_and_the_rest_goes_on(kafka, redis, serve, topic, folder):
    service = serve()
    redis.cli("SETRANGE", "ballast", 30_000_000, "x")  # so that what connections take and give back is little beside it
    redis.cli("CONFIG", "SET", "maxmemory", int(used(redis) / 0.96))
    eventually(lambda: "Redis's memory is nearly full" in service.log())
    send(kafka, topic, "go", range(5), 0)
    eventually(lambda: service.metrics()["stepd_partitions_crowded"] == 1, what=service.log)
    assert "nearly full" in service.get("/readyz")[1] and service.get("/readyz")[0] == 200
    send(kafka, topic, "other", range(3), 1)
    eventually(lambda: seen(folder, "plain") == [0, 1, 2], what=service.log)
    assert seen(folder, "slow") == []
    metrics = service.metrics()
    assert metrics["stepd_redis_memory_bytes"] > 0.9 * metrics["stepd_redis_memory_max_bytes"] > 0
    redis.cli("CONFIG", "SET", "maxmemory", 0)
    eventually(lambda: seen(folder, "slow") == list(range(5)), 60, what=service.log)
    assert "Redis has free memory again" in service.log()


def test_capacity_tells_what_will_be_full_when(kafka, redis, serve, topic, folder):
    service = serve(pause={"most": 10})
    redis.cli("CONFIG", "SET", "maxmemory", used(redis) * 100)
    service.ctl("pause", "slow")
    eventually(lambda: 'stepd_function_paused{function="slow"} 1' in service.get("/metrics")[1])
    send(kafka, topic, "go", range(4), 0)
    eventually(lambda: len(service.runs(function="slow", status="queued")) == 4)
    told = service.ctl("capacity", "--count", "1")
    assert told["waiting"] == 4 and told["bytes_per_run"] > 100 and 900 < told["over_ms"] < 60000
    memory, queue = told["filling"]
    assert memory["what"] == "Redis's memory" and memory["unit"] == "bytes" and memory["used"] < memory["most"]
    assert queue == {"what": "queued runs of slow (pause.most)", "used": 4, "most": 10, "unit": "runs", "per_second": 0, "full_in_ms": None}
    send(kafka, topic, "go", range(4, 20), 0)
    eventually(lambda: service.ctl("capacity", "--count", "1")["filling"][1]["full_in_ms"] == 0)
    assert "full" in service.ctl_run("capacity", "--count", "1").stdout
    assert service.ctl_run("capacity", "--count", "x").returncode == 2


def test_a_name_that_no_daemon_has_is_said(kafka, redis, serve):
    service = serve()
    done = service.ctl_run("retry", "--function", "slwo")
    assert done.returncode == 0 and done.stdout.strip() == "none" and "no daemon has a function 'slwo'" in done.stderr
    assert service.ctl_run("retry", "--function", "slow").stderr == ""


def test_cron_takes_the_times_that_other_commands_do(kafka, redis, serve):
    service = serve()
    assert len(service.ctl("cron", "@hourly", "--from", "-2h", "--count", "1")) == 1
    assert service.ctl("cron", "@daily", "--from", "2026-03-28T23:00:00Z", "--count", "1")[0]["at"] == "2026-03-29T00:00:00Z"
    assert service.ctl_run("cron", "@daily", "--from", "14:30").returncode == 0
    assert service.ctl_run("cron", "@daily", "--from", "soon").returncode == 2


def test_runs_are_followed_as_they_begin_and_change(kafka, redis, serve, topic, folder):
    service = serve()
    service.ctl("pause", "slow")
    eventually(lambda: 'stepd_function_paused{function="slow"} 1' in service.get("/metrics")[1])
    out = open(folder / "followed", "wb")
    follower = subprocess.Popen([STEPCTL, "--config", service.config, "--json", "runs", "--function", "slow", "--follow"], stdout=out)
    try:
        send(kafka, topic, "go", range(3), 0)

        def told():
            return [(run["status"], run["event"]["id"]) for run in map(json.loads, (folder / "followed").read_text().splitlines())]
        eventually(lambda: sorted(told()) == [("queued", f"go-{n}") for n in range(3)])
        assert follower.poll() is None
    finally:
        follower.send_signal(signal.SIGINT)
    assert follower.wait(20) == 0
    out.close()
