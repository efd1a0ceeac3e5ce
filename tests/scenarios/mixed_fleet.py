# SPDX-License-Identifier: Apache-2.0
"""One daemon of this processor and one of another in a group and on a Redis: each goes on with what the other began.
`scripts/test --arch arm64` runs it: STEPD_OTHER_BUILD is the other one's build, which starts in an emulator."""
import os
from pathlib import Path

import pytest

import support
from test_restart import RETRY, send

OTHER = Path(os.environ["STEPD_OTHER_BUILD"]).resolve()
OTHER_COMPILER = os.environ["STEPD_OTHER_CC"]
COUNT = 40


@pytest.fixture
def fleet(kafka, redis, folder, module, topic, tmp_path_factory, monkeypatch):
    """Makes daemons by kind, all of one group: fleet("native"), fleet("other")."""
    group = {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"}
    modules = {"native": module("five")}
    monkeypatch.setenv("CC", OTHER_COMPILER)
    modules["other"] = support.build_module(Path(__file__).parent / "modules/five.c", tmp_path_factory.mktemp("other"),
                                            f"--sysroot={os.environ['QEMU_LD_PREFIX']}")
    made = []

    def make(kind):
        settings = {"kafka": group, "topics": [topic, "raw"], "history": "all", **RETRY}
        made.append(support.Daemon(folder / kind, kafka, redis, [modules[kind]], settings))
        if kind == "other":
            made[-1].words[0] = str(OTHER / "bin/stepd")
        return made[-1].start()
    yield make
    for each in made:
        if each.process is not None and each.process.poll() is None:
            each.kill()


def goes_on(fleet, kafka, topic, first, second):
    """`first` parks runs and is killed; `second` works them, and what came meanwhile."""
    send(kafka, topic, "job/flaky", COUNT)
    one = fleet(first)
    one.wait_for("flaky", "delayed", COUNT, seconds=40)
    one.kill()
    send(kafka, topic, "user/came", COUNT)
    two = fleet(second)
    flaky = two.wait_for("flaky", "completed", COUNT, seconds=60)
    greeted = two.wait_for("greet", "completed", COUNT, seconds=60)
    assert len(flaky) == COUNT
    assert len(greeted) == COUNT


def test_the_other_goes_on_with_what_this_one_parked(fleet, kafka, topic):
    goes_on(fleet, kafka, topic, "native", "other")


def test_this_one_goes_on_with_what_the_other_parked(fleet, kafka, topic):
    goes_on(fleet, kafka, topic, "other", "native")


def test_both_at_once_do_each_run_once(fleet, kafka, topic):
    fleet("native")
    other = fleet("other")
    send(kafka, topic, "job/flaky", COUNT)
    send(kafka, topic, "user/came", COUNT)
    assert len(other.wait_for("flaky", "completed", COUNT, seconds=60)) == COUNT
    assert len(other.wait_for("greet", "completed", COUNT, seconds=60)) == COUNT
