# SPDX-License-Identifier: Apache-2.0
"""Questions about programs that stay (handlers/program): functions in Python and Node.js, beside the queues of those languages."""
import struct
import sys
import time
from array import array

import contenders
from contenders import HERE, LONGEST_S, CantBeHad, Daemon, Redis

COMMANDS = {
    "python": [sys.executable, str(HERE / "programs/bench.py")],
    "node": ["node", str(HERE / "programs/bench.mjs")],
}
# The clients are those of the build that is measured.
ENVIRONMENT = {
    "python": lambda tree: {"PYTHONPATH": str(tree / "clients/python")},
    "node": lambda tree: {"STEPD_CLIENT": (tree / "clients/node/index.js").as_uri()},
}


class Program(Daemon):
    """A daemon with one process of a program, which says what it has seen."""

    def __init__(self, bench, folder, redis, topic, language, function, **settings):
        self.book = folder / "book"
        program = {"command": [*COMMANDS[language], function], "in_flight": 256,
                   "env": {**ENVIRONMENT[language](bench.program.tree), "BOOK": str(self.book)}, "inherit_env": False}
        super().__init__(bench, folder, redis, topic, [], programs={"bench": program}, **settings)

    def read(self):
        return self.book.read_bytes() if self.book.exists() else b""

    def seen(self):
        data = self.read()[:8]
        return struct.unpack("<Q", data)[0] if len(data) == 8 else 0

    def samples_ms(self):
        return sorted(us / 1000 for us in array("i", self.read()[8:]))

    def wait_to_serve(self):
        end = time.monotonic() + LONGEST_S
        while not self.is_ready() or not self.book.exists():
            self.check()
            if time.monotonic() > end:
                raise CantBeHad(f"no program: {self.log()}")
            time.sleep(0.05)


def throughput(language, function, count_of, per_event=1, **settings):
    def measure(bench):
        count = count_of(bench.options)
        with Redis(bench.fresh("redis")) as redis, \
                Program(bench, bench.fresh("stepd"), redis, bench.topic_of(count), language, function, **settings) as daemon:
            seconds = daemon.wait_for(count * per_event)
            return contenders.rate({"events": count * per_event, "seconds": seconds}, daemon.stop())
    return measure


def latency(rate_per_s, percentiles):
    def measure(bench):
        count = rate_per_s * bench.options.seconds
        topic = bench.fresh_topic()
        with Redis(bench.fresh("redis")) as redis, Program(bench, bench.fresh("stepd"), redis, topic, "python", "latency") as daemon:
            daemon.wait_to_serve()
            time.sleep(1)
            producer = bench.produce_steadily(topic, count, rate_per_s)
            daemon.wait_for(count)
            producer.wait()
            time.sleep(0.05)
            return percentiles(daemon.samples_ms())
    return measure
