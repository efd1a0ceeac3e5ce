# SPDX-License-Identifier: Apache-2.0
"""What people look with answers a large installation within a moment: 100,000 parked runs, fifty daemons, ten thousand functions
with runs in line. `STEPD_LARGE_RUNS=10000000 pytest -s` tells what each took with as many runs (6 GB)."""
import os
import time

import pytest

from support import SLOWER, eventually

RUNS, LINES, DAEMONS = int(os.environ.get("STEPD_LARGE_RUNS", "100000")), 10_000, 50

# Copies a parked run, as often as is said, with an id of its own.
FILL = """
local P, from, first, count = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local run, due = redis.call('GET', P .. 'run:' .. from), tonumber(redis.call('ZSCORE', P .. 'delayed', from))
for n = first, first + count - 1 do
  local id = string.format('%08x%024x', (n * 2654435761) % 4294967296, n)
  redis.call('SET', P .. 'run:' .. id, run)
  redis.call('ZADD', P .. 'delayed', due + n, id)
  if n < 10000 then redis.call('ZADD', P .. 'newest', tonumber(redis.call('ZSCORE', P .. 'newest', from)) - n, id) end
end
"""
CROWD = """
local P, now = KEYS[1], tonumber(redis.call('TIME')[1]) * 1000
for n = 1, tonumber(ARGV[1]) do
  local worker = string.format('%032x', n)
  redis.call('ZADD', P .. 'workers', now + 3600000, worker)
  redis.call('HSET', P .. 'stats:' .. worker, 'runs_started', n)
end
for n = 1, tonumber(ARGV[2]) do
  redis.call('SADD', P .. 'lines', 'function-' .. n)
  redis.call('ZADD', P .. 'line:function-' .. n, now, string.format('%032x', n))
end
"""


@pytest.fixture
def large(daemon, kafka, redis, topic, module):
    service = daemon([module("five")], topics=[topic, "raw"], retry={"backoff": ["1d"]},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "allow.auto.create.topics": "true"})
    kafka.send("job/flaky", topic=topic)
    run = eventually(lambda: service.runs(status="delayed"))[0]["id"]
    assert service.stop() == 0
    redis.cli("CONFIG", "SET", "appendonly", "no")
    for first in range(0, RUNS, 20000):
        redis.cli("EVAL", FILL, 1, "stepd{0}:", run, first, 20000)
    redis.cli("EVAL", CROWD, 1, "stepd{0}:", DAEMONS, LINES)
    return service, run


def test_looks_answer_within_a_moment(large):
    service, run = large
    took = {}
    for words in (["stats"], ["top", "--limit", "1"], ["runs"], ["runs", "--status", "delayed", "--limit", "100"],
                  ["runs", "--function", "nobody"], ["runs", "--status", "queued"], ["why", run], ["why", run[:12]], ["show", run], ["doctor"]):
        begun = time.monotonic()
        done = service.ctl_run(*words)
        took[" ".join(words)] = round(time.monotonic() - begun, 2)
        assert done.returncode in (0, 1), done.stderr
    print(f"with {RUNS} parked runs, seconds: {took}")
    stats = service.ctl("stats")
    assert stats["delayed"] >= RUNS and stats["workers"] == DAEMONS
    slow = {words: seconds for words, seconds in took.items() if seconds > 10 * SLOWER}  # a second where nothing else runs
    assert not slow, took
