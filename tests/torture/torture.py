#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three daemons, a real Kafka and a real Redis, and a fault every few hundred milliseconds; then it is counted what became
of every event that the broker had acknowledged. Exit 1: one is lost, hangs, or a step's result was recorded twice."""
import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import faults
import ledger
from fleet import Feed, Fleet, support

MIX = {"plain": 700, "both": 60, "flaky": 60, "steps": 60, "ordered": 60, "sleepy": 30, "relay": 20, "doomed": 10}
COMMIT_INTERVAL_MS = 1000
COMMIT_SLACK_MS = 500 * support.SLOWER  # a commit's own way there
DURABILITY_LAG_MS = 2000
SETTLE_SECONDS = 180
WORKERS = 8
REDIS_DIES = {"Redis killed", "Redis rolled back a second"}


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def settle(fleet):
    """How long it took until nothing was left to do, and what is left."""
    began, left = time.monotonic(), "?"
    while left and time.monotonic() - began < SETTLE_SECONDS * support.SLOWER:
        time.sleep(0.5)
        left = fleet.unsettled()
    return time.monotonic() - began, left


def catch_up(fleet, events):
    """False: more than so many are still not committed, however long it was waited."""
    end = time.monotonic() + SETTLE_SECONDS * support.SLOWER
    while sum(fleet.lag().values()) > events:
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def wait_for_all(fleet):
    """Until each daemon has partitions to read; where the book of these seconds begins."""
    for _ in range(15 * support.SLOWER):
        begin = fleet.book.stat().st_size
        time.sleep(4)
        readers = {line.pid for line in ledger.read(fleet.book, begin) if line.function == ledger.READS}
        if readers >= {seat.pids[-1] for seat in fleet.seats}:
            break
    return begin


def calm_kill(fleet, number):
    """A daemon is killed while nothing else is wrong: how long its work stood still, and what was done again."""
    seat = fleet.seats[number % len(fleet.seats)]
    begin = wait_for_all(fleet)
    pid, at = seat.take_down()
    at_ms, lost_ms = int(at * 1000), None
    for _ in range(60 * support.SLOWER):
        time.sleep(0.5)
        lost_ms, waiting = ledger.takeover_ms(ledger.read(fleet.book, begin), pid, at_ms)
        if waiting == 0:
            break
    time.sleep(1)
    again, uncommitted = ledger.repeats_of(ledger.read(fleet.book, begin), pid, at_ms, COMMIT_INTERVAL_MS + COMMIT_SLACK_MS,
                                           DURABILITY_LAG_MS)
    seat.start()
    support.eventually(seat.daemon.is_ready, 30)
    return {"takeover_s": round((lost_ms or 0) / 1000, 2), "waiting": waiting, "repeats": again, "allowed": uncommitted + WORKERS}


def torture(options, folder):
    seed = random.Random(options.seed)
    planned = faults.plan(seed, options.minutes * 60, options.without)
    say(f"{len(planned)} faults in {options.minutes:g} min; all is in {folder}")
    fleet = Fleet(folder, protocol=options.protocol)
    try:
        fleet.start()
        feed = Feed(fleet, options.rate, MIX, random.Random(options.seed + 1))
        player = faults.Player(fleet, feed, planned)
        player.play()
        fleet.restore()
        say(f"{sum(player.done.values())} faults done: settling")
        is_calm = catch_up(fleet, 3 * options.rate)
        kills = [calm_kill(fleet, number) for number in range(options.kills)] if is_calm else []
        feed.stop()
        settled, left = settle(fleet)
        deaths = [(struck.begin_ms, struck.end_ms) for struck in player.struck if struck.name in REDIS_DIES]
        lost_keys = [(struck.begin_ms, struck.target) for struck in player.struck if isinstance(struck.target, str)]
        book = ledger.Ledger(feed.acked(), fleet.book, fleet.kafka.consume("torture.dead"), deaths, lost_keys)
        return report(options, fleet, player, book, kills, settled, left)
    finally:
        fleet.stop()


def report(options, fleet, player, book, kills, settled, left):
    lost = book.lost()
    ends = collections.Counter(end for seat in fleet.seats for end in seat.ends)
    return {
        "seed": options.seed, "minutes": options.minutes, "daemons": len(fleet.seats),
        "events": len(book.acked), "runs": len(book.done), "dead_letters": sum(book.dead.values()), "lines_booked": book.lines,
        "faults": sum(player.done.values()), "faults_by_kind": dict(player.done.most_common()),
        "lost": len(lost), "lost_are": lost[:20],
        "left": left, "why_left": fleet.why_unsettled() if left else [],
        "settled_s": round(settled, 1),
        "recorded_twice": len(book.twice), "recorded_twice_are": [[str(line) for line in pair] for pair in book.twice[:5]],
        "recorded_again_after_rollback": book.undone,
        "buried_without_cause": [[*key, count] for key, count in book.buried.items()],
        "overtaken_after_lost_key": book.overtaken,
        "out_of_order": len(book.out_of_order), "out_of_order_are": [str(line) for line in book.out_of_order[:5]],
        "repeats": sum(book.repeats().values()), "repeats_by_function": dict(book.repeats()),
        "kills": kills,
        "ends": dict(ends), "memory_mib": [seat.memory_mib() for seat in fleet.seats],
        "torturer": player.broken,
    }


def is_good(result):
    broken = ("lost", "left", "recorded_twice", "buried_without_cause", "out_of_order", "torturer")
    return not any(result[name] for name in broken) and all(
        kill["waiting"] == 0 and kill["takeover_s"] < 10 * support.SLOWER and kill["repeats"] <= kill["allowed"]
        for kill in result["kills"])


def print_table(result):
    rows = [("events acknowledged", result["events"]), ("runs that ended well", result["runs"]),
            ("dead letters", result["dead_letters"]), ("faults", result["faults"])]
    rows += [(f"  {name}", count) for name, count in result["faults_by_kind"].items()]
    rows += [("LOST", result["lost"]), ("left over", result["left"] or 0),
             ("step results recorded twice", result["recorded_twice"]),
             ("  again, Redis having lost them", result["recorded_again_after_rollback"]),
             ("buried without cause", sum(count for *_, count in result["buried_without_cause"])),
             ("keys' runs out of order", result["out_of_order"]),
             ("  again, their order in Redis deleted", result["overtaken_after_lost_key"]),
             ("finished runs done again", result["repeats"])]
    rows += [("after a SIGKILL: on elsewhere, repeats (allowed)", f"{kill['takeover_s']} s, {kill['repeats']} ({kill['allowed']})")
             for kill in result["kills"]]
    rows += [(f"daemon ended: {why}", count) for why, count in result["ends"].items()]
    rows += [("settled after", f"{result['settled_s']} s"), ("memory of daemons, MiB", ", ".join(map(str, result["memory_mib"])))]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value:>10}" if isinstance(value, int) else f"{name:{width}}  {value}")


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=400, help="events a second")
    parser.add_argument("--kills", type=int, default=3, help="of daemons at the end, while nothing else is wrong")
    parser.add_argument("--without", action="append", default=[], metavar="FAULT", help="a kind that is left out")
    parser.add_argument("--protocol", choices=("classic", "consumer"), default="classic",
                        help="of the group; consumer wants a librdkafka of 2.12 or newer, by LD_LIBRARY_PATH, and KAFKA_VERSION=4.4.0")
    parser.add_argument("--folder", type=Path, help="where all is, and stays; by default a temporary one, kept if it went wrong")
    parser.add_argument("--json", type=Path, help="the figures go there too")
    return parser.parse_args(words)


def main():
    options = parse(sys.argv[1:])
    folder = options.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        result = torture(options, folder.resolve())
    except support.KafkaCantBeHad as why:
        sys.exit(f"torture: {why}")
    print_table(result)
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if is_good(result) and options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if is_good(result) else 1)


if __name__ == "__main__":
    main()
