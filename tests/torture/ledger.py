# SPDX-License-Identifier: Apache-2.0
"""What was asked for against what was booked: every acknowledged event, every run, every step's result."""
import collections
import json
from typing import NamedTuple

# The functions that an event of that name must have done.
WANTED = {
    "plain": ("plain",), "slow": ("slow",), "both": ("left", "right"), "flaky": ("flaky",), "doomed": ("doomed",),
    "steps": ("steps",), "sleepy": ("sleepy",), "ordered": ("ordered",), "relay": ("relay", "child"), "crash": ("crash",),
    "hang": ("hang",),
}
DIES = "doomed"              # always: its dead letter is wanted
MAY_DIE = {"doomed", "ordered"}
READS = "plain"              # never leaves the daemon that read its event
SHARES = {"left"}            # its event with a function that is parked
KEYS = 60                    # of the feeder
LOST_BY_ROLLBACK_MS = 3000   # a step's result that was recorded so shortly before Redis died may be gone


class Line(NamedTuple):
    ms: int
    pid: int
    what: str
    function: str
    number: int
    partition: int
    offset: int
    run: str
    attempt: int
    step: str
    value: int


def read(path, begin=0):
    """Lines of the book from a byte on."""
    with open(path) as book:
        book.seek(begin)
        for text in book:
            ms, pid, what, function, number, partition, offset, run, attempt, step, value = text.split()
            yield Line(int(ms), int(pid), what, function, int(number), int(partition), int(offset), run, int(attempt), step, int(value))


class Ledger:
    def __init__(self, acked, book, letters, redis_deaths=(), lost_keys=()):
        """`letters`: dead letters as kcat tells them; `redis_deaths`: (from, to) in ms; `lost_keys`: (when, Redis's name of it)."""
        self.acked, self.redis_deaths = acked, redis_deaths
        self.lost_orders = {}                      # what the order of (partition, key) stood in: when it was deleted first
        for ms, name in sorted(lost_keys):
            self._lose_order(ms, name)
        self.done = collections.Counter()          # (function, number): how often
        self.twice = []                            # lines that saw another result of a step than one before
        self.undone = 0                            # the same, where Redis had lost the first one
        self.out_of_order = []
        self.overtaken = 0                         # the same, where the key's order had been deleted
        self.lines = 0
        seen, last = {}, {}
        for line in read(book):
            self.lines += 1
            if line.what == "done":
                self._count(line, last)
            elif line.what == "saw":
                self._compare(line, seen)
        self.dead = collections.Counter()
        self.buried = collections.Counter()        # (function, error) of those that should not have failed
        for letter in letters:
            self._count_letter(letter)

    def _count(self, line, last):
        is_first = (line.function, line.number) not in self.done
        self.done[line.function, line.number] += 1
        if line.function == "ordered" and is_first:
            key = line.partition, line.number % KEYS
            if line.offset < last.get(key, -1):
                self._disorder(line, key)
            last[key] = max(line.offset, last.get(key, -1))

    def _lose_order(self, ms, name):
        """"stepd{0}:busy:torture:3" is of a partition's keys, "stepd{0}:behind:torture:3:ordered:key-28" of one."""
        _, kind, _, partition, *rest = [*name.split(":"), "", "", ""]
        if kind == "busy":
            for key in range(KEYS):
                self.lost_orders.setdefault((int(partition), key), ms)
        elif kind == "behind":
            self.lost_orders.setdefault((int(partition), int(rest[1].rpartition("-")[2])), ms)

    def _disorder(self, line, key):
        if self.lost_orders.get(key, line.ms + 1) <= line.ms:
            self.overtaken += 1
        else:
            self.out_of_order.append(line)

    def _compare(self, line, seen):
        first = seen.setdefault((line.run, line.step), line)
        if first.value == line.value:
            return
        seen[line.run, line.step] = line
        if any(begin - LOST_BY_ROLLBACK_MS <= first.ms <= end and line.ms >= begin for begin, end in self.redis_deaths):
            self.undone += 1
        else:
            self.twice.append((first, line))

    def _count_letter(self, letter):
        number = json.loads(letter["value"])["data"]["n"]
        headers = letter["headers"]
        function = headers["stepd-function"]
        self.dead[function, number] += 1
        if function not in MAY_DIE:
            self.buried[function, headers["stepd-error-name"]] += 1

    def lost(self):
        """(number, function) that neither completed nor died, though the broker had the event."""
        return [(number, function) for number, name in sorted(self.acked.items()) for function in WANTED[name]
                if not self._has_ended(function, number)]

    def _has_ended(self, function, number):
        if function == DIES:
            return self.dead[function, number] > 0 and self.done[function, number] > 0
        return self.done[function, number] > 0 or self.dead[function, number] > 0

    def repeats(self):
        """Finished runs that were done again, by function."""
        again = collections.Counter()
        for (function, _), count in self.done.items():
            if count > 1:
                again[function] += count - 1
        return again


def may_be_its_end(line):
    return line.what == "done" or (line.what == "failed" and line.function in MAY_DIE)


def takeover_ms(lines, pid, at_ms):
    """From a process's death until all of its partitions, and its runs that had begun, went on in others; and how many
    did not. Who has a partition shows in functions whose runs never need Redis."""
    last, waits = {}, {}
    for line in lines:
        things = [("run", line.run)] + ([("partition", line.partition)] if line.function == READS else [])
        for thing in things:
            if line.ms <= at_ms:
                last[thing] = line
            elif line.pid != pid:
                waits.setdefault(thing, line.ms - at_ms)
    orphans = [thing for thing, line in last.items()
               if line.pid == pid and (thing[0] == "partition" or not may_be_its_end(line))]
    found = [waits[orphan] for orphan in orphans if orphan in waits]
    return max(found, default=None), len(orphans) - len(found)


def repeats_of(lines, pid, at_ms, interval_ms, lag_ms):
    """Runs that a process had done and others did again after its death; and how many those may be: what it did since
    its last commit, and what shares an event with a run that Redis had taken over too lately to be sure of it."""
    lines = list(lines)
    done = {(line.function, line.number): line.ms for line in lines if line.what == "done" and line.pid == pid and line.ms <= at_ms}
    again = {(line.function, line.number) for line in lines if line.what == "done" and line.pid != pid and line.ms > at_ms}
    since = {key for key, ms in done.items() if ms > at_ms - interval_ms - (lag_ms if key[0] in SHARES else 0)}
    return len(again & done.keys()), len(since)
