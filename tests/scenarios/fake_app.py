# SPDX-License-Identifier: Apache-2.0
"""An app that speaks the protocol of Inngest's SDKs without one: each call is answered by a function here."""
import hashlib
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def step_hash(name):
    return hashlib.sha1(name.encode()).hexdigest()


def op(kind, name, data=None, **more):
    return {"op": kind, "id": step_hash(name), "displayName": name, "userland": {"id": name}, "name": name, "data": data, **more}


def planned(*names):
    return 206, [op("StepPlanned", name) for name in names]


def result(name, data=None):
    return 206, [op("StepRun", name, data)]


def error(name, message, kind="StepError"):
    return 206, [op(kind, name, error={"name": "Error", "message": message})]


def report(http, call, *names):
    """Tells that daemon, while the call goes on, of steps that are done, as SDK 4.x does; the answer's status."""
    return tell(http, call, *(op("StepRun", name, name) for name in names))


def tell(http, call, *ops):
    """As report(), of ops of any kind."""
    ctx = call["body"]["ctx"]
    body = {"steps": ops, **{key: ctx[key] for key in ("run_id", "fn_id", "qi_id", "request_id", "generation_id")}}
    request = urllib.request.Request(f"http://{http}/v1/checkpoint/{ctx['run_id']}/async", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert answer.read() == b""
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096

    def handle_error(self, request, client_address):
        """A daemon that is killed does not wait for its answers."""


class FakeApp:
    """functions: name -> answer(call), which returns status, body and perhaps headers. A call is {step, body, headers}."""

    def __init__(self, functions, name="fake", **settings):
        self.functions, self.name, self.settings = functions, name, settings
        self.calls = []         # (function, step or None, attempt), in order of arrival
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_PUT(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.answer(200, {"message": "fake"})

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["content-length"]))
                self.answer(*app.answer(self.path, raw, self.headers))

            def answer(self, status, body, headers=()):
                data = json.dumps(body).encode()
                self.send_response(status)
                for key, value in {"content-type": "application/json", "content-length": str(len(data)), **dict(headers)}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, raw, headers):
        query = dict(urllib.parse.parse_qsl(path.split("?", 1)[1]))
        body = json.loads(raw)
        step = None if query["stepId"] == "step" else query["stepId"]
        name = query["fnId"]
        with self.lock:
            self.calls.append((name, step, body["ctx"]["attempt"]))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self.functions[name]({"step": step, "body": body, "raw": raw, "headers": headers, "attempt": body["ctx"]["attempt"]})
        finally:
            with self.lock:
                self.at_once -= 1

    def registration(self, *without):
        """The body of /fn/register."""
        return {"appName": self.name, "url": self.url, "functions": [{
            "id": name, "name": name, "triggers": [{"event": name}],
            "steps": {"step": {"id": "step", "name": "step",
                               "runtime": {"type": "http", "url": f"{self.url}?fnId={name}&stepId=step"},
                               "retries": {"attempts": 2}}}, **self.settings.get(name, {})}
            for name in self.functions if name not in without]}

    def made(self, name, step=None):
        """The attempts of the calls of a function, or of one of its steps, in order."""
        wanted = None if step is None else step_hash(step)
        with self.lock:
            return [attempt for function, hash, attempt in self.calls if function == name and hash == wanted]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

