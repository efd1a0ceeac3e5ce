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
