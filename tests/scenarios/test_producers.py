# SPDX-License-Identifier: Apache-2.0
"""What real producers write, as programs see it: functions by event, functions by topic, and dead letters.

tests/event/test_producers.c has each message of docs/events.md for functions in C.
"""
import base64
import json

import pytest

from support import BUILD, Dev, eventually

BATCH = {"content-type": "application/cloudevents-batch+json"}
ROW = {"id": 7, "name": "Ada", "email": "ada@example.com"}
CLOUD = {"specversion": "1.0", "type": "order.made", "source": "/shop", "id": "1", "time": "2026-11-28T12:00Z", "data": {"n": 1}}
NOON_MS = 1795867200000
GUID = bytes.fromhex("b7b4a7f09c964e4aa687fb5de9ef0c63")

# headers, value, what a function by event sees, what one by topic does. A text: why it is refused; bytes: raw.
MESSAGES = {
    "a row": ({}, ROW, {"name": "rows", "data": ROW}, {"name": "rows", "data": ROW}),
    "a name alone": ({"__TypeId__": "java.util.ImmutableCollections$MapN"}, {"name": "Ada"}, {"name": "Ada", "data": None},
                     {"name": "rows", "data": {"name": "Ada"}}),
    "an id and a name": ({}, {"id": 7, "name": "Ada"}, {"name": "Ada", "id": "7", "data": None},
                         {"name": "rows", "data": {"id": 7, "name": "Ada"}}),
    "an envelope": ({}, {"name": "a/b", "id": 7, "ts": 1795867200, "data": 1}, {"name": "a/b", "id": "7", "ts": NOON_MS, "data": 1},
                    {"name": "a/b", "id": "7", "ts": NOON_MS, "data": 1}),
    "an envelope with more": ({}, {"name": "a/b", "data": 1, "more": 2}, {"name": "a/b", "data": 1},
                              {"name": "rows", "data": {"name": "a/b", "data": 1, "more": 2}}),
    "a ts that is no time": ({}, {"name": "a/b", "data": 1, "ts": "soon"}, "'ts' is no time",
                             {"name": "rows", "data": {"name": "a/b", "data": 1, "ts": "soon"}}),
    "null": ({}, None, {"name": "rows", "data": None}, {"name": "rows", "data": None}),
    "Debezium's CloudEvent": ({}, CLOUD, {"name": "order.made", "id": "1", "ts": NOON_MS, "data": {"n": 1}},
                              {"name": "order.made", "id": "1", "ts": NOON_MS, "data": {"n": 1}}),
    "Spring's CloudEvent": ({"ce-type": "order.made", "ce-id": "1", "ce-source": "/shop", "ce-specversion": "1.0", "ce-time": "2026-11-28T12:00Z",
                             "contentType": '"application/json"'}, {"n": 1},
                            {"name": "order.made", "id": "1", "ts": NOON_MS, "data": {"n": 1}},
                            {"name": "order.made", "id": "1", "ts": NOON_MS, "data": {"n": 1}}),
    "Spring's text": ({"contentType": "text/plain"}, b"hello text", {"name": "rows", "data": "hello text"}, {"name": "rows", "data": "hello text"}),
    "Spring's String": ({"contentType": "application/json"}, b"hello", "plain text under application/json", b"hello"),
    "Kafka Streams' count": ({}, bytes(7) + b"\x02", "8 bytes, a number", bytes(7) + b"\x02"),
    "AWS Glue": ({}, b"\x03\0" + GUID + b"\x0e\x06Ada", "AWS Glue framing, schema version b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63",
                 b"\x03\0" + GUID + b"\x0e\x06Ada"),
    "Avro's file": ({}, b"Obj\x01\x04\x16avro.codec", "Avro container file", b"Obj\x01\x04\x16avro.codec"),
    "Confluent": ({}, b"\0\0\0\0\x0b\x16order/made\x02", "Confluent framing, schema 11", b"\0\0\0\0\x0b\x16order/made\x02"),
    "gzip": ({}, b"\x1f\x8b\x08\0\0\0\0\0", "gzip", b"\x1f\x8b\x08\0\0\0\0\0"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("producers")
    config = folder / "user.yaml"
    config.write_text(json.dumps({
        "modules": [str(BUILD / "modules/exec.so")],
        "topics": ["rows", "events"],
        "functions": {
            "by-event": {"use": "exec", "event": "*", "command": ["cat"]},
            "by-topic": {"use": "exec", "topic": "rows", "command": ["cat"]},
        },
    }))
    service = Dev(folder / "dev", [], "--config", config).start()
    yield service
    assert service.stop() == 0


def bytes_of(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def is_seen(seen, wanted):
    if isinstance(wanted, bytes):
        return "data" not in seen and seen["data_base64"] == base64.b64encode(wanted).decode()
    return all(name in seen and seen[name] == value for name, value in wanted.items()) and "data_base64" not in seen


@pytest.mark.parametrize("what", MESSAGES)
def test_a_program_sees_what_a_producer_wrote(service, what):
    headers, value, by_event, by_topic = MESSAGES[what]
    tag = {"tag": what.replace("'", "").replace(" ", "-")}

    service.kafka.produce(bytes_of(value), topic="rows", headers={**headers, **tag})
    seen = tagged(service, "by-topic", tag["tag"])
    assert is_seen(seen, by_topic), seen
    if isinstance(by_event, str):
        service.kafka.produce(bytes_of(value), topic="events", headers={**headers, **tag})
        for topic in ("events.dead", "rows.dead"):  # by-event would have had it there, too
            letter = eventually(lambda: letter_of(service, tag["tag"], topic), 60)
            assert by_event in letter["headers"]["stepd-error-message"]
            assert letter["value"] == bytes_of(value)
        return
    seen = tagged(service, "by-event", tag["tag"])
    assert is_seen(seen, by_event), seen


def letter_of(service, tag, topic="events.dead"):
    for letter in service.kafka.consume(topic):
        if letter["headers"].get("tag") == tag:
            return letter
    return None


def tagged(service, function, tag):
    """What the run of the message with that header printed."""
    def found():
        for run in service.runs(function=function, status="completed"):
            output = service.show(run["id"])["output"]
            if isinstance(output, dict) and output.get("headers", {}).get("tag") == tag:
                return output
        return None
    return eventually(found, 60, what=lambda: service.log()[-2000:])


def test_each_event_of_a_batch_is_a_run_of_its_own(service):
    events = [{**CLOUD, "id": str(number), "data": {"number": number}} for number in range(20)]
    value = json.dumps([*events, {**CLOUD, "id": "bad", "time": "soon"}])

    service.kafka.produce(value, headers={**BATCH, "tag": "batch"})
    service.kafka.produce("[]", headers={**BATCH, "tag": "nothing"})

    def found():
        runs = [service.show(run["id"])["output"] for run in service.runs(function="by-event", status="completed")]
        batch = [run for run in runs if run["headers"].get("tag") == "batch"]
        return batch if len(batch) >= 20 else None
    seen = eventually(found, 60)
    assert sorted(run["data"]["number"] for run in seen) == list(range(20))
    assert {run["headers"]["content-type"] for run in seen} == {"application/cloudevents+json"}
    letter = eventually(lambda: letter_of(service, "batch"), 60)
    assert json.loads(letter["value"])["id"] == "bad"
    assert letter["headers"]["content-type"] == "application/cloudevents+json"
    assert letter_of(service, "nothing") is None


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Functions by event of one name, beside one by topic."""
    folder = tmp_path_factory.mktemp("named")
    config = folder / "user.yaml"
    config.write_text(json.dumps({
        "modules": [str(BUILD / "modules/exec.so")],
        "topics": ["rows", "events"],
        "functions": {
            "by-event": {"use": "exec", "event": "order/made", "command": ["cat"]},
            "by-topic": {"use": "exec", "topic": "rows", "command": ["cat"]},
        },
    }))
    service = Dev(folder / "dev", [], "--config", config).start()
    yield service
    assert service.stop() == 0


def test_what_cannot_be_read_is_a_dead_letter_too_where_a_function_by_event_would_have_had_it(named):
    wrong = {"name": "order/made", "data": 1, "ts": "soon"}
    batch = [{**CLOUD, "type": "order/made", "id": "2", "time": "soon"}, {**CLOUD, "type": "other", "id": "3", "time": "soon"}]
    for tag, headers, value in (("no-event-of-anybody", {}, b"\x01\x02"), ("of-another-name", {}, {**wrong, "name": "other"}),
                                ("of-its-name", {}, wrong), ("batch", BATCH, batch)):
        named.kafka.produce(bytes_of(value), topic="rows", headers={**headers, "tag": tag})

    for tag, runs in (("no-event-of-anybody", 1), ("of-another-name", 1), ("of-its-name", 1), ("batch", 2)):
        eventually(lambda: len([run for run in named.runs(function="by-topic", status="completed")
                                if named.show(run["id"])["headers"].get("tag") == tag]) == runs, 60)
    letters = eventually(lambda: len(found := named.kafka.consume("rows.dead")) == 2 and found, 60)
    assert sorted(letter["headers"]["tag"] for letter in letters) == ["batch", "of-its-name"]
    assert {json.loads(letter["value"])["id"] for letter in letters if letter["headers"]["tag"] == "batch"} == {"2"}


def test_headers_that_are_no_text_come_as_base64(service):
    service.kafka.produce("{}", topic="events", headers={"tag": "headers", "kafka_dlt-original-partition": "\x01\x02", "lines": "a\n\tb"})
    seen = tagged(service, "by-event", "headers")
    assert seen["headers"]["kafka_dlt-original-partition"] == {"base64": "AQI="}
    assert seen["headers"]["lines"] == "a\n\tb"
