# SPDX-License-Identifier: Apache-2.0
"""Runs of three steps in Python and in Node while programs and the daemon are killed: none is lost, and no step that was
recorded runs again. STEPD_PROGRAM_RUNS says how many runs (2000, half of them in each)."""
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from support import ROOT, SLOWER, eventually

RUNS = int(os.environ.get("STEPD_PROGRAM_RUNS", "2000"))
STEPS = range(3)
DAEMON_EVERY = 5  # of what is killed, one is the daemon

PYTHON = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT / "clients/python")!r})
import stepd
book = os.open(os.environ["BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(*words):
    os.write(book, (" ".join(map(str, words)) + "\\n").encode())
@stepd.function(event="py", id="py", retries=1000, schedule=["200ms"], jitter=0)
def three(event, step):
    n = event.data["n"]
    def work(k):
        time.sleep(0.01)
        note("ran", n, k)
        return k
    for k in range(3):
        assert step.run("s%d" % k, lambda: work(k)) == k
        note("past", n, k)
    note("end", n, 0)
stepd.serve(threads=16)
"""

NODE = f"""
import stepd from {json.dumps((ROOT / "clients/node/index.js").as_uri())};
import {{ openSync, writeSync }} from "node:fs";
const book = openSync(process.env.BOOK, "a");
const note = (...words) => writeSync(book, words.join(" ") + "\\n");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
stepd.function({{ id: "node", event: "node", retries: 1000, schedule: ["200ms"], jitter: 0 }}, async (event, step) => {{
  const n = event.data.n;
  for (let k = 0; k < 3; k++) {{
    const answer = await step.run("s" + k, async () => {{ await pause(10); note("ran", n, k); return k; }});
    if (answer !== k) throw new Error("step " + k + " answered " + answer);
    note("past", n, k);
  }}
  note("end", n, 0);
}});
await stepd.serve();
"""


def programs(pid):
    """The daemon's children."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


class Book:
    """What the programs noted: which steps ran, which were answered as recorded, which runs ended."""

    def __init__(self, path, again):
        self.recorded, self.ended, self.again, self.ran = set(), set(), again, 0
        for line in path.read_text().splitlines() if path.exists() else ():
            word, n, step = line.split()
            if word == "ran":
                self.ran += 1
                if (n, step) in self.recorded:
                    self.again.append((path.name, n, step))
            elif word == "past":
                self.recorded.add((n, step))
            else:
                self.ended.add(int(n))


class Ends:
    """How many runs have ended: reads on where it stopped, since all of a large book takes longer than there is between two kills."""

    def __init__(self, path):
        self.path, self.at, self.seen = path, 0, set()

    def count(self):
        if self.path.exists():
            with open(self.path, "rb") as book:
                book.seek(self.at)
                whole, _, _ = book.read().rpartition(b"\n")
            self.at += len(whole) + bool(whole)
            self.seen.update(line.split()[1] for line in whole.splitlines() if line.startswith(b"end "))
        return len(self.seen)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_three_steps_survive_kills_of_programs_and_daemons(daemon, kafka, topic, folder):
    (folder / "three.py").write_text(PYTHON)
    (folder / "three.mjs").write_text(NODE)
    books = {name: folder / f"book-{name}" for name in ("py", "node")}
    commands = {"py": [sys.executable, str(folder / "three.py")], "node": [shutil.which("node"), str(folder / "three.mjs")]}
    stepd = daemon([], topics=[topic], worker={"threads": 4, "lease": "1s"},
                   programs={name: {"command": commands[name], "processes": 2, "in_flight": 16, "env": {"BOOK": str(books[name])}}
                             for name in books})
    half = RUNS // 2
    kafka.produce_lines([f'{n}\t{{"name":"{name}","id":"{name}-{n}","data":{{"n":{n}}}}}' for n in range(half) for name in books], topic)
    chance = random.Random(7)
    kills, end = 0, time.monotonic() + (120 + RUNS / 20) * SLOWER

    ends = [Ends(path) for path in books.values()]

    def are_over():
        return all([each.count() == half for each in ends])
    while not are_over() or kills < 2 * DAEMON_EVERY:
        assert time.monotonic() < end, f"{[each.count() for each in ends]} of {half} each\n{stepd.log()[-3000:]}"
        time.sleep(0.7)
        kills += 1
        if kills % DAEMON_EVERY == 0:
            stepd.stop(signal.SIGKILL)
            stepd.start()
        elif (found := programs(stepd.process.pid)):
            try:
                os.kill(chance.choice(found), signal.SIGKILL)
            except ProcessLookupError:
                pass
    for name in books:
        eventually(lambda: stepd.ctl("stats")["delayed"] == stepd.ctl("stats")["owned"] == 0, 60, what=lambda: stepd.ctl("stats"))
    again = []
    found = {name: Book(path, again) for name, path in books.items()}
    assert again == []
    for name, book in found.items():
        assert book.ended == set(range(half)), name
        assert len(book.recorded) == half * len(STEPS), name
        print(f"{name}: {half} runs, {book.ran - half * len(STEPS)} of {half * len(STEPS)} steps were under way at a kill and ran again")
    print(f"{kills} kills, of the daemon each {DAEMON_EVERY}th")
