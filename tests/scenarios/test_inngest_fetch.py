# SPDX-License-Identifier: Apache-2.0
"""step.fetch and step.ai.infer of apps: requests that the daemon makes in the app's place, as recorded of Inngest's server."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fake_app import op
from support import free_port
from test_inngest_calls import SETTINGS, register, serve  # noqa: F401
from test_inngest_waits import every, output, send, sleep


def fetch(name, url, **options):
    return op("Gateway", name, opts={"url": url, "method": "GET", "headers": {}, **options})


def infer(name, url, **options):
    return op("AIGateway", name, opts={"type": "step.ai.infer", "url": url, "auth_key": "sk-test", "format": "openai-chat", "body": {"model": "m"},
                                       **options})


@pytest.fixture
def web():
    """A server that tells what it was asked, and how often."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self):
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            asked.append((self.command, self.path, dict(self.headers), body))
            status = int(self.path.strip("/").split("/")[0])
            data = json.dumps({"got": body}).encode()
            self.send_response(status)
            for key, value in (("content-type", "application/json"), ("content-length", str(len(data))), ("x-two", "a"), ("x-two", "b")):
                self.send_header(key, value)
            if status == 302:
                self.send_header("location", "/200/there")
            self.end_headers()
            self.wfile.write(data)
        do_GET = do_POST = do_PUT = do_DELETE = answer
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def test_what_is_fetched_is_the_step_s_result_whatever_its_status(daemon, serve, topic, web):
    url, asked = web
    app = serve({"alone": every(fetch("f", url + "/200/echo", method="POST", headers={"content-type": "application/json", "x-own": "1"}, body='{"n":1}')),
                 "several": every(fetch("gone", url + "/404/x"), fetch("put", url + "/503/y", method="PUT", body="z"), fetch("moved", url + "/302/m"),
                                  sleep("nap", "300ms"), op("StepPlanned", "own"))})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "alone")
    (got,) = output(stepd, "alone")
    assert set(got) == {"data"} and set(got["data"]) == {"body", "headers", "status_code", "url"}
    assert (got["data"]["status_code"], json.loads(got["data"]["body"]), got["data"]["url"]) == (200, {"got": '{"n":1}'}, url + "/200/echo")
    assert got["data"]["headers"]["X-Two"] == "a,b" and got["data"]["headers"]["Content-Type"] == "application/json"
    method, _, headers, body = asked[0]
    assert (method, body, headers["x-own"]) == ("POST", '{"n":1}', "1") and len(asked) == 1 and app.made("alone") == [0, 0]
    send(stepd, "several")
    gone, put, moved, nap, own = output(stepd, "several")
    assert [each["data"]["status_code"] for each in (gone, put, moved)] == [404, 503, 200]
    assert json.loads(put["data"]["body"]) == {"got": "z"} and nap is None and own == {"data": "ran"}
    assert sorted(each[0] for each in asked[1:]) == ["GET", "GET", "GET", "PUT"]


def test_one_that_reaches_nobody_is_tried_as_often_as_the_function_has_retries(daemon, serve, topic):
    app = serve({"lost": every(fetch("f", f"http://127.0.0.1:{free_port()}/")), "wrong": every(fetch("f", "file:///etc/passwd"))})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "lost")
    (got,) = output(stepd, "lost")
    assert got["error"]["name"] == "GatewayError" and got["error"]["message"].startswith("Error making gateway request: ")
    assert app.made("lost") == [0, 1, 2, 0]
    send(stepd, "wrong")
    run, = stepd.wait_for("wrong", "failed")
    assert stepd.show(run["id"])["error"]["name"] == "InvalidURL"


def test_models_are_asked_with_their_key(daemon, serve, topic, web):
    url, asked = web
    app = serve({"good": every(infer("i", url + "/200/v1")), "bad": every(infer("i", url + "/500/v1")),
                 "other": every(infer("i", url + "/200/v1", format="nobody"))})
    stepd = daemon([], topics=[topic], **SETTINGS)
    register(stepd, app)
    send(stepd, "good")
    assert output(stepd, "good") == [{"data": {"got": '{"model":"m"}'}}]
    assert asked[0][0] == "POST" and asked[0][2]["Authorization"] == "Bearer sk-test"
    send(stepd, "bad")
    (got,) = output(stepd, "bad")
    assert got["error"]["name"] == "AIGatewayError" and got["error"]["message"] == "Error making AI request: unsuccessful status code: 500"
    assert got["error"]["data"] == {"got": '{"model":"m"}'} and len(asked) == 4
    send(stepd, "other")
    run, = stepd.wait_for("other", "failed")
    assert "format 'nobody'" in stepd.show(run["id"])["error"]["message"]
