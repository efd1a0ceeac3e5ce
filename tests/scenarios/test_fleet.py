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


def test_what_is_no_backup_or_of_another_number_of_shards_is_refused(kafka, redis, serve, folder, tmp_path):
    service = serve()
    assert service.stop() == 0
    eventually(lambda: service.ctl_run("backup", tmp_path / "copy").returncode == 0, 30)
    service.configure(redis={"url": redis.url, "prefix": "b", "shards": 4})
    assert "redis.shards" in service.ctl_run("restore", tmp_path / "copy").stderr
    service.configure(redis={"url": redis.url, "prefix": "c"})
    (tmp_path / "text").write_text("hello, this is no backup at all")
    assert "was not made by" in service.ctl_run("restore", tmp_path / "text").stderr
    (tmp_path / "cut").write_bytes((tmp_path / "copy").read_bytes()[:-9])
    assert "no whole backup" in service.ctl_run("restore", tmp_path / "cut").stderr
    assert service.ctl_run("restore", tmp_path / "missing").returncode == 1


def test_another_number_of_shards_with_the_old_runs_lived_out(kafka, redis, serve, topic, folder):
    service = serve()
    service.ctl("pause", "charge")
    eventually(lambda: 'stepd_function_paused{function="charge"} 1' in service.get("/metrics")[1])
    send(kafka, topic, range(8))
    eventually(lambda: done(folder, "mailed") == list(range(8)) and waiting(service) == 8)
    service.ctl("pause", "--all")
    time.sleep(5)  # redis.durability_lag, and a commit
    assert service.stop() == 0
    new = serve(redis={"url": redis.url, "prefix": "new", "shards": 4})
    old = serve(topics=[f"{topic}.old"], redis={"url": redis.url},
                kafka={"bootstrap.servers": kafka.address, "group.id": f"{topic}-old", "auto.offset.reset": "latest", "allow.auto.create.topics": "true"})
    old.ctl("resume", "charge")
    old.ctl("resume", "--all")
    send(kafka, topic, range(8, 12))
    eventually(lambda: done(folder, "charged") == done(folder, "mailed") == list(range(12)), 60, what=lambda: old.log() + new.log())
    eventually(lambda: waiting(old) == 0)
