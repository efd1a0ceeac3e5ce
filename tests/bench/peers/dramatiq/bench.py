# SPDX-License-Identifier: Apache-2.0
"""bench.py REDIS_PORT noop|chain|retry COUNT: what dramatiq does with COUNT messages, as one line of JSON."""
import json
import sys
import threading
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage, Retries

PORT, MODE, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
STEPS = 10
TEXT = "x" * 180
broker = RedisBroker(host="127.0.0.1", port=int(PORT), middleware=[CurrentMessage(), Retries()] if MODE == "retry" else [])
dramatiq.set_broker(broker)
done = threading.Event()
lock = threading.Lock()
seen = 0


def finish():
    global seen
    with lock:
        seen += 1
        if seen == COUNT:
            done.set()


@dramatiq.actor
def noop(step, text):
    finish()


@dramatiq.actor
def chain(step, text):
    if step + 1 == STEPS:
        finish()
    else:
        chain.send(step + 1, text)


if MODE == "retry":
    @dramatiq.actor(max_retries=1, min_backoff=200, max_backoff=200)
    def retry(step, text):
        if not CurrentMessage.get_current_message().options.get("retries"):
            raise RuntimeError("again")
        finish()

actor = globals()[MODE]
for _ in range(COUNT):
    actor.send(0, TEXT)
worker = dramatiq.Worker(broker, worker_threads=8)
begun = time.monotonic()
worker.start()
done.wait()
print(json.dumps({"events": COUNT, "seconds": time.monotonic() - begun}), flush=True)
worker.stop()
