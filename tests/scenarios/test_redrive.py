# SPDX-License-Identifier: Apache-2.0
"""Dead letters go to their topics again: bytes, key and headers as they were, each once by its name."""
import json

import pytest

from support import eventually

SEES = """
import json, os, sys
event = json.load(sys.stdin)
print(json.dumps({"n": event["data"]["n"], "key": event.get("key"), "headers": event.get("headers")}), file=open("seen", "a"))
if os.path.exists("broken"): raise ValueError("broken release")
"""


@pytest.fixture
def serve(daemon, kafka, topic, folder):
    def make(**settings):
        (folder / "sees.py").write_text(SEES)
        (folder / "broken").touch()
        function = {"use": "exec", "command": ["/usr/bin/python3", str(folder / "sees.py")], "directory": str(folder), **settings}
        return daemon([], topics=[topic], retry={"retries": 0},
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "allow.auto.create.topics": "true"},
                      functions={"charge": {**function, "event": "order/*"}, "mail": {**function, "event": "order/made"}})
    return make


def seen(folder):
    return [json.loads(line) for line in (folder / "seen").read_text().splitlines()] if (folder / "seen").exists() else []


def fail(kafka, service, topic, folder, count, **more):
    """So many order/paid, which one function takes, and their dead letters."""
    before = len(kafka.consume(f"{topic}.dead"))
    for n in range(count):
        kafka.produce(json.dumps({"name": "order/paid", "id": f"id-{n}", "data": {"n": n}}), topic, key=f"key-{n}", headers={"tenant": "a"}, **more)
    eventually(lambda: len(kafka.consume(f"{topic}.dead")) == before + count, 30, what=service.log)
    (folder / "broken").unlink()
    (folder / "seen").unlink()


def orders(kafka, topic):
    return [message for message in kafka.consume(topic) if b"order/paid" in message["value"] and b"function.failed" not in message["value"]]


def numbers(folder):
    return sorted(entry["n"] for entry in seen(folder))


def test_dead_letters_go_to_their_topic_as_they_were(kafka, redis, serve, topic, folder):
    service = serve()
    fail(kafka, service, topic, folder, 4)
    sent = orders(kafka, topic)

    assert service.ctl("redrive", "--dry-run") == {"dry_run": True, "found": 4, "redriven": 0}
    assert service.ctl("redrive", "--name", "after-fix") == {"redriven": 4}
    eventually(lambda: numbers(folder) == [0, 1, 2, 3])
    again = [message for message in orders(kafka, topic) if "stepd-redrive" in message["headers"]]
    assert sorted((m["key"], m["value"]) for m in again) == sorted((m["key"], m["value"]) for m in sent)
    assert all(m["headers"] == {"tenant": "a", "stepd-redrive": "after-fix"} for m in again), again


def test_headers_that_a_producer_calls_like_ours_go_along_but_for_those_that_we_write(kafka, redis, serve, topic, folder):
    service = serve()
    kafka.produce(json.dumps({"name": "order/paid", "id": "id-0", "data": {"n": 0}}), topic,
                  headers={"stepd-tenant": "a", "stepd-attempts": "99"})
    [letter] = eventually(lambda: kafka.consume(f"{topic}.dead"), 30, what=service.log)
    assert letter["headers"]["stepd-tenant"] == "a" and letter["headers"]["stepd-attempts"] == "1", letter["headers"]
    (folder / "broken").unlink()

    assert service.ctl("redrive") == {"redriven": 1}
    [again] = eventually(lambda: [message for message in orders(kafka, topic) if "stepd-redrive" in message["headers"]])
    assert again["headers"] == {"stepd-tenant": "a", "stepd-redrive": "redrive"}


def test_what_was_sent_is_remembered_by_name_topic_function_and_expression(kafka, redis, serve, topic, folder):
    service = serve()
    fail(kafka, service, topic, folder, 6)

    assert service.ctl("redrive", "--where", "event.data.n < 2") == {"redriven": 2}
    assert service.ctl("redrive", "--where", "event.data.n < 2") == {"redriven": 0}
    assert service.ctl_run("redrive", "--where", "event.data.n < 2").stdout == "none\n"
    assert service.ctl("redrive", "--function", "mail") == {"redriven": 0}
    assert service.ctl("redrive", "--function", "charge", "--where", "event.key == 'key-5' && event.topic == '%s'" % topic) == {"redriven": 1}
    eventually(lambda: numbers(folder) == [0, 1, 5])
    assert service.ctl("redrive", "--topic", f"{topic}.dead") == {"redriven": 6}
    assert service.ctl("redrive") == {"redriven": 0}
    assert service.ctl("redrive", "--name", "another", "--dry-run")["found"] == 6
    assert service.ctl("redrive", "--again") == {"redriven": 6}
    eventually(lambda: len(seen(folder)) == 15)

    (folder / "broken").touch()
    fail(kafka, service, topic, folder, 2)
    assert service.ctl("redrive") == {"redriven": 2}, "what has come since"


def test_a_dedupe_window_lets_redriven_events_through(kafka, redis, serve, topic, folder):
    service = serve(dedupe="1h")
    fail(kafka, service, topic, folder, 3)
    kafka.produce(json.dumps({"name": "order/paid", "id": "id-0", "data": {"n": 0}}), topic)

    assert service.ctl("redrive") == {"redriven": 3}
    eventually(lambda: numbers(folder) == [0, 1, 2])
    assert service.metrics()["stepd_events_duplicate_total"] == 1, "the one that was sent again by its producer"


def test_redrive_takes_no_topic_of_events_and_none_that_is_not_there(kafka, redis, serve, topic, folder):
    service = serve()

    assert service.ctl_run("redrive", "--topic", topic).returncode == 2
    assert service.ctl_run("redrive", "--topic", "gone.dead").returncode == 3
    assert service.ctl_run("redrive", "--where", "event.").returncode == 2
    assert service.ctl("redrive") == {"redriven": 0}, "no dead letter yet, so no topic of them"
