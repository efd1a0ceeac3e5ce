# SPDX-License-Identifier: Apache-2.0
"""Runs of modules/trip.c, and what they must have come to."""
import json
import threading

from support import eventually


class Trips:
    """Sends trips to one daemon, and knows how each has to end."""

    def __init__(self, kafka, topic, service, book, event="trip/begin"):
        self.kafka, self.topic, self.service, self.book, self.event = kafka, topic, service, book, event
        self.sent = 0

    def send(self, count):
        numbers = range(self.sent, self.sent + count)
        self.kafka.produce_lines((f"{n % 16}\t" + json.dumps({"name": self.event, "data": {"n": n}}) for n in numbers), self.topic)
        self.sent += count

    def ended(self):
        """{number: run}"""
        return {run["event"]["data"]["n"]: run for run in self.service.runs(status="completed")}

    def missing(self):
        return sorted(set(range(self.sent)) - set(self.ended()))

    def say(self):
        missing = self.missing()
        said = [line for line in self.service.log().splitlines() if " function=" not in line]
        return f"{len(missing)} of {self.sent} did not end: {missing[:10]}\n{self.service.runs()[:3]}\n" + "\n".join(said[-30:])

    def all_end(self, seconds=40):
        """Every event's run has ended well, and nothing was refused on the way; steps that are looked at were
        recorded once."""
        eventually(lambda: not self.missing(), seconds, what=self.say)
        for run in list(self.ended().values())[:10]:
            shown = self.service.show(run["id"])
            assert [step["id"] for step in shown["steps"]] == ["out", "rest", "back"], shown
        eventually(self.service.is_ready, what=self.service.log)
        assert "Redis refuses" not in self.service.log(), self.say()

    def back(self):
        """How many have done their last step, without asking Redis."""
        return sum(line.endswith("back") for line in self.book.read_text().splitlines())


class Stream:
    """`with Stream(trips):` sends some every quarter of a second."""

    def __init__(self, trips, count=5):
        self.trips, self.count = trips, count
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._flow, daemon=True)

    def _flow(self):
        while not self.is_over.wait(0.25):
            self.trips.send(self.count)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()
