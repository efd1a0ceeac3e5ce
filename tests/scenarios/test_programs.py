# SPDX-License-Identifier: Apache-2.0
"""Programs that stay, on the real daemon: what they declare, how their runs go on, and programs that mean no good."""
import json
import os
import re
import signal
import sys
import textwrap
import time
import urllib.request

import pytest

from support import BUILD, ROOT, SLOWER, eventually

CLIENT = ROOT / "clients/python"
HEAD = f"""
import asyncio, json, logging, os, sys, threading, time
sys.path.insert(0, {str(CLIENT)!r})
import stepd
def note(*words):
    with open(os.environ["NOTES"], "a") as notes:
        print(*words, file=notes, flush=True)
"""


@pytest.fixture
def notes(folder, monkeypatch):
    """The lines that programs have noted."""
    path = folder / "notes"
    path.touch()
    monkeypatch.setenv("NOTES", str(path))
    return lambda: path.read_text().split("\n")[:-1]


@pytest.fixture
def serve(dev, folder, notes):
    """A `stepd dev` with one program of that text."""
    def make(text, *words, **settings):
        path = folder / "media.py"
        path.write_text(HEAD + textwrap.dedent(text) + "\nstepd.serve()\n")
        config = folder / "user.yaml"
        config.write_text(json.dumps({"programs": {"media": {"command": [sys.executable, str(path)], **settings}},
                                      "retry": {"jitter": "0", "schedule": ["100ms"]}}))
        return dev([], "--config", config, *words)
    return make


def ended(service, function, status="completed", count=1):
    return service.wait_for(function, status, count)


def test_steps_are_done_once_over_retries_and_sleeps(serve, notes):
    service = serve("""
        @stepd.function(event="image/uploaded", retries=3)
        def resize(event, step):
            size = step.run("fetch", lambda: note("fetch") or event.data["size"])
            step.sleep("settle", "200ms")
            def store():
                note("store", step.attempt)
                if step.attempt < 2:
                    raise OSError("disk full")
                return size * 2
            stored = step.run("store", store)
            step.send("tell", "image/stored", {"size": stored})
            return stored
        @stepd.function(event="image/stored")
        async def stored(event, step):
            first, second = await asyncio.gather(step.run("a", lambda: note("a") or 1), step.run("b", lambda: note("b") or 2))
            return [event.data["size"], first, second]
    """)
    service.kafka.send("image/uploaded", {"size": 2 ** 70})
    (run,) = ended(service, "resize")
    (other,) = ended(service, "stored")
    assert sorted(notes()) == ["a", "b", "fetch", "store 0", "store 1", "store 2"]
    assert service.show(other["id"])["output"] == [2 ** 71, 1, 2]
    assert [step["id"] for step in service.show(run["id"])["steps"]] == ["fetch", "settle", "store", "tell"]


def test_branches_are_retried_alone(serve, notes):
    service = serve("""
        @stepd.function(event="both", retries=3)
        def both(event, step):
            tries = []
            def flaky():
                note("flaky")
                if not os.path.exists(os.environ["NOTES"] + ".flag"):
                    open(os.environ["NOTES"] + ".flag", "w")
                    raise OSError("once")
                return 1
            return step.parallel({"flaky": flaky, "steady": lambda: note("steady") or 2})
    """)
    service.kafka.send("both")
    (run,) = ended(service, "both")
    assert service.show(run["id"])["output"] == [1, 2]
    assert sorted(notes()) == ["flaky", "flaky", "steady"]


def test_errors_for_good_and_on_failure(serve, notes):
    service = serve("""
        def sorry(event, step):
            note(step.failure.name, step.failure.step_id)
            step.run("told", lambda: note("told"))
        @stepd.function(event="bad", retries=2, on_failure=sorry)
        def bad(event, step):
            step.run("charge", lambda: (_ for _ in ()).throw(stepd.NonRetriable("no card")))
    """)
    service.kafka.send("bad")
    (run,) = ended(service, "bad", "failed")
    assert run["error"]["name"] == "NonRetriable" and "no card" in run["error"]["message"] and "media.py" in run["error"]["message"]
    eventually(lambda: notes()[-1:] == ["told"])
    assert "NonRetriable charge" in notes()


def test_the_attempt_of_a_run_whose_on_failure_ran_is_the_functions_last(serve, notes):
    service = serve("""
        @stepd.function(event="worse", retries=2, on_failure=lambda event, step: note("sorry"))
        def worse(event, step):
            raise ValueError("again")
    """)
    service.kafka.send("worse")
    (run,) = ended(service, "worse", "failed")
    assert (run["attempt"], service.show(run["id"])["attempt"], run["on_failure"]) == (2, 2, True)


def test_a_process_that_dies_fails_what_it_held_and_is_started_again(serve, notes):
    service = serve("""
        @stepd.function(event="die", retries=0)
        def die(event, step):
            print("my last words", file=sys.stderr, flush=True)
            os.kill(os.getpid(), 9)
        @stepd.function(event="held", retries=1)
        def held(event, step):
            step.run("once", lambda: note("once"))
            if step.attempt == 0 and len(open(os.environ["NOTES"]).readlines()) < 2:
                note("waits")
                time.sleep(60)
    """)
    service.kafka.send("held")
    eventually(lambda: "waits" in notes())
    service.kafka.send("die")
    (run,) = ended(service, "die", "failed")
    assert run["error"]["name"] == "ProgramDied"
    assert "signal 9" in run["error"]["message"] and "my last words" in run["error"]["message"]
    ended(service, "held")
    assert notes().count("once") == 1
    assert "stepd starts it again in 1 s" in service.log()


def test_what_a_process_died_of_is_said_however_long_before_it_closed_its_pipes(serve):
    service = serve("""
        @stepd.function(event="die", retries=0)
        def die(event, step):
            os.close(4)
            time.sleep(0.3)
            os.kill(os.getpid(), 9)
        @stepd.function(event="close", retries=0)
        def close(event, step):
            os.close(4)
            time.sleep(60)
    """)
    service.kafka.send("die")
    (run,) = ended(service, "die", "failed")
    assert "killed by signal 9 (SIGKILL)" in run["error"]["message"]
    service.kafka.send("close")
    (run,) = ended(service, "close", "failed")
    assert "it closed descriptor 4" in run["error"]["message"]


def test_one_that_hangs_past_its_timeout_is_replaced(serve, notes):
    service = serve("""
        @stepd.function(event="hang", retries=0, timeout="500ms")
        def hang(event, step):
            note(os.getpid())
            time.sleep(600)
        @stepd.function(event="good")
        def good(event, step):
            note("good", os.getpid())
    """, drain="1s")
    service.kafka.send("hang")
    (run,) = ended(service, "hang", "failed")
    assert run["error"]["name"] == "HandlerTimeout"
    eventually(lambda: "stepd replaces the process" in service.log())
    pid = notes()[0]
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    service.kafka.send("good")
    ended(service, "good")
    assert f"good {pid}" not in notes()


EVIL = {
    "floods": "data = b'{\"type\":\"log\",\"message\":\"' + b'x' * 100 + b'\"}\\n'\n    while True: os.write(4, data * 100)",
    "prints": "data = b'y' * 65536\n    while True: os.write(1, data)",
    "writes-no-json": "os.write(4, b'hello\\n'); time.sleep(60)",
    "a-long-line": "while True: os.write(4, b'z' * 65536)",
    "closes-3": "os.close(3); time.sleep(60)",
    "closes-4": "os.close(4); time.sleep(60)",
    "strange-calls": "os.write(4, b'{\"type\":\"output\",\"call\":99}\\n'); time.sleep(60)",
    "never-reads": "os.write(4, b'{\"type\":\"hello\",\"protocol\":1,\"functions\":[{\"id\":\"deaf\",\"event\":\"deaf\"}]}\\n'); time.sleep(600)",
    "asks-and-never-reads": """
    import json
    os.write(4, b'{"type":"hello","protocol":1,"functions":[{"id":"greedy","event":"greedy","retries":0,"timeout":"10m"}]}\\n')
    lines = os.fdopen(3, "rb")
    calls = (json.loads(line) for line in lines)
    call = next(line["call"] for line in calls if line["type"] == "call")
    step = b'{"type":"step","call":%d,"id":"large","result":"%s"}\\n'
    data = step % (call, b"x" * 500000)
    while data: data = data[os.write(4, data):]
    while True: os.write(4, step % (call, b""))
    """,
    "forks": "os.fork(); os._exit(3)",
    "other-protocol": "os.write(4, b'{\"type\":\"hello\",\"protocol\":2}\\n'); time.sleep(60)",
}


def test_others_go_on_beside_programs_that_mean_no_good(dev, folder, notes):
    programs = {}
    for name, code in EVIL.items():
        path = folder / f"{name}.py"
        path.write_text(f"import os, time\nif True:\n    {code}\n")
        programs[name] = {"command": [sys.executable, str(path)]}
    good = folder / "good.py"
    good.write_text(HEAD + textwrap.dedent("""
        @stepd.function(event="good", retries=0)
        def good(event, step):
            step.run("a", lambda: 1)
        stepd.serve()
    """))
    programs["good"] = {"command": [sys.executable, str(good)]}
    config = folder / "user.yaml"
    config.write_text(json.dumps({"programs": programs}))
    service = dev([], "--config", config)
    eventually(lambda: "program good: process" in service.log(), 60)
    for number in range(50):
        service.kafka.send("deaf", {"n": number})
        service.kafka.send("good")
    service.kafka.send("greedy")
    ended(service, "good", count=50)
    eventually(lambda: "asks-and-never-reads (process" in service.log(), 120)
    assert "the daemon was" not in service.log()
    log = service.log()
    for fault in ("no JSON object", "closed descriptor 3", "closed descriptor 4", "a call that it does not have", "'protocol' is 2",
                  "it has not read 256 MiB of descriptor 3"):
        assert fault in log, fault


def test_of_two_functions_with_one_id_the_later_is_refused(serve):
    service = serve("""
        @stepd.function(event="a", id="same")
        def first(event, step):
            return 1
        @stepd.function(event="a", id="same")
        def second(event, step):
            return 2
    """)
    service.kafka.send("a")
    (run,) = ended(service, "same")
    assert service.show(run["id"])["output"] == 1
    assert re.search(r"function 'same' is declared twice: at \S*media.py:\d+ and at \S*media.py:\d+", service.log())


def test_a_function_with_a_nul_in_its_declaration_is_refused(serve):
    service = serve("""
        @stepd.function(event="a", id="nul\\0s")
        def first(event, step):
            return 1
        @stepd.function(event="b\\0c", id="second")
        def second(event, step):
            return 2
        @stepd.function(event="a", id="whole")
        def third(event, step):
            return 3
    """)
    service.kafka.send("a")
    service.kafka.send("b")
    ended(service, "whole")
    assert {run["function"] for run in service.runs()} == {"whole"}
    for function in ("nul s", "second"):
        assert re.search(rf"function '{function}', declared at \S*media.py:\d+ is refused: a text of its declaration has a NUL",
                         service.log()), service.log()


def test_a_changed_program_is_replaced_and_what_runs_is_drained(serve, folder, notes):
    service = serve("""
        @stepd.function(event="slow")
        def slow(event, step):
            note("begun")
            time.sleep(2)
            return "old"
    """, "--watch")
    service.kafka.send("slow")
    eventually(lambda: notes() == ["begun"])
    path = folder / "media.py"
    path.write_text(path.read_text().replace('"old"', '"new"').replace("time.sleep(2)", "pass"))
    eventually(lambda: service.log().count(" serves") >= 2, 30)
    service.kafka.send("slow")
    ended(service, "slow", count=2)
    outputs = sorted(service.show(run["id"])["output"] for run in service.runs(function="slow"))
    assert outputs == ["new", "old"]


def metrics(service):
    return urllib.request.urlopen(f"http://{service.at['http']}/metrics", timeout=10 * SLOWER).read().decode()


def test_events_wait_for_a_program_that_can_not_start(serve, folder, notes):
    service = serve("""
        @stepd.function(event="later")
        def later(event, step):
            return 1
    """, "--watch")
    eventually(lambda: " serves" in service.log())
    path = folder / "media.py"
    text = path.read_text()
    path.write_text("raise SystemExit('broken')\n")
    pid = re.findall(r"process (\d+) serves", service.log())[-1]
    time.sleep(1)
    os.kill(int(pid), signal.SIGKILL)
    eventually(lambda: "broken" in service.log())
    eventually(lambda: 'stepd_program_processes{program="media"} 0' in metrics(service))  # what the shipped alert asks for
    service.kafka.send("later")
    time.sleep(1)
    assert "there is no function 'latre'" in service.ctl_run("pause", "latre").stderr
    assert service.ctl_run("pause", "later").returncode == 0  # it is remembered
    assert service.ctl_run("resume", "later").returncode == 0
    path.write_text(text)
    ended(service, "later")


def test_of_a_trace_the_error_is_said(serve):
    service = serve("""
        def read_settings():
            raise ValueError("no such settings")
        read_settings()
    """)
    eventually(lambda: re.search(r"program media \(process \d+\): [^:]*: ValueError: no such settings; stepd starts it again", service.log()))
