# SPDX-License-Identifier: Apache-2.0
"""docs/fleet.md, played: a fleet that is stopped in order, moved, restored, and given another number of shards."""
import json
import time

import pytest

from support import Redis, eventually

WORK = "import json, sys\nprint(json.load(sys.stdin)['data']['n'], file=open(sys.argv[1], 'a'))\n"


@pytest.fixture
def serve(daemon, kafka, topic, folder):
    (folder / "work.py").write_text(WORK)

    def function(name, **more):
        return {"use": "exec", "event": "order/paid", "directory": str(folder), **more,
                "command": ["/usr/bin/python3", str(folder / "work.py"), name]}

    def make(**settings):
        return daemon([], **{"topics": [topic], "kafka": {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                                                          "allow.auto.create.topics": "true"},
                             "functions": {"charge": function("charged"), "mail": function("mailed")}, **settings})
    return make


def done(folder, name):
    return sorted(map(int, (folder / name).read_text().split())) if (folder / name).exists() else []


def send(kafka, topic, numbers):
    kafka.produce_lines([f"k-{n}\t" + json.dumps({"name": "order/paid", "id": f"o-{n}", "data": {"n": n}}) for n in numbers], topic)


def waiting(service):
    stats = service.ctl("stats")
    return stats["delayed"] + stats["queued"] + stats["waiting"] + stats["owned"]


def test_a_fleet_is_stopped_in_order(kafka, redis, serve, topic, folder):
    fleet = [serve(), serve()]
    send(kafka, topic, range(5))
    eventually(lambda: done(folder, "charged") == done(folder, "mailed") == list(range(5)))
    assert fleet[0].ctl("pause", "--all") == {"function": "*", "paused": True}
    eventually(lambda: all("all functions are paused" in each.get("/readyz")[1] for each in fleet))
    assert fleet[0].get("/readyz")[0] == 200
    assert "all functions are paused" in fleet[0].ctl_run("doctor").stdout
    send(kafka, topic, range(5, 20))
    time.sleep(2)
    assert done(folder, "charged") == list(range(5)), "nothing begins"
    assert fleet[0].ctl("stats")["owned"] == 0
    assert [each.stop() for each in fleet] == [0, 0]
    fleet[0].start()
    time.sleep(2)
    assert done(folder, "charged") == list(range(5)), "nor in a daemon that starts meanwhile"
    fleet[0].ctl("resume", "--all")
    eventually(lambda: done(folder, "charged") == done(folder, "mailed") == list(range(20)), 60, what=fleet[0].log)
    assert sum(each.log().count("pause of all functions by ") for each in fleet) == 1


def test_runs_move_to_another_redis_and_another_prefix(kafka, redis, serve, topic, folder, tmp_path):
    service = serve()
    service.ctl("pause", "charge")
    eventually(lambda: 'stepd_function_paused{function="charge"} 1' in service.get("/metrics")[1])
    send(kafka, topic, range(10))
    eventually(lambda: done(folder, "mailed") == list(range(10)) and waiting(service) == 10)
    assert "alive" in service.ctl_run("backup", tmp_path / "early").stderr
    time.sleep(4)  # past redis.durability_lag and a commit: what is not committed comes again, and is mailed again
    eventually(lambda: service.metrics().get("stepd_partition_lag") == 0)
    assert service.stop() == 0
    eventually(lambda: service.ctl_run("backup", tmp_path / "copy").returncode == 0, 30)
    assert service.ctl_run("backup", tmp_path / "copy").returncode == 1, "no file is written over"

    other = Redis(folder / "other")
    try:
        service.configure(redis={"url": other.url, "prefix": "moved"})
        assert service.ctl("restore", tmp_path / "copy")["restored"] > 10
        assert "empty" in service.ctl_run("restore", tmp_path / "copy").stderr
        assert waiting(service) == 10
        redis.kill()
        service.start()
        time.sleep(1)
        assert done(folder, "charged") == [], "what is paused goes along"
        service.ctl("resume", "charge")
        eventually(lambda: done(folder, "charged") == list(range(10)), 60, what=service.log)
        send(kafka, topic, range(10, 15))
        eventually(lambda: done(folder, "charged") == done(folder, "mailed") == list(range(15)), what=service.log)
        assert service.stop() == 0
    finally:
        other.kill()


def test_what_is_no_backup_is_refused(kafka, redis, serve, folder, tmp_path):
    service = serve()
    assert service.stop() == 0
    eventually(lambda: service.ctl_run("backup", tmp_path / "copy").returncode == 0, 30)
    service.configure(redis={"url": redis.url, "prefix": "c"})
    (tmp_path / "text").write_text("hello, this is no backup at all")
    assert "was not made by" in service.ctl_run("restore", tmp_path / "text").stderr
    (tmp_path / "cut").write_bytes((tmp_path / "copy").read_bytes()[:-9])
    assert "no whole backup" in service.ctl_run("restore", tmp_path / "cut").stderr
    assert service.ctl_run("restore", tmp_path / "missing").returncode == 1


SLOW = "import json, sys, time\nn = json.load(sys.stdin)['data']['n']\ntime.sleep(0.3)\nprint(n, file=open('slow', 'a'))\n"


@pytest.mark.parametrize("before, after", [(1, 4), (4, 3)])
def test_another_number_of_shards(kafka, redis, serve, topic, folder, tmp_path, before, after):
    """With runs that sleep between two steps, that wait in lines, for limits of all daemons, behind a key, paused, failed."""
    (folder / "slow.py").write_text(SLOW)
    (folder / "failing.py").write_text("import os, sys, json\nn = json.load(sys.stdin)['data']['n']\n"
                                       "if not os.path.exists('mended'): sys.exit('broken')\nprint(n, file=open('mended', 'a'))\n")

    def function(file, **more):
        return {"use": "exec", "event": "order/paid", "directory": str(folder), **more, "command": ["/usr/bin/python3", str(folder / file)]}
    functions = {"charge": {**function("work.py"), "command": ["/usr/bin/python3", str(folder / "work.py"), "charged"]},
                 "slow": function("slow.py", concurrency_limits=[{"limit": 1}]), "later": function("slow.py", throttle={"limit": 1, "period": "700ms"}),
                 "ordered": function("slow.py", ordering="by_key"), "lined": function("slow.py", concurrency=1),
                 "failing": function("failing.py", retries=0), "retried": function("failing.py", retries=50, schedule=["8s"], jitter="0")}
    service = serve(functions=functions, redis={"url": redis.url, "shards": before})
    service.ctl("pause", "charge")
    eventually(lambda: 'stepd_function_paused{function="charge"} 1' in service.get("/metrics")[1])
    send(kafka, topic, range(12))
    eventually(lambda: len(service.runs(function="failing", status="failed")) == 12 and len(service.runs(function="retried")) == 12, what=service.runs)
    time.sleep(4)
    eventually(lambda: service.metrics().get("stepd_partition_lag") == 0)
    assert service.stop() == 0
    eventually(lambda: service.ctl_run("backup", tmp_path / "copy").returncode == 0, 30)
    ended = len(done(folder, "slow"))

    service.configure(redis={"url": redis.url, "prefix": "other", "shards": after})
    assert service.ctl("restore", tmp_path / "copy")["restored"] > 10
    assert service.ctl("stats")["dead"] == 12
    assert 'paused, by' in service.ctl_run("doctor").stdout
    (folder / "mended").touch()
    service.start()
    assert done(folder, "charged") == []
    service.ctl("resume", "charge")
    assert service.ctl("retry", "--all-failed")["retried"] == 12
    eventually(lambda: done(folder, "charged") == list(range(12)), 60, what=service.log)
    eventually(lambda: done(folder, "mended") == sorted(2 * list(range(12))), 60, what=service.log)
    eventually(lambda: done(folder, "slow") == sorted(4 * list(range(12))), 60, what=lambda: (ended, done(folder, "slow"), service.runs(), service.log()[-3000:]))
    eventually(lambda: waiting(service) == 0)
    send(kafka, topic, range(12, 15))
    eventually(lambda: done(folder, "charged") == list(range(15)) and done(folder, "slow") == sorted(4 * list(range(15))), what=service.log)
    assert "stand in no list" not in service.ctl_run("doctor").stdout
