# SPDX-License-Identifier: Apache-2.0
"""Values that a schema registry's clients wrote, worked by programs, a module in C and a webhook; and a registry that is
away, refuses, or does not know."""
import base64
import http.server
import json
import subprocess
import threading

import pytest

from schema_registry import SchemaRegistry
from support import BUILD, SLOWER, Dev, KafkaTool, build_module, eventually, run

KINDS = {"type": "record", "name": "Kinds", "namespace": "shop", "fields": [
    {"name": "dec", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "decf", "type": {"type": "fixed", "name": "D8", "size": 8, "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "us", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "lms", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {"name": "d", "type": {"type": "int", "logicalType": "date"}}, {"name": "tm", "type": {"type": "int", "logicalType": "time-millis"}},
    {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "uf", "type": {"type": "fixed", "name": "U16", "size": 16, "logicalType": "uuid"}}, {"name": "b", "type": "bytes"},
    {"name": "e", "type": {"type": "enum", "name": "Color", "symbols": ["RED", "BLUE"]}},
    {"name": "un", "type": ["null", "string", "long"], "default": None}, {"name": "m", "type": {"type": "map", "values": "long"}},
    {"name": "a", "type": {"type": "array", "items": "string"}}, {"name": "l", "type": "long"}, {"name": "f", "type": "float"},
    {"name": "dbl", "type": "double"}, {"name": "name", "type": "string"}]}
KINDS_VALUE = bytes.fromhex(
    "0000000009 0404d2 fffffffffffffffb f6a9b6a0c468 80c9b7a89dd5b006 80a8b6a0c468 e2c402 aab2992b 48"
    "30663866616435622d643963622d343639662d613136352d373038363737323839353065 0f8fad5bd9cb469fa16570867728950e 0400ff 00"
    "020278 02026b0a00 02027100 8280808080808020 cdcc8c3f 000000000000f87f 06416461")
KINDS_DATA = {
    "dec": "12.34", "decf": "-0.05", "ms": "2026-11-28T12:00:00.123Z", "us": "2026-11-28T12:00:00.123456Z", "lms": "2026-11-28T12:00:00",
    "d": "2026-11-28", "tm": "12:34:56.789", "u": "0f8fad5b-d9cb-469f-a165-70867728950e", "uf": "0f8fad5b-d9cb-469f-a165-70867728950e",
    "b": "AP8=", "e": "RED", "un": "x", "m": {"k": 5}, "a": ["q"], "l": 9007199254740993, "f": 1.100000023841858, "dbl": None, "name": "Ada"}
ENVELOPE = {"type": "record", "name": "Made", "fields": [
    {"name": "name", "type": "string"},
    {"name": "data", "type": {"type": "record", "name": "Order", "fields": [{"name": "n", "type": "int"}]}}]}
ADDRESS = {"type": "record", "name": "Address", "namespace": "shop", "fields": [{"name": "city", "type": "string"}]}
CUSTOMER = {"type": "record", "name": "Customer", "namespace": "shop", "fields": [{"name": "home", "type": "shop.Address"}]}
NAMED = {"type": "record", "name": "Named", "fields": [{"name": "id", "type": "int"}, {"name": "name", "type": "string"}]}
REFERENCE = {"references": [{"name": "shop.Address", "subject": "addr-value", "version": 1}]}
GUID = bytes.fromhex("b7b4a7f09c964e4aa687fb5de9ef0c63")
GUID_TEXT = "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63"
TWO_GUID = bytes.fromhex("c8c5b8a19da75f5bb798fc6efa01d174")
TWO_GUID_TEXT = "c8c5b8a1-9da7-5f5b-b798-fc6efa01d174"
SOON = bytes.fromhex("0000000063") + b"\x02"


@pytest.fixture
def registry():
    made = SchemaRegistry("app", "secret ü:").start()
    made.add(9, KINDS)
    made.add(11, ENVELOPE)
    made.add(12, NAMED)
    made.add(13, 'syntax = "proto3"; message A { int32 n = 1; }', "PROTOBUF")
    made.add(14, {"type": "object"}, "JSON")
    made.add(16, "struct A { 1: i32 n }", "THRIFT")
    made.add(17, 'syntax = "proto3"; import "shop/money.proto"; message Bill { message Part { string name = 1; } shop.Money total = 1; }', "PROTOBUF",
             references=[{"name": "shop/money.proto", "subject": "money", "version": 3}])
    made.add_subject("money", 3, 3, None)
    made.subjects[("money", "3")]["schema"] = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'
    made.add(18, 'syntax = "proto3"; message A { int32 = 1; }', "PROTOBUF")
    made.add(15, CUSTOMER, **REFERENCE)
    made.add_subject("addr-value", 1, 2, ADDRESS)
    made.add(GUID_TEXT, NAMED)
    made.add(TWO_GUID_TEXT, 'syntax = "proto3"; message A { int32 n = 1; } message B { string s = 1; }', "PROTOBUF")
    yield made
    made.stop()


def configure(folder, registry, functions=None, **more):
    config = folder / "user.yaml"
    settings = {"url": registry.url, "user": registry.user, "password": registry.password, **more}
    config.write_text(json.dumps({
        "modules": [str(BUILD / "modules/exec.so"), str(BUILD / "modules/http.so")],
        "topics": ["rows", "events", "plain"],
        "schema_registry": settings,
        "functions": functions or {"by-event": {"use": "exec", "event": "*", "command": ["cat"]},
                                   "by-topic": {"use": "exec", "topic": "rows", "command": ["cat"]}},
    }))
    return config


@pytest.fixture
def service(folder, registry):
    def make(functions=None, modules=(), **more):
        made = Dev(folder / "dev", modules, "--retry-interval", "200ms", "--config", configure(folder, registry, functions, **more))
        services.append(made)
        return made.start()
    services = []
    yield make
    for each in services:
        assert each.stop() == 0


def outputs(service, function):
    return {run["id"]: service.show(run["id"])["output"] for run in service.runs(function=function, status="completed")}


def seen_by(service, function, tag, seconds=20):
    """What the program of that function got of the message with the header `tag`."""
    def found():
        for output in outputs(service, function).values():
            if output["headers"].get("tag") == tag:
                return output
        return None
    return eventually(found, seconds, what=lambda: f"{outputs(service, function)}\n{service.log()[-3000:]}")


def dead_letter(service, tag, topic="rows", seconds=20):
    def found():
        return [letter for letter in service.kafka.consume(f"{topic}.dead") if letter["headers"].get("tag") == tag]
    return eventually(found, seconds, what=lambda: service.log()[-3000:])[0]


# headers, value, the schema's id, what functions by event and by topic see; a text: why it is a dead letter, and raw for the other
FRAMED = {
    "kinds": ({}, KINDS_VALUE, 9, {"name": "rows", "data": KINDS_DATA}, {"name": "rows", "data": KINDS_DATA}),
    "envelope": ({}, b"\0\0\0\0\x0b\x14order/made\x02", 11, {"name": "order/made", "data": {"n": 1}}, {"name": "order/made", "data": {"n": 1}}),
    "name-alone": ({}, b"\0\0\0\0\x0c\x0e\x06Ada", 12, {"name": "Ada", "id": "7", "data": None}, {"name": "rows", "data": {"id": 7, "name": "Ada"}}),
    "json": ({}, b'\0\0\0\0\x0e{"id":7,"name":"Ada","n":1}', 14, {"name": "rows", "data": {"id": 7, "name": "Ada", "n": 1}},
             {"name": "rows", "data": {"id": 7, "name": "Ada", "n": 1}}),
    "reference": ({}, b"\0\0\0\0\x0f\x04Rn", 15, {"name": "rows", "data": {"home": {"city": "Rn"}}}, {"name": "rows", "data": {"home": {"city": "Rn"}}}),
    "guid": ({"__value_schema_id": "\x01" + GUID.decode("latin-1")}, b"\x0e\x06Ada", GUID_TEXT, {"name": "Ada"},
             {"name": "rows", "data": {"id": 7, "name": "Ada"}}),
    "cloudevent": ({"ce_type": "order.made", "ce_id": "1", "ce_source": "/shop", "content-type": "application/avro"}, b"\0\0\0\0\x0c\x0e\x06Ada", 12,
                   {"name": "order.made", "id": "1", "data": {"id": 7, "name": "Ada"}}, {"name": "order.made", "data": {"id": 7, "name": "Ada"}}),
    "protobuf": ({}, bytes.fromhex("000000000d000807"), 13, {"name": "rows", "data": {"n": 7}}, {"name": "rows", "data": {"n": 7}}),
    "protobuf-reference": ({}, bytes.fromhex("0000000011000a02080c"), 17, {"name": "rows", "data": {"total": {"cents": 12}}},
                           {"name": "rows", "data": {"total": {"cents": 12}}}),
    "protobuf-guid": ({"__value_schema_id": "\x01" + (TWO_GUID + b"\x02\x02").decode("latin-1")}, b"\x0a\x03Ada", TWO_GUID_TEXT,
                      {"name": "rows", "data": {"s": "Ada"}}, {"name": "rows", "data": {"s": "Ada"}}),
    "protobuf-nested": ({}, bytes.fromhex("0000000011040002"), 17, "it names no message of its schema", None),
    "protobuf-broken": ({}, bytes.fromhex("0000000012000807"), 18, "schema 18: the schema is no Protobuf that can be read: 1:38: Expected field name.", None),
    "thrift": ({}, bytes.fromhex("0000000010000807"), 16, "schema 16: stepd does not read THRIFT", None),
    "cut": ({}, KINDS_VALUE[:20], 9, "Avro that its schema does not fit: it ends in a number", None),
    "no-json": ({}, b"\0\0\0\0\x0e{", 14, "Confluent framing, schema 14", None),
    "long": ({}, bytes(7) + b"\x02", None, "8 bytes, a number", None),
    "row": ({}, b'{"n":1}', None, {"name": "rows", "data": {"n": 1}}, {"name": "rows", "data": {"n": 1}}),
}


def produce(service, tag, headers, value, topic="rows", key=None):
    binary = {name: text for name, text in headers.items() if not text.isascii() or not text.isprintable()}
    assert not binary or "\0" not in "".join(binary.values())
    pairs = {**{name: text for name, text in headers.items() if name not in binary}, "tag": tag}
    words = [f"{name}={text}".encode() for name, text in pairs.items()] + [name.encode() + b"=" + text.encode("latin-1") for name, text in binary.items()]
    command = [b"kcat", b"-q", b"-P", b"-b", service.kafka.address.encode(), b"-t", topic.encode(), b"-D", b"\\x1e\\x1d"]
    command += [word for pair in words for word in (b"-H", pair)] + ([b"-k", key] if key else [])
    done = subprocess.run(command, input=value, capture_output=True, timeout=60 * SLOWER)
    assert done.returncode == 0, done.stderr.decode()


def is_seen(seen, wanted, value):
    if wanted is None:
        return "data" not in seen and seen["data_base64"] == base64.b64encode(value).decode()
    return all(seen.get(name) == want for name, want in wanted.items()) and "data_base64" not in seen


def test_programs_see_what_the_schema_reads(service, registry):
    stepd = service()
    for tag, (headers, value, *_) in FRAMED.items():
        produce(stepd, tag, headers, value)
        if isinstance(FRAMED[tag][3], str):
            produce(stepd, tag, headers, value, "events")
    for tag, (_, value, schema_id, by_event, by_topic) in FRAMED.items():
        row = seen_by(stepd, "by-topic", tag)
        assert is_seen(row, by_topic, value), (tag, row)
        assert row.get("schema_id") == schema_id, (tag, row)
        assert row["headers"].get("stepd-schema-id") == (str(schema_id) if schema_id else None)
        if isinstance(by_event, str):
            letter = dead_letter(stepd, tag, "events")
            assert by_event in letter["headers"]["stepd-error-message"], tag
            assert letter["value"] == value
            assert "stepd-schema-id" not in letter["headers"]
        else:
            event = seen_by(stepd, "by-event", tag)
            assert is_seen(event, by_event, value), (tag, event)
            assert event.get("schema_id") == schema_id
    assert stepd.log().count("stepd does not read THRIFT") >= 1
    assert registry.asked.count("/schemas/ids/9") == 1, "schemas are kept"


def test_a_framed_batch_of_cloudevents_is_as_many_events(service):
    stepd = service({"by-event": {"use": "exec", "event": "order.*", "command": ["cat"]}})
    batch = [{"specversion": "1.0", "type": f"order.{n}", "source": "/shop", "id": str(n), "data": {"n": n}} for n in range(3)]
    produce(stepd, "batch", {"content-type": "application/cloudevents-batch+json"}, b"\0\0\0\0\x0e" + json.dumps(batch).encode())
    seen = eventually(lambda: outputs(stepd, "by-event") if len(outputs(stepd, "by-event")) == 3 else None)
    assert sorted((each["name"], each["id"], each["data"]["n"], each["schema_id"]) for each in seen.values()) == [
        (f"order.{n}", str(n), n, 14) for n in range(3)]


def say(stepd, text, count=1, seconds=20):
    eventually(lambda: stepd.log().count(text) >= count, seconds, what=stepd.log)


def test_while_the_registry_is_away_its_partitions_wait_and_nothing_is_lost(service, registry):
    registry.stop()
    stepd = service(topics=["rows", "ev*"])
    for number in range(20):
        produce(stepd, f"away-{number}", {}, b"\0\0\0\0\x0c" + bytes([2 * number]) + b"\x06Ada")
    say(stepd, "can't be asked")
    say(stepd, "this partition waits for schema 12: the schema registry " + registry.url)
    produce(stepd, "meanwhile", {}, b'{"n":1}', "plain")
    assert seen_by(stepd, "by-event", "meanwhile")["data"] == {"n": 1}
    assert stepd.runs(function="by-topic") == []

    registry.start()
    rows = [seen_by(stepd, "by-topic", f"away-{number}", 30)["data"] for number in range(20)]
    assert [row["id"] for row in rows] == list(range(20))
    say(stepd, "answers again")
    say(stepd, "this partition goes on")
    assert len(stepd.runs(function="by-topic")) == 20


@pytest.mark.parametrize("status, words", [(401, "401, Not now"), (403, "403, Forbidden")])
def test_a_registry_that_refuses_is_waited_for(service, registry, status, words):
    registry.refuses = status
    stepd = service()
    produce(stepd, "refused", {}, b"\0\0\0\0\x0c\x0e\x06Ada")
    say(stepd, f"refuses who asks as user 'app' ({words})")
    say(stepd, "this partition waits for schema 12")
    registry.refuses = None
    assert seen_by(stepd, "by-topic", "refused")["data"] == {"id": 7, "name": "Ada"}
    assert not [letter for letter in stepd.kafka.consume("rows.dead")]


def test_an_id_that_is_not_known_is_asked_for_again_for_a_while(service, registry):
    stepd = service()
    produce(stepd, "soon", {}, SOON)
    eventually(lambda: registry.asked.count("/schemas/ids/99") >= 2, what=lambda: registry.asked)
    registry.add(99, '"int"')
    assert seen_by(stepd, "by-topic", "soon")["data"] == 1


def test_an_id_that_nobody_knows_is_a_dead_letter_and_raw_for_a_topic(service, registry):
    stepd = service()
    for topic in ("rows", "events"):
        produce(stepd, "never", {}, SOON, topic)
        produce(stepd, "after", {}, b'{"n":1}', topic)
    row = seen_by(stepd, "by-topic", "never")
    assert row["schema_id"] == 99 and base64.b64decode(row["data_base64"]) == SOON
    letter = dead_letter(stepd, "never", "events")
    assert letter["value"] == SOON
    for part in ("as user 'app'", "schema 99", "404, Schema not found"):
        assert part in letter["headers"]["stepd-error-message"]
    assert seen_by(stepd, "by-topic", "after")["data"] == {"n": 1}
    assert registry.asked.count("/schemas/ids/99") > 5


def test_values_of_other_topics_are_not_framed(service, registry):
    stepd = service(topics=["shop.*", "row?"])
    produce(stepd, "other", {}, b"\0\0\x01\xa2\x22\x06\xca\0", "plain")
    produce(stepd, "framed", {}, b"\0\0\0\0\x0c\x0e\x06Ada")
    assert "a number of 8 bytes" in dead_letter(stepd, "other", "plain")["headers"]["stepd-error-message"]
    assert seen_by(stepd, "by-topic", "framed")["schema_id"] == 12
    assert registry.asked == ["/schemas/ids/12"]


RETRIED = """
import json, os, sys
event = json.load(sys.stdin)
open(os.environ["SEEN"], "a").write(json.dumps(event) + "\\n")
sys.exit(0 if os.environ["STEPD_ATTEMPT"] != "0" else 75)
"""


def test_a_retry_needs_no_registry(service, registry, folder):
    program, seen = folder / "program.py", folder / "seen"
    program.write_text(RETRIED)
    stepd = service({"retried": {"use": "exec", "topic": "rows", "command": ["python3", str(program)], "env": {"SEEN": str(seen)},
                                 "schedule": ["1s"]}})
    produce(stepd, "retried", {}, KINDS_VALUE)
    eventually(seen.exists)
    registry.stop()
    stepd.wait_for("retried", "completed", seconds=60)
    first, second = map(json.loads, seen.read_text().splitlines())
    assert first["data"] == second["data"] == KINDS_DATA
    assert first["schema_id"] == second["schema_id"] == 9


MODULE = """
#include <stdio.h>
#include <stepd/stepd.h>

static enum stepd_status run(struct stepd_ctx *ctx)
{
    const struct stepd_event *event = stepd_event(ctx);
    const char *decimal = stepd_get_str(ctx, event->data, "dec", "none");
    size_t size = 0;
    const char *id = stepd_header(ctx, "stepd-schema-id", &size);
    char text[100];

    int written = snprintf(text, sizeof(text), "%.*s %s %s %zu", (int)size, id, event->is_raw ? "raw" : "read", decimal, event->raw_len);
    msgpack_pack_str_with_body(stepd_output(ctx), text, (size_t)written);
    return STEPD_OK;
}

STEPD_MODULE(.name = "in_c", .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "in-c", .topic = "rows", .run = run)));
"""


@pytest.fixture
def webhook():
    """A server's url, and the events that came."""
    came = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", came
    server.shutdown()
    server.server_close()


def test_a_module_a_program_and_a_webhook_work_one_topic(service, registry, folder, webhook):
    url, came = webhook
    source = folder / "in_c.c"
    source.write_text(MODULE)
    stepd = service({"program": {"use": "exec", "topic": "rows", "command": ["cat"]},
                     "webhook": {"use": "http", "topic": "rows", "url": url, "body": "event"}}, [build_module(source, folder)])
    produce(stepd, "all", {}, KINDS_VALUE)
    assert seen_by(stepd, "program", "all")["data"] == KINDS_DATA
    assert eventually(lambda: came)[0]["data"] == KINDS_DATA
    assert came[0]["schema_id"] == 9
    assert eventually(lambda: list(outputs(stepd, "in-c").values())) == [f"9 read 12.34 {len(KINDS_VALUE)}"]


def test_a_key_that_is_framed_stays_bytes(service, registry):
    stepd = service()
    produce(stepd, "key", {}, b'{"n":1}')
    words = ["kcat", "-q", "-P", "-b", stepd.kafka.address, "-t", "rows", "-K", "|", "-D", "\\x1e\\x1d", "-H", "tag=framed-key"]
    subprocess.run(words, input=bytes.fromhex("000000000a06616461") + b"|" + b'{"n":2}', check=True, timeout=60 * SLOWER)
    row = seen_by(stepd, "by-topic", "framed-key")
    assert row["data"] == {"n": 2} and "schema_id" not in row
    assert base64.b64decode(row["key_base64"]) == bytes.fromhex("000000000a06616461")


def test_doctor_says_whether_the_registry_answers(service, registry):
    stepd = service()

    def verdicts():
        done = stepd.ctl_run("--json", "doctor")
        return [check for check in json.loads(done.stdout)["checks"] if check["about"] == "schema_registry"]
    (check,) = verdicts()
    assert check["verdict"] == "ok"
    registry.refuses = 401
    (check,) = verdicts()
    assert check["verdict"] == "fault" and "app" in check["text"] and "401" in check["text"]
    registry.stop()
    (check,) = verdicts()
    assert check["verdict"] == "fault" and registry.url in check["text"]


def test_partitions_of_a_real_kafka_wait_alone_and_go_on_where_they_were(daemon, kafka, registry, topic, folder):
    """Half of the partitions need the registry from some message on; what comes after that is not read meanwhile."""
    partitions, count = 4, 400
    tool = KafkaTool(kafka.address)
    tool.create(topic, partitions)
    registry.stop()
    for partition in range(partitions):
        for number in range(3):
            kafka.produce(json.dumps({"n": number}), topic, partition=partition)
    framed = b"".join(b"\0\0\0\0\x0c" + bytes([2 * (number % 64)]) + b"\x06Ada\x1e\x1d" for number in range(count))
    for partition in (1, 3):
        subprocess.run(["kcat", "-q", "-P", "-b", kafka.address, "-t", topic, "-p", str(partition), "-D", "\\x1e\\x1d"], input=framed, check=True)
    kafka.produce(json.dumps({"n": 3}), topic, partition=0)
    stepd = daemon([BUILD / "modules/exec.so"], topics=[topic], history="none", schema_registry={"url": registry.url, "user": "app", "password": "secret ü:"},
                   functions={"rows": {"use": "exec", "topic": topic, "command": ["true"]}}, commit_interval="100ms")
    group = stepd.settings["kafka"]["group.id"]
    eventually(lambda: tool.offsets(group, topic) == {0: 4, 1: 3, 2: 3, 3: 3}, what=lambda: f"{tool.offsets(group, topic)}\n{stepd.log()[-2000:]}")
    assert stepd.metrics()["stepd_partitions_awaiting_schema"] == 2
    assert "wait for the schema registry" in stepd.get("/readyz")[1]
    kafka.produce(json.dumps({"n": 4}), topic, partition=2)
    eventually(lambda: tool.offsets(group, topic)[2] == 4)

    registry.start()
    ends = {0: 4, 1: 3 + count, 2: 4, 3: 3 + count}
    eventually(lambda: tool.offsets(group, topic) == ends, 60, what=lambda: f"{tool.offsets(group, topic)}\n{stepd.log()[-2000:]}")
    metrics = stepd.metrics()
    assert metrics["stepd_partitions_awaiting_schema"] == 0
    assert metrics["stepd_runs_completed_total"] == sum(ends.values()), "each once"
    assert registry.asked == ["/schemas/ids/12"]
    assert stepd.stop() == 0


def test_a_registry_over_tls_is_trusted_by_its_authority(service, registry, folder):
    registry.stop()
    registry.start(certificate_for(folder))
    stepd = service(ca_file="cert.pem", url=registry.url)
    produce(stepd, "tls", {}, b"\0\0\0\0\x0c\x0e\x06Ada")
    assert seen_by(stepd, "by-topic", "tls")["data"] == {"id": 7, "name": "Ada"}


def test_a_registry_that_nobody_vouches_for_is_waited_for(service, registry, folder):
    registry.stop()
    registry.start(certificate_for(folder))
    stepd = service(url=registry.url)
    produce(stepd, "untrusted", {}, b"\0\0\0\0\x0c\x0e\x06Ada")
    say(stepd, "can't be asked (SSL certificate problem")
    assert stepd.runs(function="by-topic") == [] and registry.asked == []


def certificate_for(folder):
    """A certificate's and its key's file."""
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    return folder / "cert.pem", folder / "key.pem"
