# SPDX-License-Identifier: Apache-2.0
"""The question about formats: the same events as fill.c writes them in each, and the registry that has their schema."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import contenders
from contenders import Daemon, Redis

SCHEMA = {"type": "record", "name": "Made", "fields": [{"name": "name", "type": "string"}, {"name": "data", "type": {
    "type": "record", "name": "Data", "fields": [{"name": "number", "type": "long"}, {"name": "sent", "type": "long"},
                                                 {"name": "text", "type": "string"}]}}]}
PER_MESSAGE = {"cloudevents": 100}      # as in fill.c


class Registry:
    """Has one schema, of id 1, and is asked for it once."""

    def __init__(self):
        answer = json.dumps({"schema": json.dumps(SCHEMA)}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path.startswith("/schemas/ids/1") else 404)
                self.send_header("content-type", "application/vnd.schemaregistry.v1+json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def noop(form, count_of):
    def measure(bench):
        per_message = PER_MESSAGE.get(form, 1)
        count = count_of(bench.options) // per_message * per_message
        topic = bench.topic_of(count, form=form, messages=count // per_message)
        with Redis(bench.fresh("redis")) as redis, Registry() as registry:
            settings = {"schema_registry": {"url": registry.url}} if form == "avro" else {}
            with Daemon(bench, bench.fresh("stepd"), redis, topic, ["noop"], **settings) as daemon:
                seconds = daemon.wait_for(count)
                return contenders.rate({"events": count, "seconds": seconds}, daemon.stop())
    return measure
