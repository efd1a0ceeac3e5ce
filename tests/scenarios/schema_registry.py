# SPDX-License-Identifier: Apache-2.0
"""A schema registry that answers as Karapace 6.2.0 does, byte by byte, and that can go away and come back."""
import base64
import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from support import free_port

VENDOR = "application/vnd.schemaregistry.v1+json"
NOT_FOUND = (404, {"error_code": 40403, "message": "Schema not found"})


class SchemaRegistry:
    """`schemas` by id and by GUID, `subjects` by name and version: what the answer's JSON holds."""

    def __init__(self, user=None, password=None):
        self.user, self.password, self.port = user, password, free_port()
        self.schemas, self.subjects, self.asked = {}, {}, []
        self.refuses = None  # a status for all questions
        self.server, self.scheme = None, "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def add(self, number, schema, kind=None, **more):
        text = schema if isinstance(schema, str) else json.dumps(schema, sort_keys=True)
        self.schemas[str(number)] = {"schema": text, **({"schemaType": kind} if kind else {}), **more}

    def add_subject(self, subject, version, number, schema, **more):
        self.subjects[(subject, str(version))] = {"subject": subject, "version": version, "id": number,
                                                  "schema": json.dumps(schema, sort_keys=True), **more}

    def start(self, certificate=None):
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                registry.asked.append(self.path)
                status, kind, body = registry.answer(self.path, self.headers)
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.send_header("connection", "close")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
        self.server = None

    def is_let_in(self, headers):
        wanted = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return self.user is None or headers.get("authorization") == wanted

    def answer(self, path, headers):
        if self.refuses is not None:
            return self.refuses, VENDOR, {"message": "Forbidden" if self.refuses == 403 else "Not now"}
        if not self.is_let_in(headers):
            return 401, VENDOR, {"message": "Unauthorized"}
        if headers.get("accept", "*/*") not in ("application/json", "*/*", VENDOR):
            return 406, "application/json", {"message": "HTTP 406 Not Acceptable"}
        status, body = self.look_up(path.split("?")[0])
        return status, "application/json" if body == "Not Found" else VENDOR, body

    def look_up(self, path):
        if path in ("/subjects", "/schemas/types"):
            return 200, [] if path == "/subjects" else ["JSON", "AVRO", "PROTOBUF"]
        found = re.fullmatch(r"/schemas/(ids|guids)/([^/]+)", path)
        if found and found[2] in self.schemas:
            return 200, self.schemas[found[2]]
        if found and found[1] == "ids":
            return NOT_FOUND if found[2].lstrip("-").isdigit() else (404, {"error_code": 404, "message": "HTTP 404 Not Found"})
        found = re.fullmatch(r"/subjects/([^/]+)/versions/(\d+)", path)
        if found and (found[1], found[2]) in self.subjects:
            return 200, self.subjects[(found[1], found[2])]
        if found:
            return 404, {"error_code": 40401, "message": f"Subject '{found[1]}' not found."}
        return 404, "Not Found"
