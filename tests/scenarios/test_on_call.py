# SPDX-License-Identifier: Apache-2.0
"""docs/on-call.md, tried as it is written: what each alert watches is broken until its rule fires, over what the daemon's /metrics say;
then the test looks where the page says to look, does what the page says to do, and the alert is over."""
import contextlib
import http.server
import json
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from alerts import FIGURES, NAMES, Alert, rows
from proxy import Proxy
from schema_registry import SchemaRegistry
from support import BUILD, SLOWER, STEPD, Kafka, KafkaTool, eventually, free_port, run
from test_flow import book, send, serve  # noqa: F401 (fixtures)


@pytest.fixture
def alert(folder):
    return lambda name: Alert(name, folder)


def comes(alert, service, seconds=20):
    eventually(lambda: alert.fires(service), seconds, what=service.log)


def goes(alert, service, seconds=30):
    eventually(lambda: not alert.fires(service), seconds, what=service.log)


def said(service, *words):
    done = service.ctl_run(*words)
    return done.stdout + done.stderr


def doctor(alert, service):
    alert.says("`stepctl doctor`")
    return said(service, "doctor")


def test_each_alert_has_its_row_and_is_tried_here():
    assert set(rows()) == set(NAMES) == set(FIGURES)
    text = Path(__file__).read_text()
    assert [name for name in NAMES if f'alert("{name}")' not in text] == []


# ---- the daemon ------------------------------------------------------------------------------------------


def test_a_daemon_that_is_down(serve, send, book, alert):
    first, second = serve(), serve()
    down = alert("StepdDown")
    assert not down.fires(first)
    first.kill()
    comes(down, first)
    send([{"n": n} for n in range(20)])
    down.says("others take its partitions and runs within seconds")
    eventually(lambda: sorted(book.begun()) == list(range(20)), what=second.log)
    down.says("`stepctl stats` has the daemons that are alive")
    eventually(lambda: second.ctl("stats")["workers"] == 1)

    sound = first.settings["topics"]
    first.configure(topics=[], retry={"retries": "many"})
    first.launch()
    assert first.process.wait(20 * SLOWER) != 0
    down.says("its last line says why")
    check = subprocess.run([STEPD, *down.says("--check --config FILE").replace("FILE", str(first.config)).split()], capture_output=True, text=True)
    assert check.returncode != 0 and "topics" in check.stdout + check.stderr and "retries" in check.stdout + check.stderr, "all that is wrong"
    first.configure(topics=sound, retry={"jitter": 0})
    first.start()
    goes(down, first)


def test_redis_that_is_away(serve, send, book, redis, alert):
    service = serve()
    away, unready = alert("StepdRedisAway"), alert("StepdNotReady")
    assert not away.fires(service) and not unready.fires(service)
    redis.kill()
    comes(away, service)
    comes(unready, service)
    unready.says("`/readyz` says what it waits for")
    assert service.get("/readyz")[0] == 503 and "Redis" in service.get("/readyz")[1]
    assert "Redis" in doctor(away, service)
    away.says("`redis-cli -u URL ping`")
    assert subprocess.run(["redis-cli", "-u", redis.url, "ping"], capture_output=True, text=True).stdout.strip() != "PONG"
    away.says("functions without them go on")
    send([{"n": 1}])
    eventually(lambda: book.begun() == [1], what=service.log)
    away.says("bring Redis back")
    redis.start()
    goes(away, service)
    goes(unready, service)


def test_a_handler_that_crashes_again_and_again(kafka, daemon, module, topic, alert):
    service = daemon([module("crashing")], topics=[topic], retry={"jitter": 0, "schedule": ["100ms"]}, worker={"threads": 2, "journal": "journal"},
                     functions={"crash-always": {"retries": 0}}, kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "allow.auto.create.topics": "true"})
    crashes, restarts = alert("StepdHandlerCrashes"), alert("StepdRestarts")
    crashes.watch(service)
    restarts.note_start(service)
    assert not crashes.fires(service) and not restarts.fires(service)
    for n in range(4):  # as systemd would
        kafka.send("crash/always", {"n": n}, topic=topic)
        service.process.wait(60 * SLOWER)
        service.start()
        restarts.note_start(service)
    eventually(lambda: crashes.fires(service) and restarts.fires(service), 60, what=service.log)
    crashes.says("the log names function and signal")
    assert re.search(r"crash-always.*SIG|SIG.*crash-always", service.log())
    restarts.says("`stepctl pause FUNCTION`")
    crashes.says("`stepctl pause F`")
    assert service.ctl_run("pause", "crash-always").returncode == 0
    eventually(lambda: 'stepd_function_paused{function="crash-always"} 1' in service.get("/metrics")[1])
    kafka.send("crash/always", {"n": 9}, topic=topic)
    kafka.send("crash/bystander", {}, topic=topic)
    crashes.watch(service)
    time.sleep(3)
    assert service.process.poll() is None and not crashes.fires(service)
    restarts.says("roll its module back, `stepctl resume FUNCTION`")


# ---- Redis, Kafka, the collector -------------------------------------------------------------------------


def test_redis_that_is_slow(serve, send, redis, alert):
    with Proxy(redis.port) as network:
        service = serve(redis={"url": f"redis://{network.address}/0"})
        slow = alert("StepdRedisSlow").watch(service)
        network.slow(0.2)
        send([{"n": n, "sleep_ms": 100} for n in range(20)])
        comes(slow, service, 40)
        slow.says("`SLOWLOG GET`")
        assert redis.cli("SLOWLOG", "GET") is not None and "Redis" in doctor(slow, service)
        slow.says("a faster disk")  # here: the network
        network.restore()
        time.sleep(1)
        slow.watch(service)
        send([{"n": n, "sleep_ms": 100} for n in range(20, 40)])
        time.sleep(3)
        assert not slow.fires(service)


def used(redis):
    return int(re.search(r"used_memory:(\d+)", redis.cli("INFO", "memory"))[1])


def test_redis_that_fills_up(serve, send, book, redis, alert):
    service = serve({"throttle": {"limit": 1000, "period": "1s"}})
    fills, full = alert("StepdRedisFills"), alert("StepdRedisFull")
    assert not fills.fires(service) and not full.fires(service)
    redis.cli("CONFIG", "SET", "maxmemory", int(used(redis) / 0.85))
    eventually(lambda: service.metrics().get("stepd_redis_memory_max_bytes", 0) > 0)
    fills.watch(service)
    redis.cli("SET", "others", "x" * 20000)
    comes(fills, service)
    fills.says("`stepctl capacity`")
    assert service.ctl("capacity", "--count", "1")["filling"][0]["what"] == "Redis's memory"
    redis.cli("CONFIG", "SET", "maxmemory", int(used(redis) / 0.97))
    comes(full, service)
    send([{"n": n} for n in range(5)])
    full.says("`/readyz`")
    eventually(lambda: "nearly full" in service.get("/readyz")[1])
    full.says("raise `maxmemory`")
    redis.cli("CONFIG", "SET", "maxmemory", 4 * used(redis))
    goes(full, service)
    fills.watch(service)
    goes(fills, service)
    full.says("Nothing is lost")
    eventually(lambda: sorted(book.begun()) == list(range(5)), 60, what=service.log)


def test_a_collector_that_takes_no_traces(kafka, daemon, module, topic, alert):
    port = free_port()
    service = daemon([module("traced")], topics=[topic], tracing={"otlp": f"http://127.0.0.1:{port}", "sample": 1}, retry={"retries": 0},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "allow.auto.create.topics": "true"})
    dropped = alert("StepdTracesDropped").watch(service)
    assert not dropped.fires(service)
    doomed = ["k\t" + json.dumps({"name": "trip/doomed", "id": f"e-{n}", "data": {}}) for n in range(12000)]
    kafka.produce_lines(doomed, topic)
    comes(dropped, service, 120)
    dropped.says("the log says why, once; `stepd_trace_spans_dropped_total`")
    assert len(re.findall(r"trac|collector|spans", service.log())) >= 1
    dropped.says("runs are not affected")
    eventually(lambda: service.metrics().get("stepd_runs_failed_total") == 12000, 120)

    class Takes(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass
    dropped.says("mend the collector")
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", port), Takes)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    try:
        def is_over():
            dropped.watch(service)
            kafka.produce_lines(doomed[:10], topic)
            time.sleep(2)
            return not dropped.fires(service)
        eventually(is_over, 60, what=service.log)
    finally:
        collector.shutdown()
        collector.server_close()


def test_kafka_that_refuses_dead_letters(kafka, daemon, module, topic, alert):
    tool, dead = KafkaTool(kafka.address), f"{topic}.dead"
    tool.create(topic, 1)
    tool.create(dead, 1, max_message_bytes=10)
    service = daemon([module("traced")], topics=[topic], retry={"retries": 0},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest"})
    refused = alert("StepdProducerRefused").watch(service)
    assert not refused.fires(service)
    kafka.send("trip/doomed", {}, topic=topic)
    comes(refused, service)
    refused.says("`the brokers refuse a message`")
    assert f"the brokers refuse a message for {dead}" in service.log()
    refused.says("failed runs wait, and do not end")
    assert service.runs(status="failed") == []
    refused.says("allow larger messages")
    tool.delete(dead)
    tool.create(dead, 1)
    refused.says("every half minute")
    eventually(lambda: len(service.runs(status="failed")) == 1, 60, what=service.log)
    refused.watch(service)
    assert not refused.fires(service)


# ---- events ----------------------------------------------------------------------------------------------


def test_events_that_come_faster_than_they_are_handled(kafka, daemon, module, topic, folder, alert):
    service = daemon([module("limited")], topics=[topic], options={"limited": {"file": str(folder / "book")}}, worker={"threads": 1},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "allow.auto.create.topics": "true"})
    behind, busy = alert("StepdFallsBehind"), alert("StepdThreadsBusy")

    def produce(count):
        kafka.produce_lines([f"k-{n}\t" + json.dumps({"name": "limited/go", "data": {"n": n, "ms": 20}}) for n in range(count)], topic)
    produce(12000)
    eventually(lambda: service.metrics().get("stepd_partition_lag", 0) > 10000)
    behind.watch(service)
    produce(6000)
    comes(behind, service)
    comes(busy, service)
    behind.says("`stepctl top`")
    assert "alive" in said(service, "top", "--limit", "1")
    behind.says("`stepd_threads_busy` beside `stepd_threads`")
    metrics = service.metrics()
    assert metrics["stepd_threads_busy"] == metrics["stepd_threads"] == 1
    behind.says("raise `worker.threads`")
    busy.says("raise `worker.threads`")
    service.configure(worker={"threads": 32})
    assert service.stop() == 0
    service.start()
    eventually(lambda: service.metrics().get("stepd_partition_lag", 0) > 0)
    behind.watch(service)
    goes(behind, service, 60)
    goes(busy, service, 120)


def test_a_function_with_all_the_queued_runs_that_it_may_have(serve, send, book, alert):
    service = serve(pause={"most": 10})
    full, paused = alert("StepdQueueFull"), alert("StepdFunctionPaused")
    assert not full.fires(service) and not paused.fires(service)
    service.ctl("pause", "work")
    comes(paused, service)
    assert "work is paused" in doctor(paused, service)
    send([{"n": n} for n in range(100)])
    comes(full, service, 30)
    full.says("`/readyz`, the log and `stepctl doctor` name the function")
    assert "work" in service.get("/readyz")[1] and "pause.most" in service.log() and "pause.most is 10" in doctor(full, service)
    run = service.runs(**dict(re.findall(r"--(\w+) (\S+)", paused.says("--function F --status queued").replace("F", "work", 1))))[0]
    full.says("`stepctl why` of one of its runs")
    assert "pause.most" in service.ctl("why", run["id"])["text"]
    words = full.says("stepctl resume F").replace(" F", " work").split()[1:]
    paused.says("`stepctl resume F`")
    assert service.ctl(*words) == {"function": "work", "paused": False}
    goes(full, service, 60)
    goes(paused, service)
    eventually(lambda: sorted(book.begun()) == list(range(100)), 60, what=service.log)


@pytest.fixture
def two_brokers(kafka, folder):  # noqa: ARG001 (where none can be had)
    """One that has the group, and one more."""
    properties = ["broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500"]
    with contextlib.ExitStack() as ends:
        first = Kafka(folder / "broker-1", *properties)
        ends.callback(first.stop)
        KafkaTool(first.address).committed("group", "none")  # it makes the topic of offsets
        second = Kafka(folder / "broker-2", *properties, joins=first)
        ends.callback(second.stop)
        yield first, second


def test_a_partition_whose_broker_is_gone(two_brokers, daemon, module, topic, folder, alert):
    first, second = two_brokers
    tool = KafkaTool(first.address)
    eventually(lambda: "2 brokers" in run("kcat", "-L", "-b", first.address))
    tool.create(topic, 2)
    small = {"queued.min.messages": 1, "fetch.message.max.bytes": 1000}  # so that much of it is still with the broker
    service = daemon([module("limited")], topics=[topic], options={"limited": {"file": str(folder / "book")}}, worker={"threads": 1, "queue": 4},
                     kafka={"bootstrap.servers": f"{first.address},{second.address}", "group.id": topic, "auto.offset.reset": "earliest", **small})
    stalled = alert("StepdPartitionStalled")
    assert not stalled.fires(service)
    lines = "".join(f"k-{n}\t" + json.dumps({"name": "limited/go", "data": {"n": n, "ms": 50}, "text": "x" * 400}) + "\n" for n in range(400))
    subprocess.run(["kcat", "-q", "-P", "-b", first.address, "-t", topic, "-K", "\t", "-X", "batch.num.messages=1"], input=lines, text=True, check=True)
    eventually(lambda: service.metrics().get("stepd_partition_lag", 0) > 0, what=service.log)
    time.sleep(6)  # it asks where partitions end each five seconds
    second.kill()
    comes(stalled, service, 120)
    stalled.says("the log says which")
    stuck = re.search(r"events wait in this partition.*partition=(\d+)", service.log())[1]
    stalled.says("`stepctl doctor` says whether it has a leader")
    assert f"topic {topic}: partition {stuck} has no leader" in doctor(stalled, service)
    stalled.says("mend the broker")
    second.start()
    goes(stalled, service, 60)
    eventually(lambda: service.metrics().get("stepd_partition_lag") == 0, 60, what=service.log)


def test_a_schema_registry_that_is_away(dev, folder, alert):
    registry = SchemaRegistry("app", "secret").start()
    registry.add(12, {"type": "record", "name": "Named", "fields": [{"name": "id", "type": "int"}]})
    config = folder / "user.yaml"
    config.write_text(json.dumps({"modules": [str(BUILD / "modules/exec.so")], "topics": ["rows"],
                                  "schema_registry": {"url": registry.url, "user": registry.user, "password": registry.password},
                                  "functions": {"rows": {"use": "exec", "topic": "rows", "command": ["cat"]}}}))
    service = Reachable(dev([], "--config", config))
    away = alert("StepdSchemaRegistryAway")
    assert not away.fires(service)
    registry.stop()
    service.kafka.produce(b"\0\0\0\0\x0c\x04", "rows")
    comes(away, service, 60)
    assert registry.url in doctor(away, service)
    away.says("mend")
    registry.start()
    goes(away, service, 60)
    away.says("Nothing is lost")
    service.wait_for("rows", "completed")
    registry.stop()


def test_messages_that_are_no_events(kafka, serve, topic, alert):
    service = serve()
    malformed = alert("StepdMalformedEvents").watch(service)
    assert not malformed.fires(service)
    kafka.produce("no event at all {", topic)
    comes(malformed, service)
    letter = eventually(lambda: kafka.consume(f"{topic}.dead"))[0]
    assert letter["headers"][malformed.says("stepd-error-message")]
    malformed.says("mend the producer")
    malformed.watch(service)
    words = malformed.says("stepctl redrive --topic T.dead").replace("T.dead", f"{topic}.dead").split()[1:]
    assert service.ctl(*words)["redriven"] == 1
    comes(malformed, service)  # these bytes were wrong indeed
    malformed.watch(service)
    time.sleep(1)
    assert not malformed.fires(service)


# ---- functions -------------------------------------------------------------------------------------------


def test_runs_that_fail(serve, send, book, folder, alert):
    (folder / "down").touch()
    service = serve({"retries": 0})
    fail = alert("StepdRunsFail").watch(service)
    assert not fail.fires(service)
    send([{"n": n, "down": str(folder / "down")} for n in range(10)])
    service.wait_for("work", "failed", 10)
    comes(fail, service)
    words = fail.says("stepctl runs --status failed --function F").replace(" F", " work").split()[1:]
    run = service.ctl(*words)[0]
    fail.says("`stepctl show RUN`")
    assert service.show(run["id"])["error"]["name"]
    fail.says('"A bad release", below')
    (folder / "down").unlink()
    assert service.ctl("retry", "--function", "work") == {"retried": 10}
    fail.watch(service)
    eventually(lambda: {n for n, _, _ in book.entries("end")} == set(range(10)), what=service.log)
    assert not fail.fires(service)


def test_handlers_that_hang(kafka, daemon, module, topic, alert):
    service = daemon([module("measured")], topics=[topic],
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "allow.auto.create.topics": "true"})
    stuck = alert("StepdThreadsStuck")
    assert not stuck.fires(service)

    def hangs():  # for 0.6 s
        kafka.send("measured/stuck", {}, topic=topic)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            if service.metrics().get("stepd_threads_stuck", 0) > 0:
                service_then = Frozen(service)
                return service_then if stuck.fires(service_then) else None
        return None
    eventually(hangs, 60, what=service.log)
    stuck.says("`stepd_handlers_timed_out_total` says whose")
    assert re.search(r'stepd_handlers_timed_out_total\{function="stuck"\} [1-9]', service.get("/metrics")[1])
    stuck.says("restart the daemon")
    assert service.stop() == 0
    service.start()
    goes(stuck, service)


def test_runs_that_begin_late(kafka, daemon, module, topic, folder, alert):
    service = daemon([module("limited")], topics=[topic], options={"limited": {"file": str(folder / "book")}}, worker={"threads": 1},
                     kafka={"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                            "allow.auto.create.topics": "true"})
    late = alert("StepdRunsLate")

    def due_together(count):
        at = int(time.time() * 1000) + 3000
        kafka.produce_lines([f"k-{n}\t" + json.dumps({"name": "limited/go", "data": {"n": n, "at": at, "ms": 1000}}) for n in range(count)], topic)
    late.watch(service)
    due_together(20)
    comes(late, service, 60)
    late.says("`stepd_threads_busy`, `stepd_redis_round_trip_seconds`")
    assert service.metrics()["stepd_threads_busy"] == 1 and service.metrics()["stepd_redis_round_trip_seconds_count"] > 0
    late.says("as for StepdThreadsBusy")
    service.configure(worker={"threads": 32})
    assert service.stop() == 0
    service.start()
    eventually(lambda: service.ctl("stats")["delayed"] == service.ctl("stats")["owned"] == 0, 60)
    late.watch(service)
    due_together(20)
    eventually(lambda: service.metrics().get("stepd_run_lateness_seconds_count", 0) >= 20, 60)
    assert not late.fires(service)


class Reachable:
    """A `stepd dev`, whose metrics are asked for as a daemon's are."""

    def __init__(self, service):
        self.service = service

    def __getattr__(self, name):
        return getattr(self.service, name)

    def get(self, path):
        done = subprocess.run(["curl", "-s", "-w", "\\n%{http_code}", f"http://{self.service.at['http']}{path}"], capture_output=True, text=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text


class Frozen:
    """What a daemon says now, for ever."""

    def __init__(self, service):
        self.answer, self.log = service.get("/metrics"), service.log

    def get(self, _):
        return self.answer


def test_a_program_of_which_no_process_serves(dev, folder, alert):
    path = folder / "media.py"
    sound = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[2] / "clients/python")!r})
        import stepd

        @stepd.function(event="later")
        def later(event, step):
            return 1

        stepd.serve()
    """)
    path.write_text("raise SystemExit('it has no settings')\n")
    config = folder / "user.yaml"
    config.write_text(json.dumps({"programs": {"media": {"command": [sys.executable, str(path)]}}}))
    service = Reachable(dev([], "--config", config))
    down = alert("StepdProgramDown")
    comes(down, service, 60)
    down.says("the log has the program's last words")
    eventually(lambda: "it has no settings" in service.log())
    assert "media" in doctor(down, service)
    service.kafka.send("later")
    down.says("mend the program")
    path.write_text(sound)
    goes(down, service, 90)
    down.says("go on once it serves")
    service.wait_for("later", "completed", seconds=60)


def test_a_service_that_fails(serve, send, book, folder, alert):
    (folder / "down").touch()
    service = serve({"breaker": {"failures": 3, "window": "1m", "pause": "2s"}, "retries": 50, "schedule": ["300ms"]})
    opened = alert("StepdBreakerOpen")
    assert not opened.fires(service)
    send([{"n": n, "down": str(folder / "down")} for n in range(8)])
    comes(opened, service)
    words = opened.says("stepctl runs --status queued --function F").replace(" F", " work").split()[1:]
    run = eventually(lambda: service.ctl(*words))[0]
    opened.says("`stepctl why RUN`")
    assert "breaker" in service.ctl("why", run["id"])["text"]
    opened.says("mend that service: the breaker closes by itself")
    (folder / "down").unlink()
    goes(opened, service, 60)
    eventually(lambda: {n for n, _, _ in book.entries("end")} == set(range(8)), 60, what=service.log)
