# SPDX-License-Identifier: Apache-2.0
"""Programs that wait for events: of exec, and such as stay."""
import json
import os
import shutil
import sys
import time

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
    same = "async.data.id == event.data.id"
    one, paid, sent, gone, doubled = await asyncio.gather(
        step.run("one", lambda: 1), step.wait("paid", event="order/paid", when=same), step.wait("sent", event="order/sent", when=same),
        step.wait("gone", event="order/gone", timeout="300ms"), step.invoke("double", "double", {"n": 21}))
    return {"one": one, "paid": paid.data["n"], "sent": sent.data["n"], "gone": gone, "doubled": doubled, "after": await step.run("after", lambda: 2)}

@stepd.function(id="long", event="long/made")
async def long(event, step):
    import asyncio
    slow = asyncio.ensure_future(step.run("slow", lambda: asyncio.sleep(120)))
    came = asyncio.ensure_future(step.invoke("double", "double", {"n": 21}) if event.data["invokes"] else
                                 step.wait("paid", event="order/paid", when="async.data.id == event.data.id", timeout=event.data["timeout"]))
    await asyncio.wait([slow, came], return_when=asyncio.FIRST_COMPLETED)
    slow.cancel()
    first = came.result()
    return [first.data["n"] if hasattr(first, "data") else first, await step.run("after", lambda: 2)]

@stepd.function(id="double", event="double/made")
def double(event, step):
    return event.data["n"] * 2

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


STAYS_IN_NODE = """
import stepd from '%s/clients/node/index.js';
const when = 'async.data.id == event.data.id';
stepd.function({ id: 'beside', event: 'beside/made' }, async (event, step) => {
  const [one, paid, sent, gone, doubled] = await Promise.all([
    step.run('one', () => 1), step.wait('paid', { event: 'order/paid', when }), step.wait('sent', { event: 'order/sent', when }),
    step.wait('gone', { event: 'order/gone', timeout: '300ms' }), step.invoke('double', 'double', { n: 21 })]);
  return { one, paid: paid.data.n, sent: sent.data.n, gone, doubled, after: await step.run('after', () => 2) };
});
stepd.function({ id: 'race', event: 'race/made' }, async (event, step) =>
  (await Promise.race([step.wait('paid', { event: 'order/paid', when }), step.wait('sent', { event: 'order/sent', when })])).data.n);
stepd.function({ id: 'long', event: 'long/made' }, async (event, step) => {
  const { invokes, timeout } = event.data;
  const first = await Promise.race([step.run('slow', () => new Promise((resolve) => setTimeout(resolve, 120_000))),
    invokes ? step.invoke('double', 'double', { n: 21 }) : step.wait('paid', { event: 'order/paid', when, timeout })]);
  return [first?.data?.n ?? first, await step.run('after', () => 2)];
});
stepd.function({ id: 'double', event: 'double/made' }, (event) => event.data.n * 2);
await stepd.serve();
""" % ROOT


@pytest.fixture
def stays_in_node(daemon, folder, topic):
    (folder / "order.mjs").write_text(STAYS_IN_NODE)
    return daemon([], topics=[topic], history="all", programs={"order": {"command": ["node", str(folder / "order.mjs")]}})


def see_it_wait_beside(worker, send):
    """The later wait's event comes first."""
    send("beside/made", {"id": 7})
    eventually(lambda: [run for run in worker.runs(function="beside", status="waiting")
                        if [step["id"] for step in worker.show(run["id"])["steps"] if step["status"] == "waiting"] == ["paid", "sent"]])
    send("order/sent", {"id": 7, "n": 2})
    send("order/paid", {"id": 8, "n": 3})
    send("order/paid", {"id": 7, "n": 1})
    (run,) = worker.wait_for("beside", "completed")
    assert worker.show(run["id"])["output"] == {"one": 1, "paid": 1, "sent": 2, "gone": None, "doubled": 42, "after": 2}


def see_it_go_on_beside_a_long_step(worker, send):
    """What it waits for comes, or its time is over, while a step takes two minutes."""
    for n, (timeout, invokes, first) in enumerate([("1h", False, 90), ("1s", False, None), ("1h", True, 42)]):
        begun = time.monotonic()
        send("long/made", {"id": n, "timeout": timeout, "invokes": invokes})
        if first == 90:
            eventually(lambda: [step["id"] for run in worker.runs(function="long") for step in worker.show(run["id"])["steps"]] == ["paid"])
            send("order/paid", {"id": n, "n": 90})
        worker.wait_for("long", "completed", n + 1)
        assert [first, 2] in [worker.show(run["id"])["output"] for run in worker.runs(function="long", status="completed")]
        assert time.monotonic() - begun < 100


def test_waits_beside_other_steps_in_python(stays, send):
    see_it_wait_beside(stays, send)


def test_a_wait_beside_a_long_step_in_python(stays, send):
    see_it_go_on_beside_a_long_step(stays, send)


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_a_wait_beside_a_long_step_in_node(stays_in_node, send):
    see_it_go_on_beside_a_long_step(stays_in_node, send)


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_waits_beside_other_steps_in_node(stays_in_node, send):
    see_it_wait_beside(stays_in_node, send)
    send("race/made", {"id": 5})
    eventually(lambda: [run for run in stays_in_node.runs(function="race", status="waiting")])
    send("order/sent", {"id": 5, "n": 50})
    (run,) = stays_in_node.wait_for("race", "completed")
    assert stays_in_node.show(run["id"])["output"] == 50


@pytest.mark.skipif(not shutil.which("node"), reason="no node here")
def test_waits_beside_steps_of_exec_in_node(exec_of, send, folder):
    shutil.copy(ROOT / "clients/node/lib/exec.cjs", folder / "stepd.cjs")
    worker = exec_of(["node", "order.cjs"], "python/stepd.py", "order.cjs", """
        const stepd = require('./stepd.cjs');
        const when = 'async.data.id == event.data.id';
        (async () => {
          stepd.output(await Promise.all([stepd.step('one', () => 1), stepd.wait('paid', { event: 'order/paid', when }).then((came) => came.data.n),
            stepd.wait('sent', { event: 'order/sent', when }).then((came) => came.data.n)]));
        })();
    """)
    send("order/made", {"id": 7})
    worker.wait_for("wait", "waiting")
    send("order/sent", {"id": 7, "n": 2})
    send("order/paid", {"id": 7, "n": 1})
    (run,) = worker.wait_for("wait", "completed")
    assert worker.show(run["id"])["output"] == [1, 1, 2]
