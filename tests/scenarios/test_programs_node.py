# SPDX-License-Identifier: Apache-2.0
"""Programs that stay, by the package for Node, in the real daemon."""
import json
import os
import re
import shutil
import signal
import subprocess
import textwrap

import pytest

from support import ROOT, STEPD, eventually

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no node"),
    pytest.mark.skipif("--program" not in subprocess.run([STEPD, "dev", "--help"], capture_output=True, text=True).stdout,
                       reason="this stepd has no programs"),
]
PACKAGE = ROOT / "clients/node/index.js"


@pytest.fixture
def serve(dev, folder):
    """A `stepd dev` with a program of these functions; notes go to `folder/notes`, a line each."""
    def make(functions, *words):
        file = folder / "program.mjs"
        file.write_text(f"""import stepd from {json.dumps(PACKAGE.as_uri())};
import {{ appendFileSync, readFileSync }} from "node:fs";
const note = (what) => appendFileSync({json.dumps(str(folder / "notes"))}, what + "\\n");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
{textwrap.dedent(functions)}
await stepd.serve();
""")
        return dev([], "--program", f"node {file}", "--retry-interval", "200ms", *words)
    return make


def notes(folder):
    path = folder / "notes"
    return path.read_text().split() if path.exists() else []


def ended(service, function, status="completed"):
    (found,) = service.wait_for(function, status)
    return service.show(found["id"])


def test_a_function_runs_its_steps_once_and_is_retried(serve, folder):
    service = serve("""
        stepd.function({ id: "resize", event: "image/uploaded" }, async (event, step) => {
          const image = await step.run("fetch", () => { note("fetch"); return { of: event.data.url }; });
          const stored = await step.run("store", ({ attempt }) => { note("store"); if (attempt < 2) throw new Error("disk is full"); return attempt; });
          return { image, stored, attempt: step.attempt };
        });""")
    service.kafka.send("image/uploaded", {"url": "u"})
    shown = ended(service, "resize")
    assert shown["output"] == {"image": {"of": "u"}, "stored": 2, "attempt": 2} or shown["output"]["stored"] == 2
    assert notes(folder) == ["fetch", "store", "store", "store"]
    assert [step["id"] for step in shown["steps"]] == ["fetch", "store"]


def test_a_sleep_holds_nothing_and_goes_on(serve, folder):
    service = serve("""
        stepd.function({ id: "nap", event: "nap" }, async (event, step) => {
          await step.run("before", () => note("before"));
          await step.sleep("nap", "1s");
          return step.run("after", () => note("after"));
        });""")
    service.kafka.send("nap")
    ended(service, "nap")
    assert notes(folder) == ["before", "after"]


def test_steps_beside_each_other_are_retried_alone(serve, folder):
    service = serve("""
        stepd.function({ id: "beside", event: "beside" }, async (event, step) => Promise.all([
          step.run("a", () => { note("a"); return 1; }),
          step.run("b", async ({ attempt }) => { note("b"); await pause(50); if (attempt < 2) throw new Error("again"); return attempt; }),
          step.sleep("nap", "500ms"),
        ]));""")
    service.kafka.send("beside")
    assert ended(service, "beside")["output"] == [1, 2, None]
    assert sorted(notes(folder)) == ["a", "b", "b", "b"]


def test_a_race_is_won_by_the_first(serve):
    service = serve("""
        stepd.function({ id: "race", event: "race" }, async (event, step) => {
          const won = await Promise.race([step.run("slow", () => pause(3000)), step.run("fast", () => "fast")]);
          return step.run("then", () => won);
        });""")
    service.kafka.send("race")
    assert ended(service, "race")["output"] == "fast"


@pytest.mark.parametrize("who", ["a step", "the function"])
def test_an_error_has_class_message_and_place(serve, who):
    service = serve(f"""
        class BadImage extends Error {{}}
        const look = () => {{ throw new BadImage("no pixels"); }};
        stepd.function({{ id: "bad", event: "bad", retries: 1 }}, async (event, step) => {'step.run("look", look)' if who == "a step" else "look()"});""")
    service.kafka.send("bad")
    error = ended(service, "bad", "failed")["error"]
    assert error["name"] == "BadImage"
    message, first = error["message"].splitlines()[:2]
    assert message == "no pixels" and re.fullmatch(r"  at look \(.*program\.mjs:7\)", first)


def test_non_retriable_ends_it_and_on_failure_runs(serve, folder):
    service = serve("""
        stepd.function({ id: "doomed", event: "doomed", onFailure: async (event, step, failure) => step.run("tell", () => note(failure.name)) },
          async () => { note("run"); throw new stepd.NonRetriable("never"); });""")
    service.kafka.send("doomed")
    ended(service, "doomed", "failed")
    eventually(lambda: notes(folder) == ["run", "NonRetriable"], what=lambda: notes(folder))


def test_a_step_that_failed_for_good_may_be_handled(serve):
    service = serve("""
        stepd.function({ id: "handled", event: "handled", retries: 1 }, async (event, step) => {
          try { await step.run("charge", () => { throw new RangeError("declined"); }); } catch (error) { return [error instanceof stepd.StepError, error.name, error.message, error.stepId]; }
        });""")
    service.kafka.send("handled")
    assert ended(service, "handled")["output"] == [True, "RangeError", "declined", "charge"]


def test_a_killed_program_is_started_again_and_recorded_steps_stay(serve, folder):
    service = serve("""
        stepd.function({ id: "long", event: "long" }, async (event, step) => {
          await step.run("first", () => note("first"));
          await step.run("second", async () => { note("pid:" + process.pid); if (step.attempt === 0) await pause(600000); });
          return step.attempt;
        });""")
    service.kafka.send("long")
    (pid,) = eventually(lambda: [line[4:] for line in notes(folder) if line.startswith("pid:")])
    os.kill(int(pid), signal.SIGKILL)
    ended(service, "long")
    assert notes(folder).count("first") == 1
    assert sum(line.startswith("pid:") for line in notes(folder)) == 2


def test_two_declarations_of_one_id_are_named_and_the_rest_goes_on(serve):
    service = serve("""
        stepd.function({ id: "twice", event: "twice" }, () => "earlier");
        stepd.function({ id: "twice", event: "twice" }, () => "later");
        stepd.function({ id: "other", event: "twice" }, () => "other");""")
    service.kafka.send("twice")
    assert ended(service, "twice")["output"] == "earlier"
    assert ended(service, "other")["output"] == "other"
    (said,) = [line for line in service.log().splitlines() if "declared twice" in line][:1]
    assert "program.mjs:6" in said and "program.mjs:7" in said


def test_what_a_run_says_is_in_the_log(serve):
    service = serve("""
        stepd.function({ id: "talk", event: "talk" }, async (event, step) => { console.log("I am", { n: 1 }); await step.run("s", () => console.warn("careful")); });""")
    service.kafka.send("talk")
    shown = ended(service, "talk")
    lines = service.log().splitlines()
    assert any("I am { n: 1 }" in line and shown["id"][:8] in line for line in lines)
    assert any("careful" in line for line in lines)


def test_numbers_of_any_size_come_and_go(serve):
    service = serve("""
        stepd.function({ id: "numbers", event: "numbers" }, async (event, step) => step.run("s", () => [event.data, typeof event.data.big, Buffer.from("hi")]));""")
    service.kafka.produce('{"name": "numbers", "data": {"big": 123456789012345678901234567890, "edge": 9007199254740993, "small": 1.5}}')
    assert ended(service, "numbers")["output"] == [{"big": 123456789012345678901234567890, "edge": 9007199254740993, "small": 1.5}, "bigint", "aGk="]


def test_a_cancelled_run_is_told(serve, folder):
    service = serve("""
        stepd.function({ id: "patient", event: "patient" }, async (event, step) => {
          await step.run("before", () => 1);
          await step.run("wait", ({ signal }) => new Promise((resolve, reject) => {
            note("waits");
            signal.addEventListener("abort", () => { note("told"); reject(signal.reason); });
          }));
        });""")
    service.kafka.send("patient")
    (found,) = service.wait_for("patient", "running")
    eventually(lambda: notes(folder) == ["waits"])
    assert service.ctl_run("cancel", found["id"]).returncode == 0
    service.wait_for("patient", "cancelled")
    eventually(lambda: notes(folder) == ["waits", "told"])


def test_an_attempt_past_its_timeout_is_told_and_tried_again(serve, folder):
    service = serve("""
        stepd.function({ id: "slow", event: "slow", timeout: "1s" }, async (event, step) => {
          if (step.attempt > 0) return "in time";
          await new Promise((resolve) => step.signal.addEventListener("abort", () => { note("told"); resolve(); }));
        });""")
    service.kafka.send("slow")
    assert ended(service, "slow")["output"] == "in time"
    assert notes(folder) == ["told"]


def test_a_thousand_runs_at_once(serve):
    service = serve("""
        stepd.function({ id: "many", event: "many" }, async (event, step) => (await step.run("a", () => event.data)) + (await step.run("b", async () => { await pause(5); return 1; })));""")
    service.kafka.produce_lines([f"k{i}\t" + json.dumps({"name": "many", "data": i}) for i in range(1000)])
    eventually(lambda: service.ctl("stats").get("completed") == 1000 or len(service.runs(function="many", status="completed", limit="2000")) == 1000, 60)


def test_it_ends_with_the_daemon(serve, folder):
    service = serve("""
        note("pid:" + process.pid);
        stepd.function({ id: "f", event: "f" }, () => "done");""")
    service.kafka.send("f")
    ended(service, "f")
    (pid,) = [line[4:] for line in notes(folder)]
    service.stop()
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    assert "SIGKILL" not in service.log()


def test_the_examples_of_the_retries_page(dev, folder):
    shutil.copytree(ROOT / "examples/program-node", folder / "example")
    (folder / "example/node_modules").mkdir(exist_ok=True)
    (folder / "example/node_modules/stepd").symlink_to(ROOT / "clients/node")
    service = dev([], "--program", f"node {folder / 'example/serve.js'}", "--retry-interval", "200ms")
    service.kafka.send("app/button.clicked", {"buttonId": "buy"})
    service.kafka.send("auto/sync.request")
    service.kafka.send("user/weekly.digest.requested", {"userId": "bob"})
    service.kafka.send("app/user.created", {"phone": "555"})
    assert ended(service, "click-recorder")["output"] == {"button": "buy", "attempt": 2}
    assert ended(service, "sync-systems")["output"] == {"saved": 3}
    assert ended(service, "user-weekly-digest", "failed")["error"]["message"].startswith("User no longer exists; stopping")
    assert ended(service, "send-welcome-notification")["output"] == {"message": "welcome, 555"}


def test_runs_survive_processes_that_are_killed(serve, folder):
    """Three steps each. What is on record is not run again; a step under way may be."""
    service = serve("""
        note("pid:" + process.pid);
        stepd.function({ id: "sum", event: "sum", retries: 100 }, async (event, step) => {
          let sum = 0;
          for (const id of ["a", "b", "c"]) sum += await step.run(id, async () => { await pause(5); return event.data; });
          return sum;
        });""")
    killed = 0
    service.kafka.produce_lines([f"k{i}\t" + json.dumps({"name": "sum", "data": i}) for i in range(300)])
    for _ in range(4):
        pids = eventually(lambda: (found := [line[4:] for line in notes(folder)]) and len(found) > killed and found)
        os.kill(int(pids[-1]), signal.SIGKILL)
        killed += 1
    done = eventually(lambda: len(found := service.runs(function="sum", status="completed", limit="1000")) == 300 and found, 90)
    assert sorted(each["output"] for each in done) == [3 * i for i in range(300)]


def test_of_a_trace_the_error_is_said(serve):
    service = serve("""
        function readSettings() { throw new TypeError("no such settings"); }
        readSettings();""")
    eventually(lambda: re.search(r"program \S+ \(process \d+\): [^:]*: TypeError: no such settings; stepd starts it again", service.log()))
