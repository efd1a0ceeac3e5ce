# SPDX-License-Identifier: Apache-2.0
"""A first attempt, of which Redis knows nothing yet, is cancelled by its id: it sees that within a second, and its result is
dropped."""
import json
import time

import pytest

from support import BUILD, eventually

EXEC = BUILD / "modules/exec.so"
LONG = 'echo "$STEPD_RUN_ID" >>"$SEEN"; sleep 30; echo done >>"$SEEN"'
DEAF = 'trap "" TERM; echo "$STEPD_RUN_ID" >>"$SEEN"; sleep 2; echo done >>"$SEEN"; exit 1'


@pytest.fixture
def begun(kafka, daemon, folder, topic):
    """A daemon in whose first attempt a program is: (daemon, the run's id, what it wrote)."""
    def make(command, history):
        seen = folder / "seen"
        service = daemon([EXEC], topics=[topic], history=history, retry={"schedule": ["200ms"], "jitter": "0s"},
                         functions={"long": {"use": "exec", "event": "go", "command": ["sh", "-c", command], "env": {"SEEN": str(seen)}}})
        kafka.produce(json.dumps({"name": "go", "data": {}}), topic)
        eventually(lambda: seen.exists() and seen.read_text())
        return service, seen.read_text().strip(), seen
    return make


@pytest.mark.parametrize("history", ["failures", "all"])
@pytest.mark.parametrize("command", [LONG, DEAF], ids=["sees it", "fails meanwhile"])
def test_a_first_attempt_is_cancelled(kafka, begun, topic, command, history):
    service, run_id, seen = begun(command, history)
    begun_at = time.monotonic()
    assert service.ctl("cancel", run_id)["id"] == run_id
    eventually(lambda: "cancelled" in service.log(), 10, what=service.log)
    assert time.monotonic() - begun_at < 10
    time.sleep(1.5)
    assert seen.read_text().count(run_id) == 1, "no other attempt is made"
    assert not service.runs(function="long") and not kafka.consume(f"{topic}.dead")
    kafka.produce(json.dumps({"name": "go", "data": {}}), topic)
    eventually(lambda: len([line for line in seen.read_text().split() if line != "done"]) == 2)
