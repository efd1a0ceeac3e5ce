# SPDX-License-Identifier: Apache-2.0
"""Functions that are programs: what they are given, what their end means, steps, and programs that mean no good."""
import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import urllib.request

import pytest

from support import BUILD, ROOT, SLOWER, Dev, eventually

EXEC = BUILD / "modules/exec.so"
HELPERS = ROOT / "handlers/exec"
PYTHON = sys.executable


def write_config(folder, topics, functions):
    config = folder / "user.yaml"
    config.write_text(json.dumps({
        "modules": [str(EXEC)],
        "topics": list(topics),
        "functions": {name: {"use": "exec", **({"event": name} if "topic" not in settings else {}), **settings}
                      for name, settings in functions.items()},
    }))
    return config


def write_program(folder, text, *before):
    """Its command."""
    path = folder / f"program-{len(list(folder.glob('program-*')))}"
    path.write_text(textwrap.dedent(text))
    return [*map(str, before or [PYTHON]), str(path)]


@pytest.fixture
def serve(dev, folder):
    """A `stepd dev` with functions of `exec`: serve(name={settings}); the event of each is its name."""
    def make(*words, topics=("events",), **functions):
        config = write_config(folder, topics, functions)
        return dev([], "--config", config, "--retry-interval", "200ms", *words)
    return make


@pytest.fixture
def program(folder):
    return lambda text, *before: write_program(folder, text, *before)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One `stepd dev` with a function for each row of the tables below: their tests have nothing else in common."""
    folder = tmp_path_factory.mktemp("shared")
    functions = {}
    for table, settings in TABLES.items():
        for number, row in enumerate(table_rows(table)):
            functions[f"{table}-{number}"] = settings(row, folder)
    functions["good"] = {"command": ["true"]}
    config = write_config(folder, ["events"], functions)
    service = Dev(folder / "dev", [], "--config", config, "--retry-interval", "200ms").start()
    yield service
    assert "the daemon was" not in service.log() and "started again" not in service.log()
    assert service.stop() == 0


def run_of(service, table, row, status, seconds=30):
    """Starts the function of that row; its run once it ended so."""
    name = f"{table}-{list(table_rows(table)).index(row)}"
    service.kafka.send(name)
    (run,) = service.wait_for(name, status, seconds=seconds)
    return run


def expect_good(service):
    count = len(service.runs(function="good", status="completed"))
    service.kafka.send("good")
    service.wait_for("good", "completed", count + 1)


def sh(script):
    return ["sh", "-c", script]


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- what a program is given, and what its end means -------------------------------------------------


def test_the_event_comes_on_standard_input(serve):
    service = serve(echo={"command": ["cat"]})
    service.kafka.send("echo", {"n": 1}, key="ada", id="e1", user={"id": 5}, ts=1600000000000)
    (run,) = service.wait_for("echo", "completed")
    assert run["output"] == {"id": "e1", "name": "echo", "data": {"n": 1}, "user": {"id": 5}, "ts": 1600000000000,
                             "topic": "events", "partition": 0, "offset": 0, "key": "ada", "headers": {}}


def test_the_environment_says_what_runs(serve):
    service = serve(tell={"command": ["env", "-0"], "env": {"QUALITY": "80", "PATH": "/usr/bin:/bin"}}, other={
        "command": ["env", "-0"], "inherit_env": False})
    service.kafka.send("tell", id="e1")
    service.kafka.send("other")
    (run,) = service.wait_for("tell", "completed")
    seen = dict(entry.split("=", 1) for entry in run["output"].split("\0") if entry)
    assert seen["STEPD_RUN_ID"] == run["id"]
    assert seen["QUALITY"] == "80"
    assert seen["PATH"] == "/usr/bin:/bin"
    wanted = {"STEPD_FUNCTION": "tell", "STEPD_ATTEMPT": "0", "STEPD_MAX_ATTEMPTS": "5", "STEPD_EVENT_ID": "e1",
              "STEPD_EVENT_NAME": "tell", "STEPD_TOPIC": "events", "STEPD_PARTITION": "0", "STEPD_OFFSET": "0"}
    assert {name: seen[name] for name in wanted} == wanted
    assert "HOME" in seen or "HOME" not in os.environ
    (run,) = service.wait_for("other", "completed")
    names = {entry.split("=")[0] for entry in run["output"].split("\0") if entry}
    assert {name for name in names if not name.startswith("STEPD_")} == {"PATH"}


def test_no_shell_reads_the_command(serve):
    service = serve(plain={"command": ["printf", "%s|", "$HOME", "; echo", "`id`", "*"]})
    service.kafka.send("plain")
    (run,) = service.wait_for("plain", "completed")
    assert run["output"] == "$HOME|; echo|`id`|*|"


def test_raw_bytes_of_a_topic(serve):
    service = serve(topics=["events", "legacy"], bytes={"topic": "legacy", "command": ["od", "-An", "-tx1"], "input": "raw"},
                    event={"topic": "legacy", "command": ["cat"]})
    service.kafka.produce(b"\x00\xff\n{", topic="legacy")
    (run,) = service.wait_for("bytes", "completed")
    assert run["output"].split() == ["00", "ff", "0a", "7b"]
    (run,) = service.wait_for("event", "completed")
    assert run["output"]["data_base64"] == "AP8Kew=="


def test_the_directory_is_where_it_runs(serve, folder):
    service = serve(pwd={"command": ["pwd"], "directory": str(folder)})
    service.kafka.send("pwd")
    (run,) = service.wait_for("pwd", "completed")
    assert run["output"] == str(folder)


def test_a_relative_directory_counts_from_the_folder_of_the_config(serve, folder):
    (folder / "work").mkdir()
    service = serve(pwd={"command": ["pwd"], "directory": "work"})
    service.kafka.send("pwd")
    (run,) = service.wait_for("pwd", "completed")
    assert run["output"] == str(folder / "work")


PRINTED = {"NaN\n": None, '{"a": [-Infinity, 1e400]}': '{"a": [-Infinity, 1e400]}', '{"a": [-Infinity]}': {"a": [None]},
           "123456789012345678901234567890\n": 123456789012345678901234567890, "": None, "plain\ntext\n": "plain\ntext", '{"a": [1]}\n': {"a": [1]}, "7\n": 7, r"\377": "/w=="}


@pytest.mark.parametrize("printed", PRINTED)
def test_what_it_prints_is_the_output(shared, printed):
    assert run_of(shared, "PRINTED", printed, "completed")["output"] == PRINTED[printed]


# What the program does in its first two attempts: how the run ends, after how many attempts, with what message.
ENDS = {
    "exit 64": ("failed", 1, "exit status 64"),
    "exit 65": ("failed", 1, "exit status 65"),
    "exit 75": ("completed", 3, None),
    "exit 1": ("completed", 3, None),
    "kill -9 $$": ("completed", 3, None),
    "echo first >&2; echo 'no such user' >&2; exit 64": ("failed", 1, "exit status 64: no such user"),
    "printf 'disk is full\\r\\n' | iconv -t UTF-16LE >&2; exit 64": ("failed", 1, "exit status 64: d i s k   i s   f u l l"),
    r"printf 'first\n\0second\n' >&2; exit 64": ("failed", 1, "exit status 64: second"),
    "printf 'Error: db is down\\nplease retry\\n    at f (x.js:1:2)\\n\\nNode.js v20.20.2\\n' >&2; exit 64":
        ("failed", 1, "exit status 64: Error: db is down"),
}


@pytest.mark.parametrize("end", ENDS)
def test_what_its_end_means(shared, end):
    status, attempts, message = ENDS[end]
    run = run_of(shared, "ENDS", end, status)
    assert run["attempt"] == attempts - 1
    assert run["error"] == (None if message is None else {"name": "ProgramFailed", "message": message})


def test_says_when_to_come_back(serve):
    service = serve(later={"command": sh('[ "$STEPD_ATTEMPT" = 1 ] && exit 0; echo "Retry-After: 2" >&2; exit 75')})
    service.kafka.send("later")
    (run,) = service.wait_for("later", "completed")
    first, second = service.show(run["id"])["attempts"]
    assert 2000 <= second["started_ms"] - first["started_ms"] < 4000 * SLOWER


def test_an_event_keeps_its_values(serve):
    service = serve(echo={"command": ["cat"], "input": "data"})
    service.kafka.produce(r'{"name":"echo","data":{"n":18446744073709551616,"z":-0,"x":[NaN,-Infinity],"s":"a\ud800b\ud83d\ud83d","k\udc00":"\u0000"}}')
    (run,) = service.wait_for("echo", "completed")
    assert run["output"] == {"n": 18446744073709551616, "z": 0, "x": [None, None], "s": "a\ufffdb\ufffd\ufffd", "k\ufffd": "\0"}
    assert '"z":-0,' in service.ctl_run("--json", "runs").stdout.replace(" ", "")


def test_an_id_that_no_variable_holds_is_in_the_input(serve):
    service = serve(big={"command": sh('echo "$(printenv STEPD_EVENT_ID || echo none) $(wc -c)"')})
    service.kafka.send("big", id="x" * 131_100)
    (run,) = service.wait_for("big", "completed")
    unset, size = run["output"].split()
    assert unset == "none" and int(size) > 131_100
    assert "the program gets no variable STEPD_EVENT_ID" in service.log()


def test_output_that_is_cut_is_said(serve):
    service = serve(big={"command": [PYTHON, "-c", "import json; print(json.dumps(['é'] * 20000, ensure_ascii=False))"]})
    service.kafka.send("big")
    (run,) = service.wait_for("big", "completed")
    assert 65530 < len(run["output"].encode()) <= 65536
    assert run["output"].startswith('["é", ')
    assert "more than max_output (65536 bytes)" in service.log()


def test_a_program_is_looked_for_in_the_path_of_its_environment(serve, folder):
    (folder / "bin").mkdir()
    (folder / "bin/own-tool").write_text("#!/bin/sh\necho mine\n")
    (folder / "bin/own-tool").chmod(0o755)
    service = serve(own={"command": ["own-tool"], "env": {"PATH": f"{folder}/bin:/usr/bin:/bin"}})
    service.kafka.send("own")
    (run,) = service.wait_for("own", "completed")
    assert run["output"] == "mine"


def test_a_retry_after_is_cut(serve, folder):
    service = serve(later={"command": sh('[ "$STEPD_ATTEMPT" = 1 ] && exit 0; echo "Retry-After: 1764374400" >&2; exit 75')})
    service.kafka.send("later")
    (run,) = service.wait_for("later", "delayed")
    assert 86_000_000 < run["due_ms"] - run["created_ms"] < 87_000_000
    assert "cut to retry.max_after, 86400 s" in service.log()


def test_fail_on_is_a_setting(serve):
    service = serve(picky={"command": sh("exit 3"), "fail_on": [3]})
    service.kafka.send("picky")
    (run,) = service.wait_for("picky", "failed")
    assert run["attempt"] == 0


def test_a_program_that_is_not_there_is_waited_for(serve, folder):
    path = folder / "later"
    service = serve(late={"command": [str(path)], "retries": 50}, lost={"command": ["true"], "directory": f"{folder}/none", "retries": 0})
    service.kafka.send("late")
    (run,) = service.wait_for("late", "delayed")
    assert run["error"] == {"name": "ProgramMissing", "message": f"{path} can't be run: No such file or directory"}
    service.kafka.send("lost")
    (run,) = service.wait_for("lost", "failed")
    assert run["error"]["message"] == f"true can't be run in {folder}/none: No such file or directory"
    path.write_text("#!/bin/sh\necho here\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (run,) = service.wait_for("late", "completed")
    assert run["output"] == "here"


def test_one_past_its_time_is_ended_with_its_group(serve, folder):
    pids = folder / "pids"
    service = serve(slow={"command": sh(f"trap '' TERM; sleep 1000 & echo $$ $! >>{pids}; wait; wait"), "timeout": "2s", "retries": 1})
    service.kafka.send("slow")
    (run,) = service.wait_for("slow", "failed")
    assert run["error"]["name"] == "HandlerTimeout"
    all_pids = [int(pid) for line in lines(pids) for pid in line.split()]
    assert len(all_pids) == 4
    eventually(lambda: not any(map(is_alive, all_pids)))


def test_hanging_programs_cost_no_thread(serve):
    service = serve(hang={"command": ["sleep", "1000"], "timeout": "500ms", "retries": 0}, good={"command": ["true"]})
    for _ in range(64):
        service.kafka.send("hang")
    service.kafka.send("good")
    service.wait_for("hang", "failed", 64)
    service.wait_for("good", "completed")
    assert "started again" not in service.log()


def test_errors_of_the_config_have_their_place(folder):
    config = folder / "stepd.yaml"
    config.write_text(f"kafka: {{bootstrap.servers: b}}\ntopics: [events]\nmodules: [{EXEC}]\nfunctions:\n  a: {{use: exec, event: e, command: []}}\n"
                      "  b: {use: exec, event: e, command: [x], input: evnt}\n  c: {use: exec, event: e, command: [x], fail_on: [300]}\n"
                      "  d: {use: exec, event: e}\n")
    done = subprocess.run([BUILD / "bin/stepd", "--check", "--config", config], capture_output=True, text=True)
    assert done.returncode == 78
    for wanted in (r":5:.*\[function a\] 'command' must be a list", r":6:.*\[function b\] 'input' must be .*not 'evnt'",
                   r":7:.*\[function c\] 'fail_on' .*not '300'", r":8:.*\[function d\] needs option 'command'"):
        assert re.search(wanted, done.stderr + done.stdout), done.stderr + done.stdout


def test_an_option_of_the_module_is_refused_before_the_start(folder):
    config = folder / "stepd.yaml"
    for wrong in (0, 100001, "many"):
        config.write_text(f"kafka: {{bootstrap.servers: b}}\ntopics: [events]\nmodules: [{EXEC}]\noptions:\n  exec: {{in_flight: {wrong}}}\n"
                          "functions:\n  a: {use: exec, event: e, command: [x]}\n")
        done = subprocess.run([BUILD / "bin/stepd", "--check", "--config", config], capture_output=True, text=True)
        assert done.returncode == 78, done
        assert re.search(rf"stepd.yaml:5:.*'?in_flight'?.*{wrong}", done.stderr), done.stderr


# ---- steps ---------------------------------------------------------------------------------------------

# Runs the lines of a script: ["ask", line, answer], and anything else as code.
TALK = """\
import json, os, sys
asked, answered = os.fdopen(3, "wb", 0), os.fdopen(4, "rb")
def ask(line, *wanted):
    asked.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\\n")
    answer = json.loads(answered.readline() or "null")
    assert not wanted or answer in wanted, (line, answer)
    return answer
attempt = int(os.environ["STEPD_ATTEMPT"])
"""


def test_the_protocol(serve, program):
    talk = program(TALK + textwrap.dedent("""
        first = ask({"step": "charge"})
        if "run" in first:
            assert first == {"run": True, "attempt": attempt}, first
            if attempt == 0:
                ask({"step": "charge", "error": {"name": "Busy", "message": "later", "retry_after_ms": 500}}, {"suspend": True})
                ask({"step": "whatever"}, {"suspend": True})
                sys.exit(0)
            ask({"step": "charge", "result": {"receipt": 1}}, {"ok": True})
        else:
            assert first == {"result": {"receipt": 1}}, first
        answer = ask({"step": "doomed"}, {"run": True, "attempt": 0}, {"failed": {"name": "No", "message": "never"}})
        if "run" in answer:
            ask({"step": "doomed", "error": {"name": "No", "message": "never", "retriable": False}}, {"failed": {"name": "No", "message": "never"}})
        if "suspend" in ask({"sleep": "nap", "ms": 300}, {"ok": True}, {"suspend": True}):
            sys.exit(0)
        ask({"send": "tell", "name": "told", "data": {"n": 1}}, {"ok": True})
        ask({"send": "tell nothing", "name": "told"}, {"ok": True})
        for number in range(3):
            answer = ask({"step": "again"}, {"run": True, "attempt": 0})
            ask({"step": "again", "result": number}, {"ok": True})
        ask({"output": {"is": "kept"}}, {"ok": True})
        print("is not kept")
    """))
    service = serve(talk={"command": talk}, told={"command": ["cat"], "input": "data"})
    service.kafka.send("talk")
    (run,) = service.wait_for("talk", "completed")
    shown = service.show(run["id"])
    steps = {step["id"]: step for step in shown["steps"]}
    assert list(steps) == ["charge", "doomed", "nap", "tell", "tell nothing", "again", "again:1", "again:2"]
    assert steps["charge"]["output"] == {"receipt": 1}
    assert steps["charge"]["attempts"] == 2
    assert steps["doomed"]["error"]["name"] == "No"
    assert [steps[name]["output"] for name in ("again", "again:1", "again:2")] == [0, 1, 2]
    assert shown["output"] == {"is": "kept"}
    times = [attempt["started_ms"] for attempt in shown["attempts"]]
    assert len(times) == 3
    assert 500 <= times[1] - times[0] < 3000 * SLOWER
    assert 300 <= times[2] - times[1] < 3000 * SLOWER
    told = service.wait_for("told", "completed", 2)
    assert {json.dumps(each["output"]) for each in told} == {'{"n": 1}', "null"}


WRONG = {
    "no JSON": b"hello",
    "bytes": b"\x00\xff\xfe",
    "nothing": b"",
    "no object": b"[1]",
    "two of them": b'{"step":"a"}{"step":"b"}',
    "another key": b'{"step":"a","resutl":1}',
    "both": b'{"step":"a","result":1,"error":{"name":"x"}}',
    "no id": b'{"step":""}',
    "id of another type": b'{"step":7}',
    "id too long": b'{"step":"' + 201 * b"x" + b'"}',
    "id with a NUL": b'{"step":"a\\u0000b"}',
    "a result of no step": b'{"step":"a","result":1}',
    "error is no object": b'{"step":"a","error":"x"}',
    "sleep without a time": b'{"sleep":"a"}',
    "sleep into the past": b'{"sleep":"a","ms":-1}',
    "sleep of no number": b'{"sleep":"a","ms":"1"}',
    "event without a name": b'{"send":"a","data":1}',
    "deep": b'{"output":' + 1000 * b"[" + 1000 * b"]" + b"}",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_request_fails_the_run(shared, wrong):
    run = run_of(shared, "WRONG", wrong, "failed")
    assert run["error"]["name"] == "ProtocolError"
    assert run["attempt"] == 0
    assert f"{run['id'][:8]}  attempt 0  was told {{'error': " in shared.log()
    expect_good(shared)


NESTED = {
    "another step": '{"step":"b"}',
    "the result of another": '{"step":"b","result":1}',
    "a sleep": '{"sleep":"a","ms":1}',
    "the output": '{"output":1}',
    "no JSON": "x",
}


@pytest.mark.parametrize("nested", NESTED)
def test_a_step_that_runs_has_to_be_reported_first(shared, nested):
    run = run_of(shared, "NESTED", nested, "failed")
    assert run["error"]["name"] == "ProtocolError"
    assert run["attempt"] == 0


def test_a_program_that_ends_within_a_step_has_it_retried(serve, program):
    talk = program(TALK + textwrap.dedent("""
        for name in "ab":
            if "run" in ask({"step": name}):
                if name == "b" and attempt == 0:
                    sys.exit(0)
                if name == "b" and attempt == 1:
                    os.kill(os.getpid(), 9)
                ask({"step": name, "result": attempt})
    """))
    service = serve(talk={"command": talk})
    service.kafka.send("talk")
    (run,) = service.wait_for("talk", "completed")
    steps = {step["id"]: step for step in service.show(run["id"])["steps"]}
    assert steps["a"]["attempts"] == 1
    assert steps["b"]["attempts"] == 3
    assert steps["b"]["output"] == 2


def test_a_failed_step_that_nobody_handles_is_the_runs_error(serve, program):
    fail = """
        if "run" in ask({"step": "a"}):
            ask({"step": "a", "error": {"name": "Broken", "message": "for good", "retriable": False}})
    """
    service = serve(fails={"command": program(TALK + textwrap.dedent(fail) + "sys.exit(1)")},
                    again={"command": program(TALK + textwrap.dedent(fail) + "sys.exit(75 if attempt == 0 else 0)")},
                    handles={"command": program(TALK + textwrap.dedent(fail) + "print('went on')")})
    for name in ("fails", "again", "handles"):
        service.kafka.send(name)
    (run,) = service.wait_for("fails", "failed")
    assert run["error"] == {"name": "Broken", "message": "for good", "step": "a"}
    assert run["attempt"] == 0
    (run,) = service.wait_for("again", "completed")
    assert run["attempt"] == 1
    (run,) = service.wait_for("handles", "completed")
    assert run["output"] == "went on"


def test_a_large_result_comes_back(serve, program):
    size = 3_000_000
    talk = program(TALK + textwrap.dedent(f"""
        answer = ask({{"step": "large"}})
        if "run" in answer:
            ask({{"step": "large", "result": "x" * {size}}}, {{"ok": True}})
            sys.exit(75)
        print(len(answer["result"]))
    """))
    service = serve(talk={"command": talk})
    service.kafka.send("talk")
    (run,) = service.wait_for("talk", "completed")
    assert run["output"] == size


# ---- the helpers and their examples ------------------------------------------------------------------


def example(language):
    if language == "python":
        return {"command": [PYTHON, str(HELPERS / "python/order.py")]}
    if language == "node":
        if shutil.which("node") is None:
            pytest.skip("there is no node")
        return {"command": ["node", str(HELPERS / "node/order.js")]}
    return {"command": [str(HELPERS / "shell/order.sh")], "input": "data"}


@pytest.mark.parametrize("language", ["python", "node", "shell"])
def test_an_example_that_is_killed_in_its_second_step_goes_on_with_it(serve, folder, language):
    book = folder / "book"
    settings = example(language)
    service = serve(order={**settings, "env": {"ORDER_BOOK": str(book), "BANK_SECONDS": "4"}})
    service.kafka.send("order", {"id": 17, "amount": 5} if language != "shell" else 17)
    eventually(lambda: lines(book)[-1:] == ["17 charge"])
    pids = subprocess.run(["pgrep", "-f", settings["command"][-1]], capture_output=True, text=True).stdout.split()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # one may have died with another
            os.kill(int(pid), signal.SIGKILL)
    (run,) = service.wait_for("order", "completed", seconds=40)
    assert [line.split()[1] for line in lines(book)] == ["reserve", "charge", "charge", "ship"]
    steps = {step["id"]: step for step in service.show(run["id"])["steps"]}
    assert (steps["reserve"]["attempts"], steps["charge"]["attempts"], steps["ship"]["attempts"]) == (1, 2, 1)
    assert run["output"] == {"shipped": 17}


def test_a_helper_handles_a_failure_and_rolls_back(serve, folder):
    book = folder / "book"
    service = serve(order={**example("python"), "env": {"ORDER_BOOK": str(book), "SETTLE_SECONDS": "0.5"}})
    service.kafka.send("order", {"id": "o1", "amount": 5000})
    (run,) = service.wait_for("order", "failed")
    assert run["attempt"] == 0
    assert "charge: NonRetriable: the card has a limit of 1000" in run["error"]["message"]
    assert lines(book) == ["o1 reserve", "o1 charge", "o1 release"]
    service.kafka.send("order", {"id": "o2", "amount": 5})
    (run,) = service.wait_for("order", "completed")
    assert [step["id"] for step in service.show(run["id"])["steps"]] == ["reserve", "charge", "let the bank settle", "ship", "tell"]


VALUES = {
    "float('nan')": None,
    "{'a': [float('inf'), -float('inf')], 'b': 1.5}": {"a": [None, None], "b": 1.5},
    "123456789012345678901234567890": 123456789012345678901234567890,
    "[-18446744073709551616, 18446744073709551615, -0.0]": [-18446744073709551616, 18446744073709551615, -0.0],
    r"'\ud83d\ud83d x \ud83d\ude00 \udc00'": "\ufffd\ufffd x \U0001f600 \ufffd",
    r"{'k\ud800': 'a\0b'}": {"k\ufffd": "a\0b"},
}


def value_program(value):
    """Fails in its first attempt, so that the second has the step's result from before: both have to see the same."""
    return [PYTHON, "-c", textwrap.dedent(f"""
        import stepd, sys
        result = stepd.step('s', lambda: {value})
        print("SAW", ascii(result), file=sys.stderr)
        if stepd.attempt() == 0:
            sys.exit(1)
        stepd.output(result)
    """)]


@pytest.mark.parametrize("value", VALUES)
def test_a_step_gives_the_same_value_in_each_attempt(shared, value):
    run = run_of(shared, "VALUES", value, "completed")
    assert run["output"] == VALUES[value]
    said = dict(re.findall(rf"{run['id'][:8]}.*attempt ([01])  SAW (.*)", shared.log()))
    assert said["0"] == said["1"] == ascii(VALUES[value])


NODE_VALUES = {
    "123456789012345678901234567890n": 123456789012345678901234567890,
    "[NaN, -Infinity, 2 ** 60]": [None, None, 2.0 ** 60],
    r"'\ud83d\ud83d'": "\ufffd\ufffd",
    "undefined": None,
}


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("value", NODE_VALUES)
def test_a_step_of_node_gives_the_same_value_in_each_attempt(shared, value):
    run = run_of(shared, "NODE_VALUES", value, "completed")
    assert run["output"] == NODE_VALUES[value]
    said = dict(re.findall(rf"{run['id'][:8]}.*attempt ([01])  SAW (.*)", shared.log()))
    assert said["0"] == said["1"]


NODE_ENDS = {
    "throw new Error('db is down')": ("failed", "exit status 1: Error: db is down"),
    "throw new Error('db is down\\nplease retry')": ("failed", "exit status 1: Error: db is down"),
    "await stepd.step('s', () => { throw null; })": ("failed", "null"),
    "throw new stepd.NonRetriable('never')": ("failed", "exit status 65: Error: never"),
    "console.log(JSON.stringify(await Promise.all([1, 2, 3].map((n) => stepd.step('s' + n, async () => n)))))": ("completed", [1, 2, 3]),
    "await stepd.step('s', () => stepd.step('t', () => 1))": ("failed", "steps do not nest: ask for what comes next when the step has returned"),
}


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
@pytest.mark.parametrize("end", NODE_ENDS)
def test_what_the_node_helper_makes_of_an_end(shared, end):
    status, wanted = NODE_ENDS[end]
    run = run_of(shared, "NODE_ENDS", end, status)
    assert (run["output"] if status == "completed" else run["error"]["message"]) == wanted


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_a_program_of_node_without_the_helper_says_its_error(serve):
    service = serve(n={"command": ["node", "-e", 'throw new Error("db is down")'], "retries": 0})
    service.kafka.send("n")
    (run,) = service.wait_for("n", "failed")
    assert run["error"]["message"] == "exit status 1: Error: db is down"


def test_a_shells_step_may_print_several_lines(serve):
    script = f". {HELPERS}/shell/stepd.sh; step s printf '{{\n \"a\": 1\n}}\n' || exit 1; echo \"$result\""
    service = serve(shell={"command": ["sh", "-c", script]})
    service.kafka.send("shell")
    (run,) = service.wait_for("shell", "completed")
    assert run["output"] == {"a": 1}


def test_a_program_may_sleep_for_two_years(serve, program):
    service = serve(nap={"command": program("import stepd\nstepd.sleep('nap', 2 * 365 * 86400)"), "env": {"PYTHONPATH": str(HELPERS / "python")}})
    service.kafka.send("nap")
    (run,) = service.wait_for("nap", "sleeping")
    assert run["due_ms"] - run["created_ms"] > 2 * 364 * 86_400_000


PYTHON_ENDS = {
    "raise stepd.NonRetriable('no')": ("failed", 0),
    "raise stepd.RetryAfter(0.1, 'later')": ("completed", 1),
    "raise ValueError('oops')": ("completed", 1),
    "stepd.step('s', boom, stepd.RetryAfter(0.1))": ("completed", 1),
    "stepd.step('s', boom, ValueError('x'))": ("completed", 1),
    "stepd.step('s', boom, stepd.NonRetriable('x'))": ("failed", 0),
    "stepd.step('s', lambda: object())": ("completed", 1),
}


@pytest.mark.parametrize("end", PYTHON_ENDS)
def test_what_the_python_helper_makes_of_an_exception(shared, end):
    status, attempt = PYTHON_ENDS[end]
    assert run_of(shared, "PYTHON_ENDS", end, status)["attempt"] == attempt


# ---- programs that mean no good ------------------------------------------------------------------------

HOSTILE = {
    "an endless line": ("yes | tr -d '\\n' >&3", "failed", "ProtocolError"),
    "endless lines": ("yes '{\"output\":1}' >&3; exit 0", "failed", "HandlerTimeout"),
    "endless lines, and a reader of answers": ("cat <&4 >/dev/null & yes '{\"output\":1}' >&3", "failed", "ProtocolError"),
    "endless output": ("yes", "failed", "HandlerTimeout"),
    "endless complaints": ("yes >&2", "failed", "HandlerTimeout"),
    "random bytes": ("head -c 100000 /dev/urandom | tee /dev/stderr >&3", "failed", "ProtocolError"),
    "all descriptors closed": ("exec 0<&- 1>&- 2>&- 3>&- 4<&-; exit 0", "completed", None),
    "no answer is read": ("exec 4<&-; echo '{\"step\":\"a\"}' >&3; sleep 1000", "failed", "HandlerTimeout"),
    "a grandchild holds them open": ("sleep 1000 & exit 0", "completed", None),
    "a grandchild in a group of its own holds them open": ("setsid sleep 3 & exit 0", "completed", None),
    "it asks and never reads": ("while :; do echo '{\"output\":\"xxxxxxxx\"}' >&3 || exit 0; done", "failed", None),
    "it stops itself": ("kill -STOP $$", "failed", "HandlerTimeout"),
    "it ignores the end": ("trap '' TERM; echo x >&3; sleep 1000", "failed", "ProtocolError"),
}


def ends_by_itself(how):
    _, status, name = HOSTILE[how]
    return status == "completed" or name == "ProtocolError"


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_program_harms_nobody(shared, how):
    _, status, name = HOSTILE[how]
    run = run_of(shared, "HOSTILE", how, status)
    assert name is None or run["error"]["name"] == name
    expect_good(shared)


def test_a_program_dies_with_its_daemon_and_the_run_goes_on(serve, folder):
    pids = folder / "pids"
    service = serve(long={"command": sh(f'echo $$ >>{pids}; [ $(wc -l <{pids}) -gt 1 ] || exec sleep 1000')})
    service.kafka.send("long")
    (first,) = eventually(lambda: lines(pids))
    daemon = int(subprocess.run(["ps", "-o", "ppid=", "-p", first], capture_output=True, text=True).stdout)
    os.kill(daemon, signal.SIGKILL)
    eventually(lambda: not is_alive(int(first)))
    service.wait_for("long", "completed", seconds=60)


def test_an_attempt_takes_as_long_as_its_program(serve):
    """The program runs while no thread waits for it: its time is the attempt's all the same."""
    service = serve(slow={"command": sh("sleep 1.2")})
    service.kafka.send("slow")
    (run,) = service.wait_for("slow", "completed")
    assert service.show(run["id"])["attempts"][0]["duration_ms"] >= 1200
    with urllib.request.urlopen(f"http://{service.at['http']}/metrics", timeout=60) as answer:
        (spent,) = re.findall(r'^stepd_attempt_duration_seconds_sum{function="slow"} (.*)$', answer.read().decode(), re.M)
    assert float(spent) >= 1.2
    (told,) = re.findall(r"^.*slow.*$", service.log().split("dev ready", 1)[1], re.M)
    assert " 0 ms" not in told and "1." in told


# ---- the functions of the tables ------------------------------------------------------------------------


def talking(folder, lines):
    return {"command": write_program(folder, TALK + textwrap.dedent(lines))}


TABLES = {
    "PRINTED": lambda row, folder: {"command": ["printf", row.replace("\n", r"\n")]},
    "ENDS": lambda row, folder: {"command": sh(f'[ "$STEPD_ATTEMPT" -lt 2 ] || exit 0; {row}')},
    "WRONG": lambda row, folder: talking(folder, f"""
        answer = ask({WRONG[row]!r})
        assert list(answer) == ["error"], answer
        print("was told", answer, file=sys.stderr)
    """),
    "NESTED": lambda row, folder: talking(folder, f"""
        ask({{"step": "a"}}, {{"run": True, "attempt": 0}})
        assert list(ask({NESTED[row].encode()!r})) == ["error"]
    """),
    "PYTHON_ENDS": lambda row, folder: {"env": {"PYTHONPATH": str(HELPERS / "python")}, "command": write_program(folder, f"""
        import stepd
        def boom(error):
            raise error
        if stepd.attempt() == 0:
            {row}
    """)},
    "VALUES": lambda row, folder: {"env": {"PYTHONPATH": str(HELPERS / "python")}, "command": value_program(row)},
    "NODE_VALUES": lambda row, folder: {"command": ["node", "-e", f"""
        const stepd = require('{HELPERS}/node/stepd.js');
        stepd.step('s', () => ({row})).then((result) => {{
            console.error('SAW', typeof result, result);
            if (process.env.STEPD_ATTEMPT === '0') process.exit(1);
            stepd.output(result);
        }});
    """]},
    "NODE_ENDS": lambda row, folder: {"retries": 0, "command": ["node", "-e", f"""
        const stepd = require('{HELPERS}/node/stepd.js');
        (async () => {{ {row} }})();
    """]},
    "HOSTILE": lambda row, folder: {"command": sh(HOSTILE[row][0]), "timeout": "1m" if ends_by_itself(row) else "2s", "retries": 0,
                                    "max_line": "64KiB"},
}


def table_rows(name):
    return globals()[name]
