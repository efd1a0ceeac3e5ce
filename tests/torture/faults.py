# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and when: a list drawn from a seed before anything starts, so that it can be drawn again."""
import collections
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import Callable

# What stands in them can be read again from the runs' own records.
INDEXES = ("delayed", "owned:*", "workers", "taken:*", "busy:*", "behind:*", "claim:*", "stats*", "asked:*")


@dataclass(frozen=True)
class Kind:
    """One way to do harm. `strike` does it, and undoes it after `seconds`; `rest` is how long its target is left alone
    then. `target`: "daemon" and "link" are three each, anything else is one."""
    name: str
    target: str
    weight: int
    seconds: tuple
    rest: float
    strike: Callable = field(repr=False)


@dataclass(frozen=True)
class Fault:
    at: float
    kind: Kind
    target: str
    number: int      # of the daemon or link
    seconds: float
    draw: float      # what else it has to choose; 0 to 1


# ---- daemons ---------------------------------------------------------------------------------------------------------

def kill(fleet, feed, fault):
    fleet.seats[fault.number].take_down(signal.SIGKILL)
    time.sleep(fault.seconds)
    fleet.seats[fault.number].start()


def terminate(fleet, feed, fault):
    fleet.seats[fault.number].take_down(signal.SIGTERM)
    time.sleep(fault.seconds)
    fleet.seats[fault.number].start()


def freeze(fleet, feed, fault):
    fleet.seats[fault.number].send(signal.SIGSTOP)
    time.sleep(fault.seconds)
    fleet.seats[fault.number].send(signal.SIGCONT)


def crash(fleet, feed, fault):
    feed.send("crash")


def hang(fleet, feed, fault):
    feed.send("hang")


def crowd(fleet, feed, fault):
    feed.send("slow", 200 + int(fault.draw * 600))


# ---- the network between a daemon and Redis --------------------------------------------------------------------------

def on_link(harm):
    def strike(fleet, feed, fault):
        link = fleet.seats[fault.number].link
        harm(link)
        time.sleep(fault.seconds)
        link.restore()
    return strike


# ---- Redis -----------------------------------------------------------------------------------------------------------

def kill_redis(fleet, feed, fault):
    fleet.redis.kill()
    time.sleep(fault.seconds)
    fleet.redis.start()


def roll_back(fleet, feed, fault):
    fleet.redis.lose_last_second()
    time.sleep(fault.seconds)
    fleet.redis.start()


def pause_redis(fleet, feed, fault):
    fleet.redis.pause()
    time.sleep(fault.seconds)
    fleet.redis.go_on()


def flush_scripts(fleet, feed, fault):
    fleet.redis.cli("script", "flush")


def kill_clients(fleet, feed, fault):
    fleet.redis.cli("client", "kill", "type", "normal")


def delete_key(fleet, feed, fault):
    keys = sorted(key for kind in INDEXES for key in fleet.redis.keys(kind))
    if not keys:
        return None
    fleet.redis.cli("del", keys[int(fault.draw * len(keys))])
    return keys[int(fault.draw * len(keys))]


def read_only(fleet, feed, fault):
    fleet.redis.cli("replicaof", "127.0.0.1", "1")
    time.sleep(fault.seconds)
    fleet.redis.cli("replicaof", "no", "one")


def no_memory(fleet, feed, fault):
    fleet.redis.cli("config", "set", "maxmemory", "1")
    time.sleep(fault.seconds)
    fleet.redis.cli("config", "set", "maxmemory", "0")


# ---- Kafka -----------------------------------------------------------------------------------------------------------

def freeze_broker(fleet, feed, fault):
    fleet.kafka.pause()
    time.sleep(fault.seconds)
    fleet.kafka.go_on()


def kill_broker(fleet, feed, fault):
    fleet.kafka.kill()
    fleet.kafka.start()


def restart_broker(fleet, feed, fault):
    fleet.kafka.stop()
    fleet.kafka.start()


KINDS = (
    Kind("daemon SIGKILL", "daemon", 8, (0.1, 3), 4, kill),
    Kind("daemon SIGTERM", "daemon", 4, (0.1, 1), 4, terminate),
    Kind("daemon SIGSTOP past its session", "daemon", 3, (7, 10), 5, freeze),
    Kind("handler crashes", "crash", 4, (0, 0), 8, crash),
    Kind("handler hangs", "hang", 4, (0, 0), 5, hang),
    Kind("crowd of slow events", "crowd", 6, (0, 0), 6, crowd),
    Kind("link silent", "link", 5, (3.5, 6), 3, on_link(lambda link: link.silence())),
    Kind("link slow", "link", 8, (1, 4), 1, on_link(lambda link: link.slow(0.1))),
    Kind("link reset", "link", 20, (0, 0), 1, on_link(lambda link: link.reset())),
    Kind("link refused", "link", 8, (0.2, 2), 1, on_link(lambda link: link.refuse())),
    Kind("Redis killed", "redis", 6, (0.1, 1.5), 4, kill_redis),
    Kind("Redis rolled back a second", "redis", 6, (0.1, 1), 4, roll_back),
    Kind("Redis stopped for a while", "redis", 4, (0.5, 5), 2, pause_redis),
    Kind("Redis read-only", "redis", 6, (0.5, 3), 2, read_only),
    Kind("Redis out of memory", "redis", 6, (0.5, 3), 2, no_memory),
    Kind("SCRIPT FLUSH", "scripts", 20, (0, 0), 1, flush_scripts),
    Kind("CLIENT KILL", "clients", 20, (0, 0), 1, kill_clients),
    Kind("a key deleted", "key", 20, (0, 0), 1, delete_key),
    Kind("broker SIGSTOP", "broker", 4, (1, 6), 12, freeze_broker),
    Kind("broker killed", "broker", 2, (8, 8), 15, kill_broker),
    Kind("broker restarted", "broker", 2, (10, 10), 15, restart_broker),
)
GAP_SECONDS = (0.2, 0.9)
COUNTED = {"daemon": 3, "link": 3}


def plan(random, seconds, without=()):
    """Faults in order of time. A target that has one has no other before it had its rest; of the daemons one at least
    is left alone."""
    faults, free_at = [], collections.defaultdict(float)
    at = 1.0
    while at < seconds:
        kind = random.choices(KINDS, [kind.weight for kind in KINDS])[0]
        number = random.randrange(COUNTED.get(kind.target, 1))
        target = f"{kind.target} {number}" if kind.target in COUNTED else kind.target
        lasts = random.uniform(*kind.seconds)
        draw = random.random()
        if kind.name in without:
            at += 0.01
            continue
        busy = sum(free_at[f"daemon {each}"] > at for each in range(3))
        if free_at[target] > at or (kind.target == "daemon" and busy >= 2):
            at += 0.01
            continue
        free_at[target] = at + lasts + kind.rest
        faults.append(Fault(at, kind, target, number, lasts, draw))
        at += random.uniform(*GAP_SECONDS)
    return faults


class Player:
    """Does what is planned, when it is planned; a target that is not good again by then is waited for."""

    def __init__(self, fleet, feed, faults):
        self.fleet, self.feed, self.faults = fleet, feed, faults
        self.done = collections.Counter()
        self.struck = []        # (when it began, when it was over, kind's name), monotonic
        self.broken = []
        self.lock = threading.Lock()
        self.log = open(fleet.folder / "faults", "w", buffering=1)
        self.targets = collections.defaultdict(threading.Lock)

    def play(self):
        threads, began = [], time.monotonic()
        for fault in self.faults:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            threads.append(threading.Thread(target=self._strike, args=(fault, self.targets[fault.target])))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _strike(self, fault, target):
        with target:
            began, more = time.monotonic(), None
            try:
                more = fault.kind.strike(self.fleet, self.feed, fault)
            except Exception as error:  # the torturer's own trouble: said at the end
                self.broken.append(f"{fault.kind.name}: {error!r}")
            with self.lock:
                self.done[fault.kind.name] += 1
                self.struck.append((began, time.monotonic(), fault.kind.name))
                self.log.write(f"{int(began * 1000)} {int(time.monotonic() * 1000)} {fault.target}: {fault.kind.name} {more or ''}\n")
