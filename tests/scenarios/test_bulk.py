# SPDX-License-Identifier: Apache-2.0
"""Many runs retried and cancelled by filters, on a Redis that a daemon works with."""
import json
import os
import signal
import subprocess
import time

import pytest

from support import STEPCTL, eventually

COUNT = int(os.environ.get("STEPD_BULK_RUNS", "3000"))


@pytest.fixture
def script(folder):
    """A program that fails while the file `broken` stands beside it, and leaves a line for each run that was fine."""
    path = folder / "work.py"
    path.write_text("import json, os, sys\n"
                    "event = json.load(sys.stdin)\n"
                    "if os.path.exists('broken'): raise ValueError('broken release')\n"
                    "print(json.dumps({'n': event['data']['n']}), file=open('done', 'a'))\n")
    (folder / "broken").touch()
    return path


def serve(daemon, redis, kafka, topic, folder, script):
    return daemon([], topics=[topic], retry={"retries": 0}, history="all", redis={"url": redis.url, "shards": 4},
                  kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                         "allow.auto.create.topics": "true"},
                  functions={"work": {"use": "exec", "event": "job/*", "command": ["/usr/bin/python3", str(script)],
                                      "directory": str(folder)}})


def numbers(folder):
    return sorted(json.loads(line)["n"] for line in (folder / "done").read_text().splitlines())


def test_the_failures_of_a_bad_release_are_retried_by_a_filter(kafka, redis, daemon, topic, folder, script):
    service = serve(daemon, redis, kafka, topic, folder, script)
    for n in range(12):
        kafka.send("job/even" if n % 2 == 0 else "job/odd", {"n": n}, topic)
    error = service.wait_for("work", "failed", 12)[0]["error"]["name"]
    (folder / "broken").unlink()

    assert service.ctl("retry", "--function", "work", "--where", "event.data.n >= 6", "--dry-run")["found"] == 6
    assert service.ctl("retry", "--event", "job/odd", "--where", "event.data.n >= 6", "--error", error,
                       "--since", "-1h") == {"retried": 3}
    eventually(lambda: (folder / "done").exists() and numbers(folder) == [7, 9, 11])
    assert service.ctl("retry", "--event", "job/odd", "--where", "event.data.n >= 6")["retried"] == 0
    assert service.ctl("retry", "--all-failed") == {"retried": 9}
    eventually(lambda: numbers(folder) == list(range(12)))
    assert service.ctl_run("retry", "--all-failed").stdout == "none\n"


def fill(kafka, redis, daemon, module, topic, count):
    """`count` runs that are parked an hour ahead, made by a daemon that has ended since."""
    maker = daemon([module("limited")], topics=[topic], options={"limited": {"file": "/dev/null"}},
                   kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                          "allow.auto.create.topics": "true"})
    at = int(time.time() * 1000) + 3600_000
    kafka.produce_lines([f"key-{n}\t" + json.dumps({"name": "limited/go", "data": {"n": n, "at": at, "ms": 0}}) for n in range(count)], topic)
    eventually(lambda: maker.ctl("stats")["delayed"] == count, 120)
    return maker


def test_many_are_cancelled_and_retried_beside_a_daemon_that_works(kafka, redis, daemon, module, topic):
    """What Redis answers others meanwhile is measured: `STEPD_BULK_RUNS=100000 pytest -s` tells it."""
    service = fill(kafka, redis, daemon, module, topic, COUNT)
    began = time.monotonic()
    slowest = 0
    process = subprocess.Popen([STEPCTL, "--json", "--config", service.config, "cancel", "--function", "limited"],
                               stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        asked = time.monotonic()
        assert redis.cli("PING").strip() == "PONG"
        slowest = max(slowest, time.monotonic() - asked)
    assert json.loads(process.stdout.read()) == {"cancelled": COUNT}
    took = time.monotonic() - began
    print(f"{COUNT} runs cancelled in {took:.1f} s; the slowest PING beside it took {slowest * 1000:.1f} ms, redis-cli's start included")
    began = time.monotonic()
    assert service.ctl("retry", "--status", "cancelled", "--until", "-0s")["retried"] == COUNT
    print(f"retried in {time.monotonic() - began:.1f} s")
    assert service.is_ready()


def test_ctrl_c_leaves_each_run_as_it_was_or_done(kafka, redis, daemon, module, topic):
    service = fill(kafka, redis, daemon, module, topic, COUNT)
    process = subprocess.Popen([STEPCTL, "--json", "--config", service.config, "cancel", "--function", "limited"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually(lambda: service.ctl("stats")["delayed"] < COUNT)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    cancelled = json.loads(out)["cancelled"]
    if process.returncode == 1:
        assert f"stopped after {cancelled} of {COUNT}; the same command goes on with the rest" in err
    assert service.ctl("stats")["delayed"] == COUNT - cancelled
    assert service.ctl("cancel", "--function", "limited") == {"cancelled": COUNT - cancelled}
    assert service.ctl("doctor")
    assert service.ctl_run("cancel", "--function", "limited").stdout == "none\n"


def test_what_waits_in_line_is_cancelled_without_what_waits_for_its_retry(kafka, redis, daemon, topic, folder, script):
    service = daemon([], topics=[topic], retry={"retries": 3, "schedule": ["1h"], "jitter": "0"},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest", "allow.auto.create.topics": "true"},
                     functions={"work": {"use": "exec", "event": "job/*", "command": ["/usr/bin/python3", str(script)], "directory": str(folder)}})
    kafka.send("job/retried", {"n": 1}, topic)
    delayed = service.wait_for("work", "delayed")[0]["id"]
    service.ctl("pause", "work")
    eventually(lambda: 'stepd_function_paused{function="work"} 1' in service.get("/metrics")[1])
    kafka.send("job/queued", {"n": 2}, topic)
    eventually(lambda: len(service.runs(status="queued")) == 1)
    assert service.ctl("cancel", "--status", "queued") == {"cancelled": 1}
    assert [run["id"] for run in service.runs(status="delayed")] == [delayed]
    assert service.runs(status="queued") == []
