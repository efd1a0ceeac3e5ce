# SPDX-License-Identifier: Apache-2.0
"""What a config need not say: where the ready-made modules are, where the crash journal is, which topics a module's functions want."""
import json
import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import BUILD, STEPCTL, STEPD, Daemon, Dev, eventually


def config_of(folder, **settings):
    path = folder / "given.yaml"
    path.write_text(json.dumps(settings))
    return path


@pytest.mark.parametrize("template", ["exec", "http"])
def test_ready_made_module_is_there_without_being_named(template, tmp_path):
    more = {"exec": {"command": ["true"]}, "http": {"url": "http://127.0.0.1:1/", "retries": 0}}[template]
    dev = Dev(tmp_path, [], "--config", config_of(tmp_path, topics=["events"], functions={"mine": {"use": template, "event": "a", **more}})).start()
    try:
        assert [function["id"] for function in dev.ctl("functions")] == ["mine"]
        dev.kafka.send("a")
        dev.wait_for("mine", {"exec": "completed", "http": "failed"}[template])
    finally:
        dev.stop()


def check(folder, **settings):
    config = config_of(folder, kafka={"bootstrap.servers": "127.0.0.1:1"}, topics=["events"], **settings)
    return subprocess.run([STEPD, "--check", "--config", config], capture_output=True, text=True, timeout=60)


def test_service_finds_the_ready_made_modules_and_their_options(tmp_path):
    done = check(tmp_path, functions={"mine": {"use": "exec", "event": "a", "command": ["true"]}, "web": {"use": "http", "event": "b", "url": "http://h/"}})
    assert done.returncode == 0, done.stderr


def test_ready_made_module_that_is_named_all_the_same_is_loaded_once(tmp_path):
    done = check(tmp_path, modules=[str(BUILD / "modules/exec.so")], functions={"mine": {"use": "exec", "event": "a", "command": ["true"]}})
    assert done.returncode == 0, done.stderr


def test_template_that_nobody_ships_is_a_slip_still(tmp_path):
    done = check(tmp_path, functions={"mine": {"use": "exex", "event": "a", "command": ["true"]}})
    assert done.returncode == 78 and "no module has a template 'exex'" in done.stderr, done.stderr


def test_daemon_without_systemd_has_a_crash_journal_of_its_own(tmp_path):
    dev = Dev(tmp_path / "dev").start()
    try:
        daemon = Daemon(tmp_path / "daemon", dev.kafka, SimpleNamespace(url=f"redis://{dev.at['redis']}/0"), [])
        daemon.start()
        (journal,) = (daemon.folder / "state/stepd").glob("journal-stepd-*")
        assert f"the crash journal is {journal}" in subprocess.run([STEPCTL, "--config", daemon.config, "doctor"], capture_output=True, text=True,
                                                                   env=daemon.env).stdout
        daemon.stop()
    finally:
        dev.stop()


def states_in_name_space(outer):
    """Of the processes in the name space whose process 1 is a child of `outer`: (id there, name, state)."""
    found = []
    (first,) = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
    space = os.readlink(f"/proc/{first}/ns/pid")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "ns/pid") == space:
                status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
                found.append((int(status["NSpid"].split()[-1]), status["Name"], status["State"][0]))
        except OSError:
            continue
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a name space of processes here")
def test_first_process_reaps_what_programs_leave_and_hands_signals_on(tmp_path):
    dev = Dev(tmp_path / "dev").start()
    try:
        leaver = {"use": "exec", "event": "leave", "command": ["sh", "-c", "(setsid setsid -f sleep 0.2 & setsid -f sleep 0.3 &) ; exit 0"]}
        daemon = Daemon(tmp_path / "daemon", dev.kafka, SimpleNamespace(url=f"redis://{dev.at['redis']}/0"), [],
                        {"functions": {"leave": leaver}, "history": "all", "topics": ["leavers"]})
        daemon.words = ["unshare", "--pid", "--fork", "--mount-proc", *daemon.words]
        daemon.start()
        for _ in range(3):
            dev.kafka.send("leave", topic="leavers")
        daemon.wait_for("leave", "completed", 3)
        eventually(lambda: not [name for _, name, _ in states_in_name_space(daemon.process.pid) if name == "sleep"])
        states = states_in_name_space(daemon.process.pid)
        assert (1, "stepd") in [(pid, name) for pid, name, _ in states]
        assert "Z" not in [state for _, _, state in states], states
        (first,) = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGHUP)
        eventually(lambda: "config reloaded" in daemon.log(), what=daemon.log)
        os.kill(int(first), signal.SIGTERM)
        assert daemon.process.wait(60) == 0, daemon.log()
    finally:
        dev.stop()


def test_stepd_dev_says_how_to_read_the_topic_of_a_function(tmp_path):
    given = config_of(tmp_path, functions={"raw": {"use": "exec", "topic": "measured", "command": ["true"]}})
    dev = Dev(tmp_path / "dev", [], "--config", given)
    dev.launch()
    assert dev.process.wait(60) == 78
    assert "takes topic 'measured', which is not read: start `stepd dev` with --topic events --topic measured" in dev.log()
    dev = Dev(tmp_path / "dev", [], "--config", given, "--topic", "events", "--topic", "measured").start()
    dev.stop()
