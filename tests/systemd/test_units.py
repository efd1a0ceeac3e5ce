# SPDX-License-Identifier: Apache-2.0
"""The units as they are installed: systemd understands every line, and they let out no more than they must."""
import os
import re
import subprocess
from pathlib import Path

import pytest

UNITS = Path(os.environ["STEPD_UNITS"])
SERVICES = ["stepd.service", "stepd@.service", "stepd-redis.service"]


def analyze(*words):
    done = subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


@pytest.fixture
def units(tmp_path):
    """Their programs need not be installed here, nor their pages."""
    for name in SERVICES:
        text = (UNITS / name).read_text()
        text = re.sub(r"^(Exec\w+=)\S+", r"\1/bin/true", text, flags=re.M)
        (tmp_path / name).write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    return tmp_path


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_understands_every_line(units, name):
    said = analyze("verify", "--man=no", units / name)
    assert name.partition(".")[0] not in said, said


@pytest.mark.parametrize("name", SERVICES)
def test_exposure_is_at_most_1_5(units, name):
    said = analyze("security", "--offline=true", units / name)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found, said
    assert float(found[1]) <= 1.5, said


def test_a_daemon_and_its_instances_share_no_folder():
    one, many = ((UNITS / name).read_text() for name in SERVICES[:2])
    for key in ("StateDirectory", "RuntimeDirectory", "User", "WorkingDirectory"):
        value = {text: re.search(rf"^{key}=(.*)$", text, re.M)[1] for text in (one, many)}
        assert "%i" in value[many] and "%i" not in value[one]
    assert re.search(r"--config \S+/%i/stepd\.yaml", many)


def test_stopping_takes_no_longer_than_systemd_waits():
    defaults = (Path(__file__).parents[2] / "config/stepd.yaml").read_text()
    shutdown_s = int(re.search(r"shutdown_timeout: (\d+)s", defaults)[1])
    stop_s = int(re.search(r"^TimeoutStopSec=(\d+)$", (UNITS / "stepd.service").read_text(), re.M)[1])
    assert shutdown_s < stop_s
