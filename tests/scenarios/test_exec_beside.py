# SPDX-License-Identifier: Apache-2.0
"""Programs of `exec` whose steps run beside each other: asked in one line, by the helpers of Node and Python; and how many
programs are under way at once."""
import json
import shutil
import textwrap

import pytest

from support import eventually
from test_exec import EXEC, HELPERS, PYTHON, TALK, lines, program, serve, sh  # noqa: F401 (fixtures)

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")


def steps_of(service, run):
    return {step["id"]: step for step in service.show(run["id"])["steps"]}


# ---- the protocol --------------------------------------------------------------------------------------


def test_several_steps_are_asked_in_one_line(serve, program, folder):
    talk = program(TALK + textwrap.dedent("""
        steps = ask({"steps": [{"step": "a"}, {"step": "b"}, {"step": "a"}]})["steps"]
        assert [each["id"] for each in steps] == ["a", "b", "a:1"], steps
        if attempt == 0 and "run" in steps[1] and not os.path.exists("was-here"):
            open("was-here", "w").close()
            assert [each["attempt"] for each in steps] == [0, 0, 0], steps
            ask({"step": "a:1", "result": "second"}, {"ok": True})
            ask({"step": "b", "error": {"name": "Busy"}}, {"later": True})
            ask({"step": "a", "error": {"name": "No", "retriable": False}}, {"failed": {"name": "No", "message": ""}})
            ask({"suspend": True}, {"suspend": True})
            ask({"step": "more"}, {"suspend": True})
            sys.exit(0)
        assert steps[0] == {"id": "a", "failed": {"name": "No", "message": ""}, "position": 1}, steps
        assert steps[1] == {"id": "b", "run": True, "attempt": 1}, steps
        assert steps[2] == {"id": "a:1", "result": "second", "position": 0}, steps
        ask({"step": "b", "result": "at last"}, {"ok": True})
        ask({"step": "c"}, {"run": True, "attempt": 0})
        ask({"step": "c", "result": 3}, {"ok": True})
    """))
    service = serve(talk={"command": talk, "directory": str(folder)})
    service.kafka.send("talk")
    (run,) = service.wait_for("talk", "completed")
    steps = steps_of(service, run)
    assert list(steps) == ["a:1", "a", "b", "c"]
    assert steps["b"]["attempts"] == 2 and steps["a"]["attempts"] == 1
    assert run["attempt"] == 0


def test_what_is_no_list_of_steps_fails_the_run(serve, program):
    wrong = ['{"steps":[]}', '{"steps":{"step":"a"}}', '{"steps":[{"output":1}]}', '{"steps":[{"step":"a","result":1}]}', '{"suspend":true}',
             '{"steps":[{"steps":[{"step":"a"}]}]}']
    service = serve(**{f"wrong-{i}": {"command": program(TALK + f"ask({line!r}.encode())")} for i, line in enumerate(wrong)})
    for i in range(len(wrong)):
        service.kafka.send(f"wrong-{i}")
    for i in range(len(wrong)):
        (run,) = service.wait_for(f"wrong-{i}", "failed")
        assert run["error"]["name"] == "ProtocolError", wrong[i]


def test_a_program_that_dies_has_each_step_retried_that_ran(serve, program):
    talk = program(TALK + textwrap.dedent("""
        steps = ask({"steps": [{"step": "a"}, {"step": "b"}, {"step": "c"}]})["steps"]
        for each in steps:
            if "run" in each and (each["attempt"] > 0 or each["id"] == "a"):
                ask({"step": each["id"], "result": each["attempt"]}, {"ok": True})
        if any(each.get("attempt") == 0 for each in steps):
            os.kill(os.getpid(), 9)
    """))
    service = serve(talk={"command": talk})
    service.kafka.send("talk")
    (run,) = service.wait_for("talk", "completed")
    assert {name: step["output"] for name, step in steps_of(service, run).items()} == {"a": 0, "b": 1, "c": 1}


def test_a_sleep_and_an_invoke_go_beside_steps(serve, program):
    talk = program(TALK + textwrap.dedent("""
        steps = ask({"steps": [{"step": "a"}, {"sleep": "nap", "ms": 700}, {"invoke": "other", "function": "other", "data": {"n": 4}}]})["steps"]
        if "run" in steps[0]:
            assert steps[1] == {"id": "nap", "later": True} and steps[2] == {"id": "other", "later": True}, steps
            ask({"step": "a", "result": 1}, {"ok": True})
            ask({"suspend": True}, {"suspend": True})
            sys.exit(0)
        if any("later" in each for each in steps):
            ask({"suspend": True}, {"suspend": True})
            sys.exit(0)
        ask({"output": [steps[0]["result"], steps[1]["ok"], steps[2]["result"]]}, {"ok": True})
    """))
    service = serve(talk={"command": talk}, other={"command": ["cat"], "input": "data"})
    service.kafka.send("talk")
    (run,) = service.wait_for("talk", "completed")
    assert run["output"] == [1, True, {"n": 4}]


# ---- the helpers ---------------------------------------------------------------------------------------


NODE_ALL = """
const stepd = require('./stepd');
const fs = require('fs');
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
async function main() {
  const note = (what) => fs.appendFileSync(process.env.BOOK, what + '\\n');
  const [a, b, c] = await Promise.all([
    stepd.step('a', async () => { note('a begins'); await wait(300); note('a ends'); return 1; }),
    stepd.step('b', async () => { note('b begins'); await wait(300); note('b ends'); if (fs.readFileSync(process.env.BOOK, 'utf8').split('b begins').length < 4) throw new Error('busy'); return 2; }),
    (async () => (await stepd.step('c', () => 3)) + (await stepd.step('d', () => 4)))(),
  ]);
  stepd.output([a, b, c, await stepd.step('e', () => 5)]);
}
main();
"""


@needs_node
def test_nodes_promise_all_runs_steps_beside_each_other(serve, folder):
    shutil.copy(HELPERS / "node/stepd.js", folder / "stepd.js")
    (folder / "all.js").write_text(NODE_ALL)
    book = folder / "book"
    service = serve(all={"command": ["node", str(folder / "all.js")], "env": {"BOOK": str(book)}})
    service.kafka.send("all")
    (run,) = service.wait_for("all", "completed")
    assert run["output"] == [1, 2, 7, 5]
    told = lines(book)
    assert told.count("a begins") == 1 and told.count("b begins") == 3
    assert set(told[:2]) == {"a begins", "b begins"}
    assert {name: step["attempts"] for name, step in steps_of(service, run).items()} == {"a": 1, "b": 3, "c": 1, "d": 1, "e": 1}


@needs_node
@pytest.mark.parametrize("module", ["script", "module"])
def test_nodes_promise_race_is_won_by_the_same_again(serve, folder, module):
    shutil.copy(HELPERS / "node/stepd.js", folder / "stepd.cjs")
    text = """
        const wait = (ms) => new Promise((done) => setTimeout(done, ms));
        const won = await Promise.race([stepd.step('slow', () => wait(20000)), stepd.step('fast', () => wait(100).then(() => 'fast'))]);
        if (stepd.attempt() === 0) throw new Error('once more');
        stepd.output(won);
        process.exit(0);
    """.replace("stepd.attempt()", "Number(process.env.STEPD_ATTEMPT)")
    if module == "script":
        (folder / "race.cjs").write_text(f"const stepd = require('./stepd.cjs');\n(async () => {{{text}}})();\n")
    else:
        (folder / "race.mjs").write_text(f"import stepd from './stepd.cjs';\n{text}")
    service = serve(race={"command": ["node", str(folder / f"race.{'cjs' if module == 'script' else 'mjs'}")]})
    service.kafka.send("race")
    (run,) = service.wait_for("race", "completed")
    assert run["output"] == "fast"
    assert list(steps_of(service, run)) == ["fast"]


@needs_node
def test_a_failed_step_of_promise_all_is_the_programs_to_handle(serve, folder):
    shutil.copy(HELPERS / "node/stepd.js", folder / "stepd.cjs")
    (folder / "fails.mjs").write_text("""
        import stepd from './stepd.cjs';
        const all = await Promise.allSettled([stepd.step('good', () => 1), stepd.step('bad', () => { throw new stepd.NonRetriable('never'); })]);
        stepd.output(all.map(({ status, value, reason }) => [status, value ?? reason.message, reason?.stepId]));
    """)
    service = serve(fails={"command": ["node", str(folder / "fails.mjs")]})
    service.kafka.send("fails")
    (run,) = service.wait_for("fails", "completed")
    assert run["output"] == [["fulfilled", 1, None], ["rejected", "never", "bad"]]


PYTHON_PARALLEL = """
import os, time, stepd
def note(what):
    with open(os.environ["BOOK"], "a") as book:
        book.write(what + "\\n")
def slow(name):
    note(f"{name} begins")
    time.sleep(0.3)
    note(f"{name} ends")
    if name == "b" and open(os.environ["BOOK"]).read().count("b begins") < 3:
        raise ValueError("busy")
    return name
first = stepd.parallel({"a": lambda: slow("a"), "b": lambda: slow("b"), "c": lambda: 3})
won = stepd.race({"never": lambda: time.sleep(1000), "fast": lambda: "fast"})
try:
    stepd.parallel({"good": lambda: 1, "bad": lambda: (_ for _ in ()).throw(stepd.NonRetriable("no"))})
except stepd.StepError as error:
    failed = [error.step_id, error.message]
stepd.output([first, won, failed, stepd.parallel({}), stepd.step("after", lambda: 9)])
"""


@pytest.mark.parametrize("helper", ["alone", "package"])
def test_pythons_parallel_and_race(serve, folder, program, helper):
    book = folder / "book"
    path = HELPERS / "python" if helper == "alone" else HELPERS.parent.parent / "clients/python"
    service = serve(both={"command": program(PYTHON_PARALLEL), "env": {"BOOK": str(book), "PYTHONPATH": str(path)}})
    service.kafka.send("both")
    (run,) = service.wait_for("both", "completed")
    assert run["output"] == [["a", "b", 3], "fast", ["bad", "no"], [], 9]
    told = lines(book)
    assert told.count("a begins") == 1 and told.count("b begins") == 3
    assert set(told[:2]) == {"a begins", "b begins"}
    assert "never" not in steps_of(service, run)


# ---- how many at once ----------------------------------------------------------------------------------


def test_programs_under_way_take_no_thread_and_have_a_limit_of_their_own(dev, folder):
    config = folder / "user.yaml"
    config.write_text(json.dumps({
        "modules": [str(EXEC)], "topics": ["events"], "worker": {"threads": 2},
        "options": {"exec": {"in_flight": 6}},
        "functions": {"long": {"use": "exec", "event": "long", "command": sh(f"echo $$ >>{folder}/pids; while [ ! -e {folder}/go ]; do sleep 0.1; done")},
                      "step": {"use": "exec", "event": "step", "command": ["true"]}},
    }))
    service = dev([], "--config", config)
    for _ in range(10):
        service.kafka.send("long")
    eventually(lambda: len(lines(folder / "pids")) == 6)
    service.kafka.send("step")
    assert len(lines(folder / "pids")) == 6
    (folder / "go").touch()
    service.wait_for("long", "completed", 10)
    service.wait_for("step", "completed")
