# SPDX-License-Identifier: Apache-2.0
"""What a config need not say: where the ready-made modules are, where the crash journal is, which topics a module's functions want."""
import json
import subprocess
from types import SimpleNamespace

import pytest

from support import BUILD, STEPCTL, STEPD, Daemon, Dev


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
