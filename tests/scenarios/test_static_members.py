# SPDX-License-Identifier: Apache-2.0
"""Daemons of one group that have a name of their own in it (group.instance.id)."""
from support import eventually


def test_a_daemon_whose_place_in_the_group_was_taken_ends_and_says_why(kafka, daemon, module, topic, folder):
    book = folder / "book"
    settings = {"topics": [topic], "history": "all", "options": {"twenty": {"file": str(book)}},
                "kafka": {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                          "allow.auto.create.topics": "true", "group.instance.id": "the-one-id"}}
    first = daemon([module("twenty")], **settings)
    kafka.send("twenty/go", {"n": 0}, topic=topic)
    first.wait_for("twenty", "completed", 1)
    second = daemon([module("twenty")], **settings)
    eventually(lambda: first.process.poll() is not None, 60, what=first.log)
    assert first.process.returncode == 1, "so that whoever watches over it starts it again"
    last = first.log().splitlines()[-1]
    assert "stepd ends" in last and "group.instance.id" in last
    assert first.get("/readyz")[0] == 0
    kafka.send("twenty/go", {"n": 1}, topic=topic)
    second.wait_for("twenty", "completed", 2, seconds=60)
