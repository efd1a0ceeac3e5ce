# SPDX-License-Identifier: Apache-2.0
"""A collector of traces, which decodes what it is sent with OpenTelemetry's own classes; they are had from PyPI."""
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import needs

DECODE = """
import json, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

def plain(value):
    return getattr(value, value.WhichOneof("value"))

def attributes(of):
    return {each.key: plain(each.value) for each in of}

for line in sys.stdin:
    request = ExportTraceServiceRequest()
    request.ParseFromString(bytes.fromhex(line))
    size = request.ByteSize()
    request.DiscardUnknownFields()
    assert size == request.ByteSize(), "fields that the protocol does not have"
    spans = []
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                spans.append({"name": span.name, "trace": span.trace_id.hex(), "id": span.span_id.hex(), "parent": span.parent_span_id.hex(),
                              "kind": span.kind, "begun": span.start_time_unix_nano, "ended": span.end_time_unix_nano,
                              "status": span.status.code, "message": span.status.message, "state": span.trace_state, "flags": span.flags,
                              "attributes": attributes(span.attributes), "events": [[each.name, attributes(each.attributes)] for each in span.events],
                              "resource": attributes(resource.resource.attributes), "schema": scope.schema_url, "scope": scope.scope.name})
    print(json.dumps(spans), flush=True)
"""


def decoder(folder):
    """The Python that has the classes; where they can't be had the test is skipped."""
    python = Path(folder) / "otlp/bin/python"
    for command in ([sys.executable, "-m", "venv", folder / "otlp"],
                    [folder / "otlp/bin/pip", "install", "-q", "opentelemetry-proto", "prometheus-client"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            needs.skip(f"opentelemetry-proto can't be had: {done.stderr[-300:]}")
    return python


class Collector:
    """`answer`: the status that it answers with; None: it takes requests and never answers."""

    def __init__(self, python):
        self.bodies, self.requests, self.answer = [], [], 200
        self.python = python
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append((self.path, self.headers["Content-Type"]))
                while collector.answer is None:
                    collector.wait.wait(0.1)
                if collector.answer == 200:
                    collector.bodies.append(body)
                self.send_response(collector.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.wait = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        bodies = list(self.bodies)
        if not bodies:
            return []
        done = subprocess.run([self.python, "-c", DECODE], input="".join(body.hex() + "\n" for body in bodies), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [span for line in done.stdout.splitlines() for span in json.loads(line)]

    def stop(self):
        self.answer = 503
        self.server.shutdown()
        self.server.server_close()
