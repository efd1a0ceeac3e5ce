# SPDX-License-Identifier: Apache-2.0
"""Programs of Inngest's own SDKs that wait for the world: what they come to is what they come to on Inngest's server."""
import os
import shutil
import subprocess
import time

import pytest

from support import eventually, free_port
from test_inngest import HERE, get, post, sdk  # noqa: F401
from test_inngest_api import call
from test_inngest_fetch import web  # noqa: F401


@pytest.fixture
def golden(folder, sdk, daemon, topic):  # noqa: F811
    """The program of an SDK, and a daemon that has its functions: golden("ts3")."""
    started = []

    def start(name):
        port, home = free_port(), sdk(name)
        file = "golden.py" if name == "py" else "golden.mjs"
        shutil.copy(HERE / file, home)
        words = [home / "venv/bin/python", file, port] if name == "py" else ["node", file, port, name[2:]]
        stepd = daemon([], topics=[topic], inngest={"apps": [f"http://127.0.0.1:{port}/api/inngest"]}, history="all",
                       retry={"schedule": ["300ms"], "jitter": "0s"})
        out = open(folder / "app.log", "wb")
        started.append(subprocess.Popen(list(map(str, words)), cwd=home, stdout=out, stderr=out,
                                        env={**os.environ, "INNGEST_DEV": f"http://{stepd.http}"}))
        eventually(lambda: get(f"http://{stepd.http}/dev")["functions"], 60, what=lambda: (folder / "app.log").read_text() + stepd.log())
        return stepd
    yield start
    for app in started:
        app.kill()
        app.wait(20)


def send(stepd, name, **data):
    status, answer = post(f"http://{stepd.http}/e/any", {"name": name, "data": data})
    assert status == 200, answer


def waiting(stepd, function):
    return eventually(lambda: stepd.runs(function=f"golden-{function}", status="waiting"), 40, what=stepd.log)


def output(stepd, function):
    run, = stepd.wait_for(f"golden-{function}", "completed", seconds=40)
    return stepd.show(run["id"])["output"]


def ticks(stepd):
    """One run for each tick, of an event as Inngest's server makes it."""
    run = stepd.wait_for("golden-ticking", "completed", seconds=80)[-1]
    shown = stepd.show(run["id"])["output"]
    ts = shown["event"]["ts"]
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ts / 1000))
    assert ts % 60000 == 0 and shown == {"own": ts, "event": {"id": at, "name": "inngest/scheduled.timer", "ts": ts, "data": {
        "cron": "TZ=Europe/Paris * * * * *", "fireAt": at, "scheduledAt": at}}}
    all_ticks = [stepd.show(run["id"])["output"]["own"] for run in stepd.runs(function="golden-ticking", status="completed")]
    assert len(set(all_ticks)) == len(all_ticks)


@pytest.mark.parametrize("name", ["ts3", "ts4", "py"])
def test_what_a_program_waits_for_comes(golden, web, name):  # noqa: F811
    stepd = golden(name)
    races = name != "py"  # Python's SDK has neither races of waits nor fetch
    for function in ("all", "caught", "stopped", *(("race", "late", "fetched") if races else ())):
        send(stepd, function, id=3, url=web[0] + "/200/x")
    for function in ("all", "stopped", *(["race"] if races else [])):
        waiting(stepd, function)
    send(stepd, "go/b", n=1)
    send(stepd, "go/a", id=4)
    send(stepd, "go/a", id=3)
    send(stepd, "go/race", n=2)
    send(stepd, "stop", id=4)
    send(stepd, "stop", id=3)
    assert output(stepd, "all") == {"a": {"id": 3}, "b": {"n": 1}, "names": ["go/a", "go/b"], "gone": None, "i": {"twice": 6}, "slept": None,
                                    "own": "ran"}
    assert output(stepd, "caught") == "no good"
    run, = stepd.wait_for("golden-stopped", "cancelled", seconds=40)
    assert call(stepd.http, "GET", f"/v1/runs/{run['id']}")[1]["data"]["status"] == "Cancelled"
    ticks(stepd)
    if not races:
        return
    assert output(stepd, "race") == {"n": 2} and output(stepd, "late") == "slept"
    assert output(stepd, "fetched") == {"status": 200, "body": {"got": '{"n":1}'}, "own": None}


@pytest.mark.parametrize("name", ["ts3", "ts4"])
def test_a_program_signals_another(golden, name):
    """Python's SDK has no signals."""
    stepd = golden(name)
    send(stepd, "signalled", id="a", timeout="1h")
    first, = waiting(stepd, "signalled")
    send(stepd, "signals", id="a")
    assert output(stepd, "signals") == {"sent": {"runId": first["id"]}, "nobody": None}
    assert output(stepd, "signalled") == {"got": {"signal": "s/a", "data": {"n": 7}}}
    send(stepd, "signalled", id="b", timeout="8s", conflict="fail")
    older, = waiting(stepd, "signalled")
    send(stepd, "signalled", id="b", timeout="1s", conflict="fail")
    failed, = stepd.wait_for("golden-signalled", "failed", seconds=40)
    assert "Signal conflict" in stepd.show(failed["id"])["error"]["message"]
    send(stepd, "signalled", id="b", timeout="1s", conflict="replace")
    runs = stepd.wait_for("golden-signalled", "completed", count=3, seconds=40)
    assert [stepd.show(run["id"])["output"] for run in runs if run["id"] != first["id"]] == [{"got": None}] * 2
    assert older["id"] in [run["id"] for run in runs]
