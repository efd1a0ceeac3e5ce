# SPDX-License-Identifier: Apache-2.0
"""The conformance scenarios in a real daemon, over a real Kafka and Redis: what their code sees, and what comes of them, is what it
is over stepd::testing."""
import json
import os
import re

import pytest

import support
from support import BUILD, ROOT, SLOWER, eventually

FOLDER = ROOT / "tests/conformance"
FILES = sorted(path.stem for path in FOLDER.glob("*.c") if path.stem != "play")
LATE_MS = 5000 * SLOWER


def lines(text):
    """[(scenario, line, ms since its event)] of a trace."""
    return [(name, line, int(ms)) for name, line, ms in (row.split("\t") for row in text.splitlines())]


def by_key(rows):
    """Of different keys no order is promised."""
    return sorted(rows, key=lambda row: row[0].split("|")[0] if "|" in row[0] else "")


class Scenario:
    """One scenario as its program wrote it, played over stepd::testing: `wanted` is what came of it there."""

    def __init__(self, path, stage):
        self.wanted, self.stage = json.loads(path.read_text()), stage
        self.name = self.wanted["name"]

    def send(self):
        self.produce(self.wanted["events"])

    def produce(self, events):
        for event in events:
            parts = {"name": event["name"], **({"id": event["id"]} if event["id"] else {}),
                     **({"data": json.loads(event["data"])} if event["data"] else {})}
            self.stage.kafka.produce(event["raw"] or json.dumps(parts), self.stage.topics[event["topic"]], event["key"])

    def seen(self):
        return by_key([(line, ms) for name, line, ms in lines(self.stage.trace()) if name == self.name])

    def runs(self):
        return self.stage.service.runs(function=self.name)

    def send_later(self):
        """A sleep may be over before it is seen; what waits by then, wants the same events."""
        if self.wanted["later"]:
            self.stage.wait(lambda: any(run["status"] in (self.wanted["later_when"], "waiting") for run in self.runs()), self.say)
            self.produce(self.wanted["later"])

    def act(self):
        """What a person does."""
        if self.wanted["act"] is None:
            return
        before = {"retry": "failed", "cancel": "sleeping"}[self.wanted["act"]]
        (run,) = self.stage.wait(lambda: [run for run in self.runs() if run["status"] == before], self.say)
        assert self.stage.service.ctl_run(self.wanted["act"], run["id"]).returncode == 0

    def has_ended(self):
        status = self.wanted["status"]
        return len(self.seen()) >= len(self.wanted["trace"]) and (
            status is None or bool(self.runs()) and all(run["status"] == status for run in self.runs()))

    def say(self):
        return f"{self.name}\n{self.seen()}\n{self.runs()}\n{self.stage.service.log()[-2000:]}"

    def compare(self, letters):
        assert [line for line, _ in self.seen()] == self.wanted["trace"], self.say()
        for (line, ms), expected in zip(self.seen(), self.wanted["times"] or []):
            assert int(expected) - 5 <= ms <= int(expected) + LATE_MS, (self.name, line)
        if self.wanted["letters"] is not None:
            assert sorted(letters) == sorted(self.wanted["letters"]), self.name
        for run in self.runs():
            self.compare_run(self.stage.service.show(run["id"]))

    def compare_run(self, run):
        assert run["status"] == self.wanted["status"], self.say()
        if self.wanted["output"] is not None:
            assert run["output"] == json.loads(self.wanted["output"]), self.name
        error = run.get("error") or {"name": None, "message": None}
        if run["status"] != "cancelled":
            assert self.wanted["error"] in (error["name"], f"{error['name']}: {error['message']}"), self.name
        if self.wanted["steps"] is not None:
            assert [step_line(step) for step in run["steps"]] == self.wanted["steps"], self.name


def step_line(step):
    result = step["error"]["name"] if step.get("error") else json.dumps(step["output"], separators=(",", ":"))
    return f"{step['id']} {step['status']} {step['attempts']} {result}"


class Stage:
    """A daemon with one file's module, started again whenever it has died."""

    def __init__(self, name, folder, kafka, redis, topic):
        self.folder, self.kafka = folder, kafka
        self.topics = {None: topic, "raw": f"{topic}-raw"}
        self.scenarios = self.played_in_memory(name)
        module = support.build_module(FOLDER / f"{name}.c", folder, "-D_GNU_SOURCE")
        home = folder / "daemon"
        (home / "conf.d").mkdir(parents=True)
        (home / "conf.d/scenarios.yaml").write_text(self.scenarios[0].wanted["settings"])
        settings = {"topics": list(self.topics.values()), "history": "all", "worker": {"threads": 8, "lease": "1s", "journal": str(home / "journal")},
                    "functions": {"a-topic-is-taken-whole": {"topic": self.topics["raw"]}} if name == "events" else {}}
        self.service = support.Daemon(home, kafka, redis, [module], settings, {"STEPD_CONFORMANCE_TRACE": str(home / "trace")})
        self.service.settings["kafka"]["group.instance.id"] = "one"  # comes back at once
        self.service.configure()
        self.service.start()

    def played_in_memory(self, name):
        dump = self.folder / "dump"
        dump.mkdir()
        support.run(BUILD / f"tests/conformance_{name}", env={**os.environ, "STEPD_CONFORMANCE_DUMP": str(dump)})
        return [Scenario(path, self) for path in sorted(dump.rglob("*.json"))]

    def trace(self):
        path = self.service.folder / "trace"
        return path.read_text() if path.exists() else ""

    def letters(self):
        """{scenario: its dead letters, "ERROR ATTEMPTS"}; a message that no run was made of names itself."""
        letters = {scenario.name: [] for scenario in self.scenarios}
        for letter in (letter for topic in self.topics.values() for letter in self.kafka.consume(f"{topic}.dead")):
            name = letter["headers"].get("stepd-function") or re.search(rb"conformance/([a-z0-9/-]+)", letter["value"])[1].decode()
            letters.setdefault(name, []).append(f"{letter['headers']['stepd-error-name']} {letter['headers']['stepd-attempts']}")
        return letters

    def wait(self, condition, what):
        def looked():
            if self.service.process.poll() is not None:
                self.service.launch()
            return condition()
        return eventually(looked, 60, what)

    def play(self, scenarios):
        for scenario in scenarios:
            scenario.send()
        for scenario in sorted(scenarios, key=lambda each: each.wanted["later_when"] == "waiting"):  # the others don't wait for it
            scenario.send_later()
        for scenario in scenarios:
            scenario.act()
        for scenario in scenarios:
            self.wait(scenario.has_ended, scenario.say)
        letters = self.letters()
        for scenario in scenarios:
            scenario.compare(letters[scenario.name])


@pytest.mark.parametrize("name", FILES)
def test_conformance(name, folder, kafka, redis, topic):
    stage = Stage(name, folder, kafka, redis, topic)
    try:
        if name in ("crashes", "parallel"):  # what dies takes others with it
            for scenario in stage.scenarios:
                stage.play([scenario])
        else:
            stage.play(stage.scenarios)
        if stage.service.process.poll() is None:
            assert stage.service.stop() == 0
    finally:
        if stage.service.process.poll() is None:
            stage.service.kill()
