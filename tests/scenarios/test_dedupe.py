# SPDX-License-Identifier: Apache-2.0
"""A key that comes again: within its window it starts nothing, after it a run of its own, which is lost no more than any other."""
import json
import sys
import time

import pytest

from support import BUILD, ROOT, eventually

EXEC = BUILD / "modules/exec.so"
WINDOW_S = 1
FAILS = 'echo "$STEPD_RUN_ID $STEPD_ATTEMPT" >>"$SEEN"; exit 1'
STEP_THEN_FAILS = """
import os, stepd
def look():
    with open(os.environ["SEEN"], "a") as seen:
        print(os.environ["STEPD_RUN_ID"], stepd.attempt(), file=seen)
stepd.step("look", look)
raise RuntimeError("behind its step")
"""
SLEEPS_THEN_FAILS = """
import os, stepd
stepd.sleep("nap", 0.1)
with open(os.environ["SEEN"], "a") as seen:
    print(os.environ["STEPD_RUN_ID"], stepd.attempt(), file=seen)
raise RuntimeError("behind its sleep")
"""
HANGS_ONCE = 'echo "$STEPD_RUN_ID" >>"$SEEN"; test -e "$SEEN.go" || sleep 60'


def function(command, seen, **settings):
    return {"use": "exec", "event": "order/made", "command": command, "dedupe": f"{WINDOW_S}s", "retries": 1,
            "env": {"SEEN": str(seen), "PYTHONPATH": str(ROOT / "handlers/exec/python")}, **settings}


@pytest.fixture
def seen(folder):
    return folder / "seen"


@pytest.fixture
def serve(daemon, topic, seen):
    def make(command, history="failures", **settings):
        return daemon([EXEC], topics=[topic], history=history, retry={"schedule": ["200ms"], "jitter": "0s"},
                      functions={"twice": function(command, seen, **settings)})
    return make


def lines(seen):
    return seen.read_text().split("\n")[:-1] if seen.exists() else []


def send(kafka, topic, **more):
    kafka.produce(json.dumps({"name": "order/made", "id": "7", "data": {}}), topic, **more)


def wait_for_letters(kafka, topic, count):
    eventually(lambda: len(kafka.consume(f"{topic}.dead")) == count, 30, what=lambda: kafka.consume(f"{topic}.dead"))


@pytest.mark.parametrize("history", ["none", "all"])
@pytest.mark.parametrize("command, lines_each", [(["sh", "-c", FAILS], 2), ([sys.executable, "-c", STEP_THEN_FAILS], 1),
                                                 ([sys.executable, "-c", SLEEPS_THEN_FAILS], 2)], ids=["retry", "step", "sleep"])
def test_after_its_window_an_id_starts_a_run_of_its_own(kafka, serve, topic, seen, command, lines_each, history):
    service = serve(command, history)
    for count in (1, 2):
        send(kafka, topic)
        wait_for_letters(kafka, topic, count)
        time.sleep(WINDOW_S + 0.2)
    assert len(lines(seen)) == 2 * lines_each
    assert len({line.split()[0] for line in lines(seen)}) == 2
    assert service.metrics()["stepd_runs_fenced_total"] == 0


def test_within_its_window_it_starts_nothing_after_a_restart_too(kafka, serve, topic, seen):
    service = serve(["sh", "-c", FAILS], dedupe="1h")
    send(kafka, topic)
    eventually(lambda: lines(seen))
    service.kill()
    service.start()
    send(kafka, topic)
    wait_for_letters(kafka, topic, 1)
    eventually(lambda: service.metrics()["stepd_events_duplicate_total"] == 1)
    assert len({line.split()[0] for line in lines(seen)}) == 1


def test_an_event_let_in_before_a_restart_runs_beside_one_of_a_later_window(kafka, serve, topic, seen):
    service = serve(["sh", "-c", HANGS_ONCE], "all")
    send(kafka, topic)
    eventually(lambda: len(lines(seen)) == 1)
    time.sleep(WINDOW_S + 0.2)
    service.configure(functions={"twice": function(["sh", "-c", HANGS_ONCE], seen, dedupe="1h")})
    service.kill()
    service.start()
    eventually(lambda: len(lines(seen)) == 2)
    send(kafka, topic)
    eventually(lambda: len(lines(seen)) == 3)
    service.kill()
    seen.with_name("seen.go").touch()
    service.start()
    assert len({run["id"] for run in service.wait_for("twice", "completed", 2)}) == 2
    assert service.metrics()["stepd_events_duplicate_total"] == 0


def test_an_old_run_is_retried_beside_the_new_one(kafka, serve, topic, seen):
    service = serve(["sh", "-c", FAILS], retries=0)
    send(kafka, topic)
    old = service.wait_for("twice", "failed")[0]["id"]
    time.sleep(WINDOW_S + 0.2)
    send(kafka, topic)
    service.wait_for("twice", "failed", 2)
    assert service.ctl_run("retry", old).returncode == 0
    eventually(lambda: len(lines(seen)) == 3)
    service.wait_for("twice", "failed", 2)
    assert [line.split()[0] for line in lines(seen)].count(old) == 2


def test_cloud_events_of_two_sources_are_two_events(kafka, serve, topic, seen):
    service = serve(["sh", "-c", FAILS], retries=0, dedupe="1h")
    for source in ("/studio", "/lms", "/studio"):
        kafka.produce("{}", topic, headers={"ce_specversion": "1.0", "ce_type": "order/made", "ce_id": "100",
                                            "ce_source": source, "content-type": "application/json"})
    eventually(lambda: service.metrics()["stepd_events_duplicate_total"] == 1)
    wait_for_letters(kafka, topic, 2)
