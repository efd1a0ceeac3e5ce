# SPDX-License-Identifier: Apache-2.0
"""Programs that invoke functions: of exec, and such as stay, alone and beside other steps."""
import os
import shutil
import sys

import pytest

from support import BUILD, ROOT, eventually

EXEC = """
import stepd
n = stepd.event()["data"]["n"]
first = stepd.invoke("first", "add", {"n": n})
try:
    stepd.invoke("second", "nobodys", timeout="5s")
except stepd.StepError as error:
    stepd.output([first, error.name])
"""

SHELL = """
. ./stepd.sh
invoke first add '{"n":1}'
if invoke second nobodys; then exit 1; fi
printf '[%s,"NoSuchFunction"]' "$result"
"""

ADD = "import json, sys; print(json.loads(sys.stdin.read())['data']['n'] + 1)"

PYTHON = """
import asyncio, stepd

@stepd.function(id="alone", event="alone/made")
def alone(event, step):
    first = step.invoke("first", "add", {"n": event.data["n"]})
    try:
        step.invoke("second", "slow", timeout="1s")
    except stepd.StepError as error:
        return [first, error.name]

@stepd.function(id="beside", event="beside/made")
async def beside(event, step):
    return await asyncio.gather(step.run("one", lambda: 1), *(step.invoke(f"add-{n}", "add", {"n": n}) for n in range(3)))

stepd.serve()
"""

NODE = """
import stepd from "stepd";
stepd.function({ id: "alone", event: "alone/made" }, async (event, step) => {
  const first = await step.invoke("first", "add", { n: event.data.n });
  try {
    await step.invoke("second", "slow", null, { timeout: "1s" });
  } catch (error) {
    return [first, error.name];
  }
});
stepd.function({ id: "beside", event: "beside/made" }, (event, step) =>
  Promise.all([step.run("one", () => 1), ...[0, 1, 2].map((n) => step.invoke(`add-${n}`, "add", { n }))]));
await stepd.serve();
"""

OTHERS = {"add": {"use": "exec", "event": "no/one", "command": [sys.executable, "-c", ADD]},
          "slow": {"use": "exec", "event": "no/one", "command": ["/bin/sleep", "60"]}}


@pytest.mark.parametrize("command, helper, name, text", [
    ([sys.executable, "ask.py"], "python/stepd.py", "ask.py", EXEC), (["/bin/sh", "ask.sh"], "shell/stepd.sh", "ask.sh", SHELL)])
def test_a_program_of_exec_invokes_functions(daemon, folder, kafka, topic, command, helper, name, text):
    shutil.copy(ROOT / "handlers/exec" / helper, folder / os.path.basename(helper))
    (folder / name).write_text(text)
    worker = daemon([BUILD / "modules/exec.so"], topics=[topic], history="all",
                    functions={"ask": {"use": "exec", "event": "ask/made", "command": command, "directory": str(folder)}, **OTHERS})
    kafka.send("ask/made", {"n": 1}, topic)
    (run,) = worker.wait_for("ask", "completed")
    assert worker.show(run["id"])["output"] == [2, "NoSuchFunction"]


@pytest.mark.parametrize("language", ["python", "node"])
def test_a_program_that_stays_invokes_functions_alone_and_beside_each_other(daemon, folder, kafka, topic, language):
    if language == "python":
        (folder / "program.py").write_text(PYTHON)
        program = {"command": [sys.executable, str(folder / "program.py")], "env": {"PYTHONPATH": str(ROOT / "clients/python")}}
    else:
        node = shutil.which("node")
        if node is None:
            pytest.skip("no node here")
        (folder / "node_modules").mkdir()
        (folder / "node_modules/stepd").symlink_to(ROOT / "clients/node")
        (folder / "program.mjs").write_text(NODE)
        program = {"command": [node, str(folder / "program.mjs")]}
    worker = daemon([BUILD / "modules/exec.so"], topics=[topic], history="all", programs={"calls": program}, functions=OTHERS)
    kafka.send("beside/made", {}, topic)
    kafka.send("alone/made", {"n": 4}, topic)
    (run,) = worker.wait_for("beside", "completed", seconds=40)
    assert worker.show(run["id"])["output"] == [1, 1, 2, 3]
    assert len(worker.runs(function="add")) == 4
    (run,) = worker.wait_for("alone", "completed")
    assert worker.show(run["id"])["output"] == [5, "InvokeTimeout"]
    eventually(lambda: worker.ctl("stats")["waiting"] == 0)
