# SPDX-License-Identifier: Apache-2.0
"""Every event of a large number is accounted for, over a real Kafka and a real Redis."""
import collections
import os

from support import SLOWER, eventually

EVENTS = int(os.environ.get("STEPD_LEDGER_EVENTS", 100_000))


def booked(path):
    """{number: [outcome of attempt 0, of attempt 1, ...]}"""
    book = collections.defaultdict(list)
    for line in path.read_text().splitlines():
        number, attempt, outcome = line.split()
        book[int(number)].append((int(attempt), outcome))
    return {number: [outcome for _, outcome in sorted(lines)] for number, lines in book.items()}


def test_ledger_of_many_events_is_complete(kafka, daemon, module, topic, folder):
    book = folder / "book"
    kafka.produce_lines((f'{n % 1000}\t{{"name":"ledger/post","id":"e{n}","data":{{"number":{n}}}}}' for n in range(EVENTS)), topic)
    service = daemon([module("ledger")], topics=[topic], options={"ledger": {"file": str(book)}})
    expected_dead = EVENTS // 100
    lines_expected = EVENTS + (EVENTS // 10 - expected_dead) + 2 * expected_dead

    def all_ended():
        stats = service.ctl("stats")
        return stats if stats["runs_completed"] + stats["runs_failed"] >= EVENTS and stats["delayed"] == 0 else None
    stats = eventually(all_ended, 240 * SLOWER, what=lambda: f"{service.ctl('stats')}\n{service.log()[-3000:]}")

    outcomes = booked(book)
    assert sum(map(len, outcomes.values())) == lines_expected
    for number in range(EVENTS):
        wanted = ["refused"] * 3 if number % 100 == 0 else ["failed", "booked"] if number % 10 == 0 else ["booked"]
        assert outcomes[number] == wanted, number

    dead = kafka.consume(f"{topic}.dead")
    offsets = collections.Counter((letter["headers"]["stepd-partition"], letter["headers"]["stepd-offset"]) for letter in dead)
    assert len(dead) == expected_dead
    assert max(offsets.values()) == 1, "an event died twice"
    completed = sum(1 for lines in outcomes.values() if lines[-1] == "booked")
    assert completed + len(dead) == EVENTS
    assert (stats["runs_completed"], stats["runs_failed"]) == (completed, expected_dead)
    assert stats["retries_scheduled"] == lines_expected - EVENTS
    assert service.stop() == 0
