# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and when: a list drawn from a seed before anything starts, so that it can be drawn again."""
import collections
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import Callable, NamedTuple

# What stands in them can be read again from the runs' own records.
INDEXES = ("delayed", "owned:*", "held:*", "workers", "holders", "busy:*", "behind:*", "claim:*", "stats*", "asked:*")


@dataclass(frozen=True)
class Kind:
    """One way to do harm. `strike` does it, and undoes it after `seconds`; then what it was done to, of whatever number,
    is left alone for `rest` seconds: a group that always rebalances, or a Redis that always starts, shows nothing."""
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
    Kind("daemon SIGKILL", "daemon", 8, (0.1, 3), 9, kill),
    Kind("daemon SIGTERM", "daemon", 5, (0.1, 1), 6, terminate),
    Kind("daemon SIGSTOP past its session", "daemon", 4, (7, 10), 9, freeze),
    Kind("handler crashes", "handler", 4, (0, 0), 12, crash),
    Kind("handler hangs", "handler", 4, (0, 0), 5, hang),
    Kind("crowd of slow events", "crowd", 4, (0, 0), 10, crowd),
    Kind("link silent", "link", 4, (3.5, 6), 5, on_link(lambda link: link.silence())),
    Kind("link slow", "link", 8, (1, 4), 2, on_link(lambda link: link.slow(0.1))),
    Kind("link reset", "link", 20, (0, 0), 1, on_link(lambda link: link.reset())),
    Kind("link refused", "link", 8, (0.2, 2), 2, on_link(lambda link: link.refuse())),
    Kind("Redis killed", "redis", 4, (0.1, 1.5), 8, kill_redis),
    Kind("Redis rolled back a second", "redis", 6, (0.1, 1), 8, roll_back),
    Kind("Redis stopped for a while", "redis", 4, (0.5, 5), 4, pause_redis),
    Kind("Redis read-only", "redis", 5, (0.5, 3), 4, read_only),
    Kind("Redis out of memory", "redis", 5, (0.5, 3), 4, no_memory),
    Kind("SCRIPT FLUSH", "scripts", 16, (0, 0), 1, flush_scripts),
    Kind("CLIENT KILL", "clients", 16, (0, 0), 2, kill_clients),
    Kind("a key deleted", "key", 16, (0, 0), 1, delete_key),
    Kind("broker SIGSTOP", "broker", 4, (1, 6), 25, freeze_broker),
    Kind("broker killed", "broker", 2, (8, 8), 30, kill_broker),
    Kind("broker restarted", "broker", 2, (10, 10), 30, restart_broker),
)
GAP_SECONDS = (0.2, 0.9)
TRY_AGAIN_SECONDS = 0.05
DAEMONS = 3


def plan(random, seconds, without=()):
    """Faults in order of time. What is being harmed, or has its rest, is harmed in no other way."""
    faults, free_at = [], collections.defaultdict(float)
    at = 1.0
    while at < seconds:
        kind = random.choices(KINDS, [kind.weight for kind in KINDS])[0]
        fault = Fault(at, kind, random.randrange(DAEMONS), random.uniform(*kind.seconds), random.random())
        if free_at[kind.target] > at or kind.name in without:
            at += TRY_AGAIN_SECONDS
            continue
        free_at[kind.target] = at + fault.seconds + kind.rest
        faults.append(fault)
        at += random.uniform(*GAP_SECONDS)
    return faults


class Struck(NamedTuple):
    """A fault as it came to be; monotonic ms."""
    begin_ms: int
    end_ms: int
    name: str
    target: object   # the key that was deleted; else a number


class Player:
    """Does what is planned, when it is planned; a target that is not good again by then is waited for."""

    def __init__(self, fleet, feed, faults):
        self.fleet, self.feed, self.faults = fleet, feed, faults
        self.done = collections.Counter()
        self.struck = []        # Struck
        self.broken = []
        self.lock = threading.Lock()
        self.log = open(fleet.folder / "faults", "w", buffering=1)
        self.targets = collections.defaultdict(threading.Lock)

    def play(self):
        threads, began = [], time.monotonic()
        for fault in self.faults:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            threads.append(threading.Thread(target=self._strike, args=(fault, self.targets[fault.kind.target])))
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
            struck = Struck(int(began * 1000), int(time.monotonic() * 1000), fault.kind.name, more or fault.number)
            with self.lock:
                self.done[struck.name] += 1
                self.struck.append(struck)
                self.log.write(" ".join(map(str, struck)) + "\n")
