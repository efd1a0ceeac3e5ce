# SPDX-License-Identifier: Apache-2.0
"""The wall clock of a daemon jumps by a day, forth and back: Redis's time rules what is due, monotonic time what is late."""
import json
import time

import pytest

from conftest import MODULES
from support import IS_SANITIZED, SLOWER, build_module, eventually

DAY_S = 86400


@pytest.fixture
def wall_clock(folder):
    """Moves the clock of daemons that have its `env`, by seconds from the real one."""
    class WallClock:
        file = folder / "wall-clock"
        env = {"LD_PRELOAD": str(build_module(MODULES / "wall_clock.c", folder, "-ldl")), "WALL_CLOCK": str(file)}

        def jump(self, seconds):
            with open(self.file, "r+b" if self.file.exists() else "wb") as file:
                file.write(seconds.to_bytes(8, "little", signed=True))
    clock = WallClock()
    clock.jump(0)
    return clock


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's runtime has to be first in line")
@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_a_jump_of_a_day_changes_nothing(kafka, daemon, module, topic, folder, wall_clock, jump_s):
    book = folder / "book"
    service = daemon([module("five"), module("trials")], env=wall_clock.env, topics=[topic, "raw"], history="all",
                     retry={"schedule": ["3s"], "jitter": "0"}, options={"trials": {"file": str(book)}})
    kafka.produce_lines([f"{n}\t" + json.dumps({"name": "job/flaky", "data": {}}) for n in range(10)], topic)
    kafka.send("trial/patient", {"n": 1, "ms": 2000}, topic=topic)  # its attempt may take a minute
    service.wait_for("flaky", "delayed", 10)
    began = time.monotonic()
    wall_clock.jump(jump_s)
    service.wait_for("patient", "completed")
    service.wait_for("flaky", "completed", 10, seconds=30)
    assert 4 < time.monotonic() - began < 15 * SLOWER, "two retries, three seconds each"
    assert book.read_text().split()[-2:] == ["0", "done"]
    kafka.produce_lines([f"{n}\t" + json.dumps({"name": "job/flaky", "data": {}}) for n in range(10)], topic)
    service.wait_for("flaky", "delayed", 10)
    wall_clock.jump(0)
    service.wait_for("flaky", "completed", 20, seconds=30)
    eventually(service.is_ready)
    assert service.ctl("stats")["workers"] == 1, "its lease never ran out"
    assert "lease" not in service.log()
    wall_clock.jump(jump_s)
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 20 * SLOWER
