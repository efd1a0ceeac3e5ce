# SPDX-License-Identifier: Apache-2.0
"""Each setting of flow control by a ledger: three daemons, one of which is killed each second, a real Kafka and Redis.

One function a setting, all started by the same events. By hand for longer: STEPD_FLOW_EVENTS=20000 STEPD_FLOW_SECONDS=300."""
import collections
import json
import os
import time

import pytest

from support import eventually

EVENTS = int(os.environ.get("STEPD_FLOW_EVENTS", 200))
SECONDS = int(os.environ.get("STEPD_FLOW_SECONDS", 8))
KEYS = 5
LEASE_S = 1
FOREVER = "1h"
BY_KEY = "event.data.k"

SETTINGS = {
    "when": {"when": "event.data.n % 2 == 0"},
    "once": {"dedupe": "1h", "dedupe_key": "event.data.pair"},
    "rate": {"rate_limit": {"limit": 7, "period": "24h", "key": BY_KEY}},
    "turns": {"throttle": {"limit": 40, "period": "1s", "burst": 0}},
    "latest": {"debounce": {"period": "1s", "key": BY_KEY}},
    "several": {"batch": {"size": 5, "timeout": "1s", "key": BY_KEY}},
    "places": {"concurrency_limits": [{"limit": 2, "key": BY_KEY}], "ms": 20},
    "scoped": {"concurrency_limits": [{"limit": 3, "scope": "all"}], "ms": 10},
    "scoped-too": {"concurrency_limits": [{"limit": 3, "scope": "all"}], "ms": 10},
    "first": {"concurrency_limits": [{"limit": 3}], "priority": "event.data.n % 3 == 0 ? 600 : event.data.n % 3 == 1 ? -600 : 0", "ms": 5},
    "alone": {"singleton": {"mode": "skip", "key": BY_KEY}, "ms": 100},
    "newest": {"singleton": {"mode": "cancel", "key": BY_KEY}, "sleep": FOREVER},
    "stopped": {"cancel_on": [{"event": "flow/stop", "when": "async.data.n == event.data.n"}], "sleep": FOREVER},
    "begins": {"concurrency_limits": [{"limit": 1}], "start_timeout": "3s", "ms": 50},
    "ends": {"finish_timeout": "4s", "sleep": FOREVER},
    "again": {"on_error": [{"error": "Down", "retries": 1000, "backoff": ["300ms"]}], "retries": 0},
    "broken": {"breaker": {"failures": 5, "window": "1m", "pause": "2s"}, "retries": 1000, "schedule": ["300ms"]},
}
ARE_DOWN = ("again", "broken")


class Ledger:
    """What modules/flow.c wrote."""

    def __init__(self, path):
        rows = [line.split() for line in path.read_text().splitlines()]
        self.of = collections.defaultdict(list)
        for function, n, pid, what, ms, run in rows:
            self.of[function].append((int(ms), what, int(n), int(pid), run))

    def begun(self, function):
        """The first begin of each number, ms."""
        first = {}
        for ms, what, n, _, _ in self.of[function]:
            if what == "begin":
                first[n] = min(first.get(n, ms), ms)
        return first

    def ended(self, function):
        return {n for _, what, n, _, _ in self.of[function] if what == "end"}

    def spans(self, functions, killed, number_is=lambda n: True):
        """When attempts executed: until they ended, or their process was killed."""
        for function in functions:
            open_spans = {}
            for ms, what, n, pid, run in self.of[function]:
                if number_is(n) and what == "begin":
                    open_spans[(run, pid)] = ms
                elif number_is(n):
                    yield open_spans.pop((run, pid)), ms
            for (_, pid), ms in open_spans.items():
                yield ms, killed.get(pid, ms)

    def most_at_once(self, functions, killed, number_is=lambda n: True):
        changes = []
        for begin, end in self.spans(functions, killed, number_is):
            changes += [(begin, 1), (end, -1)]
        most = now = 0
        for _, change in sorted(changes):
            now += change
            most = max(most, now)
        return most


@pytest.fixture
def fleet(kafka, daemon, module, topic, folder):
    down = folder / "down"
    down.touch()
    functions = {name: {"use": "book", "event": "flow/go", **given, **({"down": str(down)} if name in ARE_DOWN else {})}
                 for name, given in SETTINGS.items()}
    workers = [daemon([module("flow")], topics=[topic], options={"flow": {"file": str(folder / "book")}}, functions=functions,
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "allow.auto.create.topics": "true"},
                      retry={"jitter": 0}, worker={"threads": 16, "lease": f"{LEASE_S}s"}) for _ in range(3)]
    return workers, down


def kill_each_second(workers, seconds, killed):
    """By process when each was killed, ms."""
    for i in range(seconds):
        time.sleep(1)
        worker = workers[i % len(workers)]
        pid = worker.process.pid
        worker.kill()
        killed[pid] = int(time.time() * 1000)
        worker.launch()


def test_each_setting_keeps_what_it_promises_whatever_is_killed(fleet, kafka, topic, folder, redis):
    workers, down = fleet
    killed, numbers = {}, range(EVENTS)

    def send(name, chosen):
        kafka.produce_lines([f"key-{n % KEYS}\t" + json.dumps({"name": name, "data": {"n": n, "k": n % KEYS, "pair": n // 2}}) for n in chosen], topic)
    half = EVENTS // 2
    send("flow/go", range(half))
    kill_each_second(workers, SECONDS // 2, killed)
    send("flow/go", range(half, EVENTS))
    kill_each_second(workers, SECONDS - SECONDS // 2, killed)
    down.unlink()
    up_at = int(time.time() * 1000)
    for worker in workers:
        eventually(worker.is_ready, 60, what=worker.log)

    def ledger():
        return Ledger(folder / "book")

    def eventually_of(function, wanted, what=Ledger.ended):
        found = eventually(lambda: (got := set(what(ledger(), function))) and (got >= wanted if isinstance(wanted, set) else wanted(got)) and got, 90,
                           what=lambda: f"{function}: {sorted(what(ledger(), function))} of {wanted}\n{workers[0].log()[-2000:]}")
        return found

    everything = set(numbers)
    for function in ("turns", "several", "places", "scoped", "scoped-too", "first", *ARE_DOWN):
        assert eventually_of(function, everything) == everything, function
    assert eventually_of("when", {n for n in numbers if n % 2 == 0}) == {n for n in numbers if n % 2 == 0}

    # what drops events: as many as it lets, of each key, and none is lost on the way
    once = eventually_of("once", lambda got: len(got) == (EVENTS + 1) // 2)
    assert len({n // 2 for n in once}) == len(once)
    rate = eventually_of("rate", lambda got: len(got) >= 7 * KEYS)
    assert collections.Counter(n % KEYS for n in rate) == {k: 7 for k in range(KEYS)}
    last = {max(n for n in numbers if n % KEYS == k) for k in range(KEYS)}
    latest = eventually_of("latest", last)
    assert len(latest) < EVENTS // 2

    # places: of living processes, never more than there are
    book = ledger()
    for k in range(KEYS):
        assert book.most_at_once(["places"], killed, lambda n, k=k: n % KEYS == k) <= 2
        assert book.most_at_once(["alone"], killed, lambda n, k=k: n % KEYS == k) <= 1
    assert book.most_at_once(["scoped", "scoped-too"], killed) <= 3
    assert book.most_at_once(["first"], killed) <= 3 and book.most_at_once(["begins"], killed) <= 1
    alone = book.begun("alone")
    assert {n % KEYS for n in alone} == set(range(KEYS))

    # turns: never faster than they are given, but for what was taken over from those that were killed
    turns = sorted(book.begun("turns").values())
    assert turns[-1] - turns[0] >= (EVENTS - 40) / 40 * 1000 * 0.8

    # batches: none is larger, and one that ended had each event once
    for run in {run for _, _, _, _, run in book.of["several"]}:
        ends = [n for _, what, n, _, of in book.of["several"] if of == run and what == "end"]
        assert len(set(ends)) <= 5 and len({n % KEYS for n in ends}) <= 1

    # runs that others end: of `newest` one a key lives, the latest; of `stopped` those that nobody stopped
    def alive(function):
        return sorted(run["event"]["data"]["n"] for status in ("sleeping", "queued", "running", "delayed")
                      for run in workers[0].runs(function=function, status=status))
    eventually(lambda: alive("newest") == sorted(last), 60, what=lambda: alive("newest"))
    eventually(lambda: alive("stopped") == list(numbers), 60, what=lambda: alive("stopped"))
    send("flow/stop", [n for n in numbers if n % 2 == 0])
    eventually(lambda: alive("stopped") == [n for n in numbers if n % 2 == 1], 60, what=lambda: alive("stopped"))
    eventually(lambda: not alive("ends") and not alive("begins"), 60)

    # a run is cancelled once that is told, which one that was killed meanwhile leaves to another, half a minute later
    def cancelled(function):
        return {run["event"]["data"]["n"] for run in workers[0].runs(function=function, status="cancelled")}
    assert eventually_of("begins", lambda got: got | cancelled("begins") == everything)
    eventually(lambda: cancelled("ends") == everything, 60, what=lambda: cancelled("ends"))

    # the breaker: while it was open one attempt in all tried after each pause, more only where it was killed
    tried = sorted(ms for ms, what, _, _, _ in book.of["broken"] if what == "begin")
    downs = sorted(ms for ms, what, _, _, _ in book.of["broken"] if what == "down")
    opened = downs[4]
    tries = [ms for ms in tried if opened + 1500 < ms < up_at]
    assert len(tries) <= (up_at - opened) / 2000 + len(killed) + 1, (opened, tries)
    assert not workers[0].runs(status="failed")

    # and nothing is left behind
    eventually(lambda: not [key for kind in ("places", "debounce", "blocked", "probe") for key in redis.cli("KEYS", f"*:{kind}:*").split()], 60,
               what=lambda: redis.cli("KEYS", "*:places:*") + redis.cli("KEYS", "*:blocked:*"))
