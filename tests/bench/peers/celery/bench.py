# SPDX-License-Identifier: Apache-2.0
"""bench.py REDIS_PORT noop|chain COUNT: what one worker process of Celery does with COUNT tasks, as one line of JSON."""
import json
import sys
import time

from celery import Celery
from celery.worker import state

PORT, MODE, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
STEPS = 10
TEXT = "x" * 180
app = Celery("bench", broker=f"redis://127.0.0.1:{PORT}/0")
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, worker_redirect_stdouts=False, broker_connection_retry_on_startup=True)
seen = 0
begun = taken = 0.0


def finish():
    global seen, taken
    seen += 1
    if seen == COUNT:
        taken = time.monotonic() - begun
        state.should_stop = 0


def begin():
    global begun
    begun = begun or time.monotonic()


@app.task(name="noop")
def noop(step, text):
    begin()
    finish()


@app.task(name="chain")
def chain(step, text):
    begin()
    if step + 1 == STEPS:
        finish()
    else:
        chain.delay(step + 1, text)


task = {"noop": noop, "chain": chain}[MODE]
for _ in range(COUNT):
    task.delay(0, TEXT)
worker = app.Worker(pool="solo", loglevel="error", without_gossip=True, without_mingle=True, without_heartbeat=True)
try:
    worker.start()
except SystemExit:
    pass
print()
print(json.dumps({"events": COUNT, "seconds": taken}), flush=True)
