# SPDX-License-Identifier: Apache-2.0
"""What runs did, as a collector of OpenTelemetry's sees it."""
import json
import subprocess
import urllib.request

import pytest

from collector import Collector, decoder
from support import eventually

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
SECRETS = {"authorization": "Bearer s3cret", "x-token": "s3cret"}


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    return decoder(tmp_path_factory.mktemp("otlp"))


@pytest.fixture
def collector(python):
    made = Collector(python)
    yield made
    made.stop()


@pytest.fixture
def serve(daemon, kafka, topic, module, collector):
    def make(sample=1, **settings):
        return daemon([module("traced")], topics=[topic], retry={"backoff": ["100ms"], "jitter": "0ms"},
                      kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                             "allow.auto.create.topics": "true"},
                      tracing={"otlp": collector.url, "sample": sample}, **settings)
    return make


def send(kafka, topic, name, **headers):
    kafka.produce(json.dumps({"name": name, "id": "e-1", "data": {}}), topic, key="k-1", headers=headers, partition=0)


def named(spans, name):
    return [span for span in spans if span["name"] == name]


def all_of(collector, counts):
    """Spans come from several daemons, each in its own time."""
    def found():
        spans = collector.spans()
        return spans if all(len(named(spans, name)) >= count for name, count in counts.items()) else None
    return eventually(found, 30)


def test_a_run_is_one_trace_from_the_producer_to_its_last_step(kafka, redis, serve, topic, collector):
    serve(), serve()
    send(kafka, topic, "trip/begun", traceparent=PARENT, tracestate="vendor=1", **SECRETS)
    spans = all_of(collector, {"process trip/over": 1, "process trip/begun": 1, "attempt trip": 3, "step first": 1})
    assert {span["trace"] for span in spans} == {TRACE}
    run = named(spans, "process trip/begun")[0]
    assert run["parent"] == SPAN and run["kind"] == 5 and run["state"] == "vendor=1" and run["flags"] & 0x301 == 0x301
    assert run["attributes"] == {**run["attributes"], "messaging.system": "kafka", "messaging.operation.type": "process",
                                 "messaging.operation.name": "process", "messaging.destination.name": topic,
                                 "messaging.destination.partition.id": "0", "messaging.kafka.offset": 0,
                                 "messaging.consumer.group.name": topic, "messaging.message.id": "e-1",
                                 "messaging.kafka.message.key": "k-1", "stepd.function": "trip", "stepd.outcome": "completed"}
    assert run["schema"].endswith("/1.30.0") and run["scope"] == "stepd" and run["resource"]["service.name"] == "stepd"

    attempts = named(spans, "attempt trip")
    assert {span["parent"] for span in attempts} == {run["id"]}
    assert [span["attributes"]["stepd.outcome"] for span in sorted(attempts, key=lambda span: span["begun"])] == ["retry", "sleeping", "completed"]
    assert {span["attributes"]["stepd.run_id"] for span in attempts} == {run["attributes"]["stepd.run_id"]}
    failed = [span for span in attempts if span["status"] == 2]
    assert len(failed) == 1 and failed[0]["attributes"]["error.type"] == "NotYet" and failed[0]["message"] == "come again"
    assert failed[0]["events"][0] == ["exception", {"exception.type": "NotYet", "exception.message": "come again"}]

    steps = {name: named(spans, f"step {name}") for name in ("first", "second", "left", "right", "tell")}
    assert {name: len(found) for name, found in steps.items()} == {"first": 1, "second": 2, "left": 1, "right": 1, "tell": 1}
    assert all(span["parent"] in {attempt["id"] for attempt in attempts} for found in steps.values() for span in found)
    assert steps["first"][0]["attributes"]["stepd.step"] == "first" and steps["first"][0]["ended"] - steps["first"][0]["begun"] >= 2_000_000
    assert [span["attributes"]["stepd.attempt"] for span in sorted(steps["second"], key=lambda span: span["begun"])] == [0, 1]
    nap, = named(spans, "wait nap")
    assert nap["parent"] == run["id"] and nap["ended"] - nap["begun"] >= 250_000_000
    assert len(named(spans, "wait retry")) == 1
    assert run["begun"] <= min(span["begun"] for span in attempts) + 1_000_000 and run["ended"] >= max(span["ended"] for span in attempts)

    told = named(spans, "process trip/over")[0]
    assert told["parent"] in {span["id"] for span in attempts}, "the event that it sent has its attempt as parent"
    assert not any("s3cret" in json.dumps(span) for span in spans)
    assert len({span["id"] for span in spans}) == len(spans)
    assert collector.requests[0] == ("/v1/traces", "application/x-protobuf")


def test_the_producers_flag_decides_and_sample_where_there_is_none(kafka, redis, serve, topic, collector):
    service = serve(sample=0)
    for _ in range(3):
        send(kafka, topic, "trip/doomed")
    send(kafka, topic, "trip/doomed", traceparent=PARENT[:-1] + "0")
    send(kafka, topic, "trip/doomed", traceparent="00-nonsense")
    send(kafka, topic, "trip/doomed", traceparent=PARENT)
    service.wait_for("doomed", "failed", 6)
    spans = all_of(collector, {"process trip/doomed": 1})
    assert {span["trace"] for span in spans} == {TRACE} and len(named(spans, "attempt doomed")) == 1
    assert named(spans, "process trip/doomed")[0]["status"] == 2


def test_without_a_producers_trace_a_run_has_its_own(kafka, redis, serve, topic, collector):
    service = serve(sample=1)
    for _ in range(2):
        send(kafka, topic, "trip/doomed")
    runs = service.wait_for("doomed", "failed", 2)
    spans = all_of(collector, {"process trip/doomed": 2})
    assert {span["trace"] for span in spans} == {run["id"] for run in runs}
    assert all(span["parent"] == "" for span in named(spans, "process trip/doomed"))


def test_a_collector_that_never_answers_holds_up_nothing(kafka, redis, serve, topic, collector):
    service = serve()
    collector.answer = None
    lines = [json.dumps({"name": "trip/doomed", "id": f"e-{n}", "data": {}}) for n in range(12000)]
    kafka.produce_lines([f"k\t{line}" for line in lines], topic)
    eventually(lambda: service.metrics().get("stepd_runs_failed_total") == 12000, 120)
    assert service.metrics()["stepd_trace_spans_dropped_total"] > 10000
    assert service.stop() == 0
    collector.answer = 503


def test_histograms_lead_to_traces_where_openmetrics_is_asked_for(kafka, redis, serve, topic, collector, python):
    service = serve()
    send(kafka, topic, "trip/begun", traceparent=PARENT)
    all_of(collector, {"process trip/begun": 1})
    request = urllib.request.Request(f"http://{service.http}/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        text = answer.read().decode()
    parse = ("import sys\nfrom prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n"
             "for family in parse(sys.stdin.read()):\n for sample in family.samples:\n"
             "  if sample.exemplar: print(family.name, sample.exemplar.labels['trace_id'], sample.exemplar.value)\n")
    done = subprocess.run([python, "-c", parse], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"stepd_attempt_duration_seconds {TRACE}" in done.stdout
    assert " # {" not in service.get("/metrics")[1], "whoever reads the older format is not given what it has not"
