# SPDX-License-Identifier: Apache-2.0
"""The daemon is killed again and again while runs of twenty steps are under way: each ends, with each step recorded once.
STEPD_KILLS=200 for as many kills as that; a few by default."""
import collections
import os
import random
import time

from support import eventually

KILLS = int(os.environ.get("STEPD_KILLS", 8))
RUNS = 40


def test_runs_of_twenty_steps_survive_kills(kafka, daemon, module, topic, folder):
    book = folder / "book"
    seed = random.Random(7)
    worker = {"threads": 4, "lease": "500ms"}
    service = daemon([module("twenty")], topics=[topic], history="all", worker=worker, options={"twenty": {"file": str(book)}})
    sent = 0
    for _ in range(KILLS):
        for _ in range(RUNS // 8):
            kafka.send("twenty/go", {"n": sent}, topic=topic, key=str(sent))
            sent += 1
        time.sleep(seed.uniform(0.02, 0.4))
        service.kill()
        service.start()
    service.wait_for("twenty", "completed", sent, seconds=120)
    for run in service.runs(function="twenty"):
        shown = service.show(run["id"])
        assert shown["status"] == "completed" and shown["output"] == sum(range(20))
        assert [step["id"] for step in shown["steps"]] == [f"step-{n}" for n in range(20)]
    executions = collections.Counter(tuple(line.split()) for line in book.read_text().splitlines())
    assert len(executions) == sent * 20
    repeats = sum(executions.values()) - len(executions)
    assert repeats <= KILLS * worker["threads"], "a step that was recorded ran again"
    eventually(lambda: service.ctl("stats")["owned"] == 0)
