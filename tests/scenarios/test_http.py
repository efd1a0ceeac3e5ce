# SPDX-License-Identifier: Apache-2.0
"""Functions that are servers elsewhere: what is sent, and what an answer means."""
import base64
import collections
import hashlib
import hmac
import json
import re
import shutil
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import BUILD, SLOWER, Dev, eventually, free_port, run as run_program

HTTP = BUILD / "modules/http.so"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw"
HOOKS = 10_000

Request = collections.namedtuple("Request", "method path headers body time connection")


class Endpoint:
    """A server that answers from a script: (status, headers, body), or a number of seconds to hang."""

    def __init__(self, certificate=None):
        self.requests, self.script, self.lock = [], [], threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with endpoint.lock:
                    endpoint.requests.append(Request(self.command, self.path, dict(self.headers), body, time.monotonic(),
                                                     self.client_address))
                    step = endpoint.script.pop(0) if endpoint.script else (200, {}, b"")
                if isinstance(step, (int, float)):
                    time.sleep(step)
                    self.close_connection = True
                    return
                status, headers, text = step
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_PUT = answer

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "http" if certificate is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.close()


@pytest.fixture
def serve(dev, folder):
    """A `stepd dev` with functions of `http`: serve(name={settings}); the event of each is its name."""
    def make(*words, topics=("events",), interval="200ms", env=None, **functions):
        config = folder / "user.yaml"
        config.write_text(json.dumps({
            "modules": [str(HTTP)],
            "topics": list(topics),
            "functions": {name: {"use": "http", **({"event": name} if not {"topic", "event"} & settings.keys() else {}), **settings}
                          for name, settings in functions.items()},
        }))
        return dev([], "--config", config, "--retry-interval", interval, *words, env=env)
    return make


def signature(secret, request):
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


# ---- what is sent --------------------------------------------------------------------------------------


def test_an_event_becomes_a_signed_cloudevent(serve, endpoint):
    service = serve(env={"CRM_TOKEN": "t0p"}, **{"notify-crm": {
        "event": "user/signed.up", "url": f"{endpoint.url}/hook", "retries": 8, "timeout": "10s", "body": "cloudevent",
        "headers": {"authorization": "Bearer ${CRM_TOKEN}"}, "secret": SECRET}})
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    service.kafka.produce(json.dumps({"name": "user/signed.up", "id": "e1", "ts": 1600000000500, "data": {"user": "ada", "big": 2**60}}),
                          key="ada", headers={"traceparent": trace})
    (run,) = service.wait_for("notify-crm", "completed")
    (request,) = endpoint.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["authorization"] == "Bearer t0p"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["traceparent"] == trace
    assert request.headers["stepd-attempt"] == "0"
    assert request.headers["webhook-id"] == run["id"]
    assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
    assert request.headers["webhook-signature"] == signature(SECRET, request)
    assert json.loads(request.body) == {
        "specversion": "1.0", "id": "e1", "source": "/topics/events", "type": "user/signed.up", "time": "2020-09-13T12:26:40.500Z",
        "traceparent": trace, "partitionkey": "ada", "datacontenttype": "application/json", "data": {"user": "ada", "big": 2**60}}
    assert "t0p" not in service.log() and SECRET not in service.log()


def test_other_bodies_and_headers(serve, endpoint):
    service = serve(topics=["events", "legacy"],
                    data={"url": f"{endpoint.url}/data", "body": "data"},
                    whole={"url": f"{endpoint.url}/event", "body": "event", "event": "data", "method": "PUT"},
                    raw={"url": f"{endpoint.url}/raw", "body": "raw", "topic": "legacy",
                         "headers": {"Content-Type": "application/x-legacy", "x-empty": "", "user-agent": "ours"}})
    service.kafka.send("data", [1, {"a": None}])
    service.kafka.produce(b"\x00\xff\n", topic="legacy")
    for name in ("data", "whole", "raw"):
        service.wait_for(name, "completed")
    requests = {request.path: request for request in endpoint.requests}
    assert json.loads(requests["/data"].body) == [1, {"a": None}]
    assert requests["/data"].headers["content-type"] == "application/json"
    assert requests["/data"].headers["user-agent"] == "stepd"
    assert requests["/event"].method == "PUT"
    assert json.loads(requests["/event"].body)["data"] == [1, {"a": None}]
    assert requests["/raw"].body == b"\x00\xff\n"
    headers = requests["/raw"].headers
    assert (headers["Content-Type"], headers["x-empty"], headers["user-agent"]) == ("application/x-legacy", "", "ours")
    assert "webhook-signature" not in headers and "webhook-id" in headers


def test_headers_of_the_message_are_passed_on_by_name(serve, endpoint):
    service = serve(hook={"url": endpoint.url, "pass_headers": ["tenant", "X-*"], "headers": {"x-given": "ours"}})
    service.kafka.produce('{"name": "hook"}', headers={
        "Tenant": "acme", "x-trace": "é", "x-given": "theirs", "x-lines": "a\nb: c", "other": "no", "x-bad name": "no", "host": "no"})
    service.wait_for("hook", "completed")
    (request,) = endpoint.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["tenant"] == "acme"
    assert headers["x-trace"].encode("latin-1").decode() == "é"
    assert headers["x-given"] == "ours"
    assert not {"x-lines", "b", "other", "x-bad name"} & headers.keys()
    assert headers["host"] != "no"
    assert "HTTP can't send the message's header 'x-lines'" in service.log()


def test_two_secrets_sign_while_one_takes_over(serve, endpoint):
    other = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    service = serve(hook={"url": endpoint.url, "secret": f"{SECRET} {other}"})
    service.kafka.send("hook")
    service.wait_for("hook", "completed")
    (request,) = endpoint.requests
    assert request.headers["webhook-signature"].split() == [signature(SECRET, request), signature(other, request)]


# ---- what an answer means ------------------------------------------------------------------------------


def test_an_endpoint_gets_its_event_once_it_answers(serve, endpoint):
    endpoint.script = [(500, {}, b"oops"), (429, {"Retry-After": "1"}, b""), (200, {"content-type": "application/json"}, b'{"id": 7}')]
    service = serve(hook={"url": endpoint.url})
    service.kafka.send("hook", {"n": 1})
    (run,) = service.wait_for("hook", "completed")
    first, second, third = endpoint.requests
    assert 0.2 <= second.time - first.time < 1 * SLOWER
    assert 1.0 <= third.time - second.time < 2.5 * SLOWER
    assert [request.headers["stepd-attempt"] for request in endpoint.requests] == ["0", "1", "2"]
    assert {request.headers["webhook-id"] for request in endpoint.requests} == {run["id"]}
    assert len({request.body for request in endpoint.requests}) == 1
    assert run["output"] == {"status": 200, "body": {"id": 7}}
    errors = [(attempt["error"] or {}).get("name") for attempt in service.show(run["id"])["attempts"]]
    assert errors == ["Http500", "Http429", None]


ANSWERS = {
    404: ("failed", 1), 400: ("failed", 1), 301: ("failed", 1), 408: ("completed", 2), 429: ("completed", 2),
    500: ("completed", 2), 503: ("completed", 2), 599: ("completed", 2), 204: ("completed", 1)}


@pytest.mark.parametrize("status", ANSWERS)
def test_what_a_status_means(shared, status):
    service, endpoint = shared
    wanted, count = ANSWERS[status]
    name = f"status-{status}"
    endpoint.script, endpoint.requests = [(status, {}, b"said\nthis")], []
    service.kafka.send(name)
    (run,) = service.wait_for(name, wanted)
    assert len(endpoint.requests) == count
    if wanted == "failed":
        assert run["error"] == {"name": f"Http{status}", "message": "said this"}


def test_a_date_says_when_to_come_back(shared):
    service, endpoint = shared
    due = int(time.time()) + 3
    when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(due))
    endpoint.script, endpoint.requests = [(503, {"Retry-After": when}, b"")], []
    service.kafka.send("date")
    service.wait_for("date", "completed")
    assert time.time() >= due - 0.1
    assert len(endpoint.requests) == 2


def test_statuses_are_settings(shared):
    service, endpoint = shared
    endpoint.script, endpoint.requests = [(404, {}, b""), (418, {"Retry-After": "0"}, b""), (302, {}, b"")], []
    service.kafka.send("settings")
    (run,) = service.wait_for("settings", "completed")
    assert run["output"] == {"status": 302, "body": None}


OUTPUTS = {
    "text": ({"content-type": "text/plain"}, b"well done", "well done"),
    "json": ({"content-type": "application/problem+json; charset=utf-8"}, b"[1]", [1]),
    "no json": ({"content-type": "application/json"}, b"{", "{"),
    "bytes": ({}, b"\xff\x00", "/wA="),
    "large": ({"content-type": "application/json"}, b"[" + b" " * 200_000 + b"]", "[" + " " * 65535),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_body_is_the_output(shared, kind):
    service, endpoint = shared
    headers, body, wanted = OUTPUTS[kind]
    endpoint.script = [(200, headers, body)]
    name = f"output-{kind.replace(' ', '-')}"
    service.kafka.send(name)
    (run,) = service.wait_for(name, "completed")
    assert run["output"] == {"status": 200, "body": wanted}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One `stepd dev` and one endpoint for those tests that have nothing else in common."""
    folder, endpoint = tmp_path_factory.mktemp("shared"), Endpoint()
    names = [f"status-{status}" for status in ANSWERS] + [f"output-{kind.replace(' ', '-')}" for kind in OUTPUTS] + ["date"]
    functions = {name: {"use": "http", "event": name, "url": endpoint.url} for name in names}
    functions["settings"] = {"use": "http", "event": "settings", "url": endpoint.url, "retry_on": [404, 418], "retry_after_on": [418],
                             "done_on": ["30x"]}
    config = folder / "user.yaml"
    config.write_text(json.dumps({"modules": [str(HTTP)], "functions": functions}))
    service = Dev(folder / "dev", [], "--config", config, "--retry-interval", "200ms").start()
    yield service, endpoint
    assert service.stop() == 0
    endpoint.close()


def test_loopback_goes_through_no_proxy(serve, endpoint):
    service = serve(hook={"url": endpoint.url, "retries": 0}, env={"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    service.kafka.send("hook")
    service.wait_for("hook", "completed")
    assert len(endpoint.requests) == 1


def test_an_event_keeps_its_values(serve, endpoint):
    service = serve(hook={"url": endpoint.url, "body": "data"})
    service.kafka.produce(r'{"name":"hook","data":{"n":18446744073709551616,"x":NaN,"s":"\ud83d\ud83d"}}')
    service.wait_for("hook", "completed")
    assert json.loads(endpoint.requests[0].body) == {"n": 18446744073709551616, "x": None, "s": "\ufffd\ufffd"}


def test_what_a_server_says_has_blanks_for_nuls_and_an_exact_body(serve, endpoint):
    service = serve(bad={"url": endpoint.url}, good={"url": endpoint.url})
    endpoint.script = [(400, {}, "disk full".encode("utf-16-le"))]
    service.kafka.send("bad")
    (run,) = service.wait_for("bad", "failed")
    assert run["error"]["message"] == "d i s k   f u l l"
    endpoint.script = [(200, {"content-type": "application/json"}, b'{"n":-18446744073709551616,"x":Infinity}')]
    service.kafka.send("good")
    (run,) = service.wait_for("good", "completed")
    assert run["output"]["body"] == {"n": -18446744073709551616, "x": None}


def test_epoch_seconds_are_no_delay(serve, endpoint):
    service = serve(hook={"url": endpoint.url})
    endpoint.script = [(429, {"Retry-After": "1764374400"}, b"")]
    service.kafka.send("hook")
    (run,) = service.wait_for("hook", "delayed")
    assert 86_000_000 < run["due_ms"] - run["created_ms"] < 87_000_000
    assert "cut to retry.max_after, 86400 s" in service.log()


# ---- servers that are none -----------------------------------------------------------------------------


def test_nobody_there_is_waited_for(serve):
    port = free_port()
    service = serve(hook={"url": f"http://127.0.0.1:{port}/", "retries": 100})
    service.kafka.send("hook")
    (run,) = service.wait_for("hook", "delayed")
    assert run["error"]["name"] == "Unreachable"
    late = subprocess.Popen(["python3", "-c", f"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()"""], stderr=subprocess.DEVNULL)
    try:
        service.wait_for("hook", "completed")
    finally:
        late.kill()
        late.wait()


def test_hanging_servers_cost_no_thread(serve, endpoint):
    endpoint.script = [30] * 64
    service = serve(hook={"url": endpoint.url, "timeout": "1s", "retries": 0})
    for number in range(64):
        service.kafka.send("hook", {"n": number})
    runs = service.wait_for("hook", "failed", 64)
    assert {run["error"]["name"] for run in runs} == {"HandlerTimeout"}
    service.kafka.send("hook")
    service.wait_for("hook", "completed")
    assert "started again" not in service.log()


def test_a_certificate_has_to_be_trusted(serve, folder):
    certificate = folder / "server.pem"
    run_program("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    certificate.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    server = Endpoint(certificate)
    service = serve(trusting={"url": server.url, "ca_file": str(folder / "cert.pem")}, careful={"url": server.url, "retries": 0},
                    careless={"url": server.url, "verify": False})
    for name in ("trusting", "careful", "careless"):
        service.kafka.send(name)
    service.wait_for("trusting", "completed")
    service.wait_for("careless", "completed")
    (run,) = service.wait_for("careful", "failed")
    assert run["error"]["name"] == "Unreachable"
    assert "certificate" in run["error"]["message"]
    server.close()


def test_errors_of_the_config_have_their_place(folder):
    config = folder / "stepd.yaml"
    config.write_text(f"""\
kafka: {{bootstrap.servers: b}}
topics: [events]
modules: [{HTTP}]
functions:
  a: {{use: http, event: e, url: "ftp://x"}}
  b: {{use: http, event: e, url: "http://x", secret: "t0psecret"}}
  c: {{use: http, event: e, url: "http://x", retry_on: [5x]}}
  d: {{use: http, event: e, url: "http://x", headers: {{"a b": c}}}}
  e: {{use: http, event: e, url: "http://x", body: xml}}
  f: {{use: http, event: e}}
  g: {{use: http, event: e, url: "http://x", method: "GET /"}}
  h: {{use: http, event: e, url: "http://x", method: put}}
  i: {{use: http, event: e, url: "http://x", method: HEAD}}
  j: {{use: http, event: e, url: "http://x", headers: {{Content-Length: 5}}}}
  k: {{use: http, event: e, url: "http://x", pass_headers: [a, ""]}}
""")
    done = subprocess.run([BUILD / "bin/stepd", "--check", "--config", config], capture_output=True, text=True)
    said = done.stderr + done.stdout
    assert done.returncode == 78
    for wanted in (r":5:.*\[function a\] 'url' must be", r":6:.*\[function b\] 'secret' must be", r":7:.*\[function c\] 'retry_on' .*'5x'",
                   r":8:.*\[function d\] 'headers' has 'a b'", r":9:.*\[function e\] 'body' must be .*'xml'",
                   r":10:.*\[function f\] needs option 'url'", r":11:.*\[function g\] 'method' .*'GET /'",
                   r":12:.*\[function h\] 'method' .*'put'", r":13:.*\[function i\] 'method' .*'HEAD'",
                   r":14:.*\[function j\] 'headers' has 'Content-Length'", r":15:.*\[function k\] 'pass_headers' has an empty entry"):
        assert re.search(wanted, said), said
    assert "t0psecret" not in said


# ---- many ----------------------------------------------------------------------------------------------

NGINX = """\
daemon off; master_process off; error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 512; }}
http {{
    log_format hooks '$http_webhook_id $status $connection $request_length';
    access_log {folder}/access.log hooks;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}
}}
"""


@pytest.fixture
def nginx(folder):
    """A real server; its port and its access log."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert program, "nginx has to be installed"
    port = free_port()
    (folder / "nginx").mkdir()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder / "nginx", port=port))
    process = subprocess.Popen([program, "-e", folder / "nginx/error.log", "-c", folder / "nginx.conf"])
    eventually(lambda: (folder / "nginx/access.log").exists())
    yield port, folder / "nginx/access.log"
    process.terminate()
    process.wait(20)


def test_many_webhooks_reach_a_real_server_over_few_connections(serve, nginx):
    port, log = nginx
    service = serve(hook={"url": f"http://127.0.0.1:{port}/", "secret": SECRET})
    service.kafka.produce_lines(f'{n}\t{{"name":"hook","data":{{"n":{n}}}}}' for n in range(HOOKS))
    eventually(lambda: service.ctl("stats")["runs_completed"] >= HOOKS, 120, what=lambda: service.ctl("stats"))
    eventually(lambda: len(log.read_text().splitlines()) >= HOOKS)
    requests = [line.split() for line in log.read_text().splitlines()]
    assert len(requests) == HOOKS
    assert {status for _, status, _, _ in requests} == {"204"}
    assert len({run_id for run_id, _, _, _ in requests}) == HOOKS
    assert len({connection for _, _, connection, _ in requests}) <= 32  # one for each worker thread
    stats = service.ctl("stats")
    assert (stats["runs_completed"], stats["runs_failed"], stats["retries_scheduled"]) == (HOOKS, 0, 0)
