# SPDX-License-Identifier: Apache-2.0
"""What is due does not wait for the end of a backlog."""
EVENTS = 1500
MS = 10


def test_retries_come_between_events_that_wait(kafka, daemon, module, topic, folder):
    book = folder / "book"
    kafka.send("trial/any-order", {"n": 0, "bad": True}, topic=topic)
    kafka.produce_lines([f'{n}\t{{"name": "trial/patient", "data": {{"n": {n}, "ms": {MS}}}}}' for n in range(EVENTS)], topic=topic)
    service = daemon([module("trials")], topics=[topic], worker={"threads": 1}, options={"trials": {"file": str(book)}})
    service.wait_for("any-order", "failed", seconds=90)
    kinds = [line.split()[0] for line in book.read_text().splitlines()]
    assert kinds.count("any-order") == 3
    assert kinds.count("patient") < EVENTS, "the retries waited for all of them"
