# SPDX-License-Identifier: Apache-2.0
"""Runs of an app's function of ten steps while the daemon is killed every few seconds: none is lost, and no step
that the app was told is finished is called again. Every other run tells of its steps in replies, the rest report
several in one call, as SDK 4.x does. STEPD_APP_RUNS says how many runs (300)."""
import os
import signal
import threading
import time

from fake_app import FakeApp, report, result, step_hash
from support import SLOWER, eventually
from test_inngest_calls import register

RUNS = int(os.environ.get("STEPD_APP_RUNS", "300"))
STEPS = [step_hash(f"s{i}") for i in range(10)]


class Ten:
    """What the app sees of each run: how far it was told to be, and how often each step ran."""

    def __init__(self):
        self.http = None
        self.lock = threading.Lock()
        self.told, self.ran, self.ended, self.again = {}, {}, {}, []

    def answer(self, call):
        event = call["body"]["event"]["data"]["n"]
        known = sum(step in call["body"]["steps"] for step in STEPS)
        with self.lock:
            if known < self.told.get(event, 0):
                self.again.append((event, known, self.told[event]))
            self.told[event] = known
            if known == len(STEPS):
                self.ended[event] = self.ended.get(event, 0) + 1
                return 200, event
            self.ran[event, known] = self.ran.get((event, known), 0) + 1
        time.sleep(0.03)
        if event % 2 == 0 or not self.is_reported(call, event, known):
            return result(f"s{known}", known)
        call["body"]["steps"][STEPS[known]] = {"data": known}
        return self.answer(call)

    def is_reported(self, call, event, step):
        """Recorded, so that it must not run again; else the reply tells of it, where anybody still wants that."""
        try:
            return report(self.http, call, f"s{step}") == 200
        except (OSError, KeyError):  # the daemon is dead; or asks for no reports
            return False


KILL_EVERY_S = 2


def test_ten_steps_survive_kills(daemon, kafka, topic):
    ten = Ten()
    app = FakeApp({"ten": ten.answer})
    stepd = daemon([], topics=[topic], inngest={"calls": 32}, worker={"threads": 8, "lease": "1s"},
                   retry={"schedule": ["200ms"], "jitter": "0s"})
    ten.http = stepd.http
    try:
        register(stepd, app)
        kafka.produce_lines([f'{i}\t{{"name":"ten","id":"e{i}","data":{{"n":{i}}}}}' for i in range(RUNS)], topic)
        kills, end = 0, time.monotonic() + (120 + RUNS / 20) * SLOWER
        while len(ten.ended) < RUNS or kills < 2:
            assert time.monotonic() < end, f"{len(ten.ended)} of {RUNS} after {kills} kills\n{stepd.log()[-3000:]}"
            time.sleep(KILL_EVERY_S)
            stepd.stop(signal.SIGKILL)
            kills += 1
            stepd.start()
        eventually(lambda: len(ten.ended) == RUNS, 60, what=lambda: f"{len(ten.ended)} of {RUNS}\n{stepd.log()[-3000:]}")
    finally:
        app.stop()
    assert ten.again == []
    assert all((event, step) in ten.ran for event in range(RUNS) for step in range(10))
    # Once more at most what was under way, or not yet recorded, at a kill.
    repeats = sum(count - 1 for count in ten.ran.values())
    print(f"{RUNS} runs, {kills} kills, {repeats} of {10 * RUNS} steps were under way and ran again")
