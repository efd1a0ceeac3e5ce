# SPDX-License-Identifier: Apache-2.0
"""Programs that wait for events: of exec, and such as stay."""
import json
import os
import shutil
import sys

import pytest

from support import BUILD, ROOT, eventually

PYTHON = """
import stepd
order = stepd.event()["data"]
before = stepd.step("before", lambda: order["id"] * 2)
paid = stepd.wait("paid", "order/paid", when="async.data.id == event.data.id", timeout=order["timeout"])
gone = stepd.wait("gone", "order/gone", timeout="300ms")
stepd.output({"before": before, "paid": paid and paid["data"]["n"], "key": paid and paid["key"], "gone": gone})
"""

NODE = """
const stepd = require('stepd');
(async () => {
  const order = stepd.event().data;
  const paid = await stepd.wait('paid', { event: 'order/paid', when: 'async.data.id == event.data.id', timeout: order.timeout });
  stepd.output({ before: order.id * 2, paid: paid && paid.data.n, key: paid && paid.key, gone: null });
})();
"""

SHELL = """
. ./stepd.sh
await paid order/paid 'async.data.id == event.data.id' "$1"
paid=$(printf %s "$result" | sed 's/.*"n":\\([0-9]*\\).*/\\1/')
printf '{"before":null,"paid":%s,"key":"key-7","gone":null}' "$paid"
"""

STAYS = """
import stepd

@stepd.function(id="wait", event="order/made")
def wait(event, step):
    before = step.run("before", lambda: event.data["id"] * 2)
    paid = step.wait("paid", event="order/paid", when="async.data.id == event.data.id", timeout=event.data["timeout"])
    gone = step.wait("gone", event="order/gone", timeout="300ms")
    return {"before": before, "paid": paid and paid.data["n"], "key": paid and paid.key, "gone": gone}

@stepd.function(id="beside", event="beside/made")
async def beside(event, step):
    import asyncio
    return await asyncio.gather(step.run("one", lambda: 1), step.wait("paid", event="order/paid"))

stepd.serve()
"""


@pytest.fixture
def send(kafka, topic):
    def produce(name, data):
        kafka.send(name, data, topic, key="key-7")
    return produce


@pytest.fixture
def exec_of(daemon, folder, topic):
    def start(command, helper, name, text):
        shutil.copy(ROOT / "handlers/exec" / helper, folder / os.path.basename(helper))
        (folder / name).write_text(text)
        return daemon([BUILD / "modules/exec.so"], topics=[topic], history="all",
                      functions={"wait": {"use": "exec", "event": "order/made", "command": command, "directory": str(folder)}})
    return start


def see_it_wait(worker, send, timeout="1h"):
    send("order/made", {"id": 7, "timeout": timeout})
    worker.wait_for("wait", "waiting")
    send("order/paid", {"id": 8, "n": 89})
    send("order/paid", {"id": 7, "n": 90})
    (run,) = worker.wait_for("wait", "completed")
    return worker.show(run["id"])["output"]


def test_a_program_of_exec_in_python_waits(exec_of, send):
    worker = exec_of([sys.executable, "order.py"], "python/stepd.py", "order.py", PYTHON)
    assert see_it_wait(worker, send) == {"before": 14, "paid": 90, "key": "key-7", "gone": None}
    send("order/made", {"id": 9, "timeout": "200ms"})
    runs = worker.wait_for("wait", "completed", 2)
    assert [run for run in (worker.show(each["id"]) for each in runs) if run["output"]["paid"] is None]


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_a_program_of_exec_in_node_waits(exec_of, send, folder):
    shutil.copy(ROOT / "clients/node/lib/exec.cjs", folder / "stepd.cjs")
    worker = exec_of(["node", "order.cjs"], "python/stepd.py", "order.cjs", NODE.replace("'stepd'", "'./stepd.cjs'"))
    assert see_it_wait(worker, send) == {"before": 14, "paid": 90, "key": "key-7", "gone": None}


def test_a_script_of_exec_waits(exec_of, send):
    worker = exec_of(["sh", "order.sh", "3600000"], "shell/stepd.sh", "order.sh", SHELL)
    assert see_it_wait(worker, send) == {"before": None, "paid": 90, "key": "key-7", "gone": None}


@pytest.fixture
def stays(daemon, folder, topic):
    (folder / "order.py").write_text(STAYS)
    return daemon([], topics=[topic], history="all",
                  programs={"order": {"command": [sys.executable, str(folder / "order.py")], "env": {"PYTHONPATH": str(ROOT / "clients/python")}}})


def test_a_program_that_stays_waits(stays, send):
    assert see_it_wait(stays, send) == {"before": 14, "paid": 90, "key": "key-7", "gone": None}


def test_a_wait_beside_other_steps_is_refused_by_name(stays, send):
    send("beside/made", {})
    (run,) = stays.wait_for("beside", "failed")
    assert run["error"]["name"] == "UnsupportedStep"
