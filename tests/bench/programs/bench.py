# SPDX-License-Identifier: Apache-2.0
"""bench.py FUNCTION: a measured function in Python. What it has seen goes into the file $BOOK every few milliseconds: a count
of 8 bytes, then how long after it was sent each timed event began, in µs."""
import os
import struct
import sys
import threading
import time
from array import array

import stepd

STEPS = 10
TEXT = "x" * 100
book = os.open(os.environ["BOOK"], os.O_RDWR | os.O_CREAT, 0o600)
seen = 0
samples = array("i")


def write_down():
    while True:
        time.sleep(0.005)
        os.pwrite(book, struct.pack("<Q", seen) + samples.tobytes(), 0)


async def noop(event, step):
    global seen
    seen += 1


def noop_on_threads(event, step):
    global seen
    seen += 1


async def steps(event, step):
    global seen
    for _ in range(STEPS):
        await step.run("step", lambda: TEXT)
        seen += 1


async def latency(event, step):
    global seen
    samples.append((time.time_ns() - event.data["sent"]) // 1000)
    seen += 1


chosen = {"noop": noop, "noop-threads": noop_on_threads, "steps": steps, "latency": latency}[sys.argv[1]]
stepd.function(event="bench/timed" if chosen is latency else "bench/event", id=f"program-{sys.argv[1]}")(chosen)
threading.Thread(target=write_down, daemon=True).start()
stepd.serve()
