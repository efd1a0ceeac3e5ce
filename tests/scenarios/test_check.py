# SPDX-License-Identifier: Apache-2.0
"""`stepd --check` refuses what the start would refuse: Kafka's clients are made of the settings, and connect to nothing."""
import json
import os
import subprocess

import pytest

from support import STEPD

# A setting of `kafka:`, and what is said at its line.
TOGETHER = {
    "session.timeout.ms": ("400000", "must be >= `session.timeout.ms`"),
    "max.poll.interval.ms": ("5000", "must be >= `session.timeout.ms`"),
    "fetch.max.bytes": ("1000", "`fetch.max.bytes` must be >= `message.max.bytes`"),
    "max.in.flight": ("10", "`max.in.flight` must be set <= 5"),
    "ssl.ca.location": ("/nowhere/ca.pem", "ssl.ca.location failed"),
}


def check(folder, kafka, env=None):
    config = folder / "stepd.yaml"
    lines = [f"  {name}: {json.dumps(value)}" for name, value in {"bootstrap.servers": "127.0.0.1:1", **kafka}.items()]
    config.write_text("\n".join(["kafka:", *lines, "topics: [events]", "functions: {f: {use: exec, event: a, command: [\"true\"]}}", ""]))
    return subprocess.run([STEPD, "--check", "--config", config], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})})


@pytest.mark.parametrize("name", TOGETHER)
def test_what_librdkafka_refuses_of_settings_together_is_said_at_its_place(name, tmp_path):
    value, why = TOGETHER[name]
    done = check(tmp_path, {name: value, **({"security.protocol": "ssl"} if "ssl" in name else {})})
    assert done.returncode == 78
    faults = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert len(faults) == 1 and why in faults[0] and faults[0].startswith(f"{tmp_path}/stepd.yaml:3:"), done.stderr


def test_settings_that_work_together_pass(tmp_path):
    done = check(tmp_path, {"session.timeout.ms": "400000", "max.poll.interval.ms": "500000", "linger.ms": "5"})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_setting_that_is_refused_by_itself_is_said_once(tmp_path):
    done = check(tmp_path, {"acks": "1"})
    assert done.returncode == 78 and done.stderr.count(": error: ") == 1, done.stderr


def check_text(folder, text):
    config = folder / "stepd.yaml"
    config.write_text('kafka: {bootstrap.servers: "127.0.0.1:1"}\ntopics: [events]\n' + text)
    return subprocess.run([STEPD, "--check", "--config", config], capture_output=True, text=True, timeout=60)


def start(folder):
    return subprocess.run([STEPD, "--config", folder / "stepd.yaml"], capture_output=True, text=True, timeout=60)


REGISTRY = "schema_registry:\n  url: https://127.0.0.1:1\n"


def test_a_registrys_files_that_are_not_there_are_refused_by_the_check_and_the_start(tmp_path):
    done = check_text(tmp_path, REGISTRY + "  ca_file: none.pem\n  certificate: client.pem\n  private_key: client.key\n")
    faults = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert done.returncode == 78 and len(faults) == 3, done.stderr
    assert faults[0] == (f"{tmp_path}/stepd.yaml:5:12: error: 'ca_file' can't be read: {tmp_path}/none.pem: No such file or directory; "
                         "put a PEM file there that this user may read, or leave 'ca_file' out")
    assert f"stepd.yaml:6:16: error: 'certificate' can't be read: {tmp_path}/client.pem: " in faults[1]
    assert start(tmp_path).returncode == 78


def test_a_registrys_files_that_are_there_pass(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    done = check_text(tmp_path, REGISTRY + "  ca_file: ca.pem\n")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_that_can_not_be_run_is_told_and_refuses_nothing(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here/runs").write_text("#!/bin/sh\n")
    (tmp_path / "here/runs").chmod(0o755)
    (tmp_path / "here/text").write_text("")
    done = check_text(tmp_path, """programs:
  nowhere: {command: ["true"], directory: none}
  nobody: {command: [no-such-program]}
  missing: {command: [/none/program, more]}
  data: {command: [./text], directory: here}
  well: {command: [./runs], directory: here}
  found: {command: ["true"], inherit_env: false}
""")
    told = [line for line in done.stderr.splitlines() if ": warning: " in line]
    assert done.returncode == 0 and len(told) == 4 and "error" not in done.stderr, done.stderr
    assert told[0] == (f"{tmp_path}/stepd.yaml:4:43: warning: program 'nowhere' can't be run in {tmp_path}/none: No such file or directory; "
                       "make the folder, or change 'directory': until then its events and runs wait, and all else goes on")
    assert "stepd.yaml:5:12: warning: program 'nobody': no-such-program can't be run: No such file or directory; install it, " in told[1]
    assert "/none/program can't be run: No such file" in told[2] and "./text can't be run: Permission denied" in told[3]
