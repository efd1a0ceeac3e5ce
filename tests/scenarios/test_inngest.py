# SPDX-License-Identifier: Apache-2.0
"""Programs of Inngest's own SDKs on stepd: what they see of attempts and steps is what was recorded of
their own server, in inngest/recorded.json: [attempt, most attempts, finished steps, status, ops] of each call."""
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import needs
from support import ROOT, SLOWER, eventually, free_port

HERE = Path(__file__).parent / "inngest"
RECORDED = json.loads((HERE / "recorded.json").read_text())
SDKS = {"ts3": ("npm", "inngest@3.54.2", "tsx@4.19.2"), "ts4": ("npm", "inngest@4.24.0", "tsx@4.19.2"),
        "py": ("pip", "inngest==0.5.19", "flask==3.1.3")}
EXAMPLES = {"ts3": "typescript-3", "ts4": "typescript-4", "py": "python", "go": "go"}
PREFIXES = {"py": "examples-python", "go": "examples-go"}
SIGNING_KEY = "signkey-test-12345678abcdef"


def get(url):
    with urllib.request.urlopen(url, timeout=20 * SLOWER) as answer:
        return json.loads(answer.read())


def post(url, body, method="POST"):
    """Status and what was answered."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=20 * SLOWER) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="session")
def sdk(tmp_path_factory):
    """Installs an SDK once; its folder."""
    installed = {}

    def install(name):
        if name in installed:
            return installed[name]
        folder = tmp_path_factory.mktemp(name)
        kind, *packages = SDKS.get(name, ("go", "github.com/inngest/inngestgo"))
        if kind == "go":
            commands = [["go", "build", "-C", ROOT / "examples/go", "-o", folder / "app", "."]]
        elif kind == "npm":
            shutil.copy(HERE / "app.mjs", folder)
            commands = [["npm", "install", "--silent", "--prefix", folder, *packages]]
        else:
            shutil.copy(HERE / "app.py", folder)
            commands = [[sys.executable, "-m", "venv", folder / "venv"], [folder / "venv/bin/pip", "install", "-q", *packages]]
        for command in commands:
            try:
                done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=400 * SLOWER)
                why = done.stderr[-500:] if done.returncode else None
            except OSError as error:
                why = str(error)
            if why is not None and kind == "go":
                pytest.skip(f"{packages[0]} can't be had, which wants a newer Go than distributions have: {why}")  # test_inngest_go.py plays its recordings
            if why is not None:
                needs.skip(f"{packages[0]} can't be had: {why}")
        installed[name] = folder
        return folder
    return install


class App:
    def __init__(self, folder, name, http, port=None, env=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        words = [folder / "venv/bin/python", "app.py", self.port] if name == "py" else ["node", "app.mjs", self.port, name[2:]]
        out = open(folder / "log", "ab")
        # The SDKs find their server by this alone.
        self.process = subprocess.Popen(list(map(str, words)), cwd=folder, stdout=out, stderr=out,
                                        env={**os.environ, **(env or {"INNGEST_DEV": f"http://{http}"})})
        out.close()

    def calls(self, function):
        return [call for name, call in get(f"{self.url}/calls") if name == function]

    def seen(self, function):
        return [(step, attempt) for name, step, attempt in get(f"{self.url}/seen") if name == function]

    def stop(self):
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def serve(folder, sdk, dev):
    """An app of an SDK and a `stepd dev` that has its functions: serve("ts3")."""
    started = []

    def start(name):
        http_port = free_port()
        app = App(sdk(name), name, f"127.0.0.1:{http_port}")
        started.append(app)
        stepd = dev((), "--http-port", http_port, "--retry-interval", "300ms", "--app", f"{app.url}/api/inngest")
        stepd.http = f"http://{stepd.at['http']}"
        eventually(lambda: get(f"{stepd.http}/dev")["functions"], 60, what=stepd.log)
        return app, stepd
    yield start
    for app in started:
        app.stop()


def send(stepd, name, **more):
    status, answer = post(f"{stepd.http}/e/any", {"name": name, "data": {"n": 1}, **more})
    assert status == 200, answer
    return answer["ids"][0]


def comparable(calls):
    """Steps beside each other are called in no order, and each may or may not be told of the other."""
    is_beside = any(len(call[4]) > 1 for call in calls)
    return sorted([*call[:2], *call[3:]] for call in calls) if is_beside else calls


@pytest.mark.parametrize("name", SDKS)
def test_an_app_is_called_as_its_own_server_calls_it(serve, name):
    app, stepd = serve(name)
    for function in RECORDED[name]:
        short = function.removeprefix("oracle-py-" if name == "py" else "oracle-")
        send(stepd, f"py/{short}" if name == "py" else short)
    for function, calls in RECORDED[name].items():
        eventually(lambda: len(app.calls(function)) >= len(calls), 40, what=lambda: f"{function}\n{stepd.log()[-3000:]}")
    eventually(lambda: all(run["status"] in ("completed", "failed") for run in stepd.runs()), 30)
    assert {function: comparable(app.calls(function)) for function in RECORDED[name]} == \
        {function: comparable(calls) for function, calls in RECORDED[name].items()}


@pytest.mark.parametrize("name", ["ts3", "ts4"])
def test_what_the_recordings_leave_to_chance(serve, name):
    app, stepd = serve(name)
    ids = {function: send(stepd, function) for function in ("parallel", "loop", "handled", "waits", "onfail", "sender", "zero")}

    run, = stepd.wait_for("oracle-parallel", "completed")
    assert stepd.show(run["id"])["output"] == [1, 2]
    assert sorted(app.seen("parallel")) == [("p1", 0), ("p1", 1), ("p2", 0)]
    run, = stepd.wait_for("oracle-loop", "completed")
    shown = stepd.show(run["id"])
    assert shown["output"] == [0, 1, 2]
    assert [step["id"] for step in shown["steps"]] == ["same", "same:1", "same:2"]
    assert shown["event"]["id"] == ids["loop"]
    run, = stepd.wait_for("oracle-handled", "completed")
    shown = stepd.show(run["id"])
    assert shown["output"] == "rolled back: bad"
    assert [(step["id"], step["status"]) for step in shown["steps"]] == [("bad", "failed"), ("rollback", "completed")]
    stepd.wait_for("oracle-waits", "waiting")
    send(stepd, "signal", data={"n": 8})
    came = send(stepd, "signal")
    run, = stepd.wait_for("oracle-waits", "completed")
    output = stepd.show(run["id"])["output"]
    assert output["gone"] is None and output["came"].pop("ts") > 0
    assert output["came"] == {"data": {"n": 1}, "id": came, "name": "signal", "user": {}}
    stepd.wait_for("oracle-onfail", "failed")
    eventually(lambda: app.seen("onfail") == [("gone", 0)], what=lambda: app.seen("onfail"))
    stepd.wait_for("oracle-sender", "completed")
    assert eventually(lambda: app.seen("told")) == [("sender", 0)]
    eventually(lambda: {"oracle-zero", "oracle-onfail"} == {function for function, _ in app.seen("listener")},
               what=lambda: app.seen("listener"))


@pytest.mark.parametrize("name", ["ts3", "ts4"])
def test_steps_that_are_done_stay_done_when_the_daemon_is_killed(sdk, daemon, topic, name):
    port = free_port()
    first = daemon([], topics=[topic], inngest={"apps": [f"http://127.0.0.1:{port}/api/inngest"]}, history="all", worker={"threads": 8, "lease": "1s"})
    app = App(sdk(name), name, first.http, port)
    http = f"http://{first.http}"
    try:
        eventually(lambda: get(f"{http}/dev")["functions"], 60, what=first.log)
        assert post(f"{http}/e/any", {"name": "slow"})[0] == 200
        eventually(lambda: len(app.seen("slow")) >= 3, 40, what=first.log)
        first.stop(signal.SIGKILL)
        app.process.send_signal(signal.SIGSTOP)  # does not register again: what is known of it is in Redis
        first.start()
        eventually(lambda: get(f"{http}/dev")["functions"], 60, what=first.log)
        app.process.send_signal(signal.SIGCONT)
        run, = first.wait_for("oracle-slow", "completed", seconds=60)
        assert first.show(run["id"])["output"] == "done"
        steps = [step for step, _ in app.seen("slow")]
        # The one that was under way when the daemon died may have run twice; none that was recorded did.
        assert sorted(set(steps)) == list(range(10))
        assert len(steps) <= 11
    finally:
        app.stop()


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_run_unchanged(sdk, daemon, topic, folder, name):
    port, installed = free_port(), sdk(name)
    shutil.copytree(ROOT / "examples" / EXAMPLES[name], installed / EXAMPLES[name], dirs_exist_ok=True)
    stepd = daemon([], topics=[topic], inngest={"apps": [f"http://127.0.0.1:{port}/api/inngest"]}, history="all",
                   retry={"schedule": ["200ms"], "jitter": "0s"})
    words = {"py": [installed / "venv/bin/python", "serve.py"], "go": [installed / "app"]}.get(name, [installed / "node_modules/.bin/tsx", "serve.ts"])
    with open(folder / "app.log", "wb") as out:
        app = subprocess.Popen(words, cwd=installed / EXAMPLES[name], stdout=out, stderr=out, start_new_session=True,
                               env={**os.environ, "PORT": str(port), "INNGEST_DEV": f"http://{stepd.http}"})
    try:
        eventually(lambda: len(get(f"http://{stepd.http}/dev")["functions"]) == 4, 60, what=(folder / "app.log").read_text)
        for event, data in (("app/button.clicked", {"buttonId": "buy"}), ("auto/sync.request", {}),
                            ("user/weekly.digest.requested", {"userId": "bob"}), ("app/user.created", {"phone": "555"})):
            assert post(f"http://{stepd.http}/e/any", {"name": event, "data": data})[0] == 200
        prefix = PREFIXES.get(name, "examples")
        ended = {}
        for function, status in (("click-recorder", "completed"), ("sync-systems", "completed"), ("user-weekly-digest", "failed"),
                                 ("send-welcome-notification", "completed")):
            run, = stepd.wait_for(f"{prefix}-{function}", status, seconds=40)
            ended[function] = stepd.show(run["id"])
    finally:
        os.killpg(app.pid, signal.SIGKILL)
        app.wait(20)
    assert ended["click-recorder"]["output"] == {"button": "buy", "attempt": 2}
    assert ended["sync-systems"]["output"] == {"saved": 3}
    assert [(step["id"], step["attempts"]) for step in ended["sync-systems"]["steps"]] == [("get-data", 2), ("save-data", 3)]
    assert ended["user-weekly-digest"]["error"]["message"] == "User no longer exists; stopping"
    assert [step["status"] for step in ended["user-weekly-digest"]["steps"]][0] == "failed"
    assert ended["send-welcome-notification"]["output"] == {"message": "welcome, 555"}


@pytest.mark.parametrize("name", SDKS)
def test_the_sdks_believe_our_signatures_and_we_know_their_key(sdk, daemon, topic, name):
    port = free_port()
    stepd = daemon([], topics=[topic], history="all", retry={"schedule": ["200ms"], "jitter": "0s"},
                   inngest={"signing_key": SIGNING_KEY, "event_key": "secret",
                            "apps": [f"http://127.0.0.1:{port}/api/inngest"]})
    http = f"http://{stepd.http}"
    app = App(sdk(name), name, stepd.http, port,
              {**({} if name == "py" else {"INNGEST_DEV": "0"}), "INNGEST_BASE_URL": http, "INNGEST_API_BASE_URL": http, "INNGEST_EVENT_API_BASE_URL": http,
               "INNGEST_SIGNING_KEY": SIGNING_KEY, "INNGEST_EVENT_KEY": "secret"})
    try:
        eventually(lambda: get(f"{http}/dev")["functions"], 60, what=lambda: (sdk(name) / "log").read_text()[-2000:] + stepd.log())
        assert post(f"{http}/e/secret", {"name": "py/sync-systems" if name == "py" else "loop", "data": {"ü": 1.0, "a": [2, {"z": 1, "b": 2}]}})[0] == 200
        eventually(lambda: [run for run in stepd.runs() if run["status"] == "completed"], 30, what=lambda: f"{stepd.runs()}\n{stepd.log()[-2000:]}")
    finally:
        app.stop()


def test_events_are_answered_with_their_ids(folder, dev):
    stepd = dev((), "--app", "http://127.0.0.1:1/none")
    http = f"http://{stepd.at['http']}"
    status, answer = post(f"{http}/e/any", [{"name": "a", "data": {"x": 1}}, {"name": "b", "id": "mine", "ts": 1700000000000, "user": {"u": 2}}])
    assert status == 200 and answer["status"] == 200
    assert len(answer["ids"][0]) == 26 and answer["ids"][1] == "mine"
    sent = [json.loads(message["value"]) for message in stepd.kafka.consume("events")]
    assert sent[0]["name"] == "a" and sent[0]["data"] == {"x": 1} and sent[0]["id"] == answer["ids"][0] and sent[0]["ts"] > 1700000000000
    assert sent[1] == {"name": "b", "id": "mine", "ts": 1700000000000, "data": {}, "user": {"u": 2}}
    for wrong in (b"{", {"data": {}}, {"name": ""}, {"name": "a", "data": [1]}, [{"name": "a"}, 5]):
        assert post(f"{http}/e/any", wrong)[0] == 400, wrong


def registration(name, **function):
    return {"appName": "made", "url": "http://127.0.0.1:1/", "functions": [{
        "id": name, "name": name, "triggers": [{"event": "made"}],
        "steps": {"step": {"id": "step", "name": "step", "runtime": {"type": "http", "url": f"http://127.0.0.1:1/?fnId={name}&stepId=step"},
                           "retries": {"attempts": 0}}}, **function}]}


def test_what_stepd_does_not_have_is_refused_in_a_sentence(folder, dev):
    stepd = dev((), "--app", "http://127.0.0.1:1/none")
    http = f"http://{stepd.at['http']}"
    for function, sentence in (({"triggers": [{"cron": "* * * * * *"}]}, "cron"), ({"throttle": {"limit": 1}}, "throttle"),
                               ({"batchEvents": {"maxSize": 2}}, "batchEvents"), ({"idempotency": "event.data.x +"}, "idempotency"),
                               ({"concurrency": [{"limit": 1, "scope": "env"}]}, "concurrency"),
                               ({"triggers": [{"event": "made", "expression": "event.data.n >"}]}, "1:15: syntax")):
        status, answer = post(f"{http}/fn/register", registration("bad", **function))
        assert status == 400 and "'bad'" in answer["error"] and sentence in answer["error"], answer
    assert get(f"{http}/dev")["functions"] == []
    assert post(f"{http}/fn/register", registration("good", concurrency=[{"limit": 3}], idempotency="event.id")) == (200, {"ok": True, "modified": True})
    assert post(f"{http}/fn/register", registration("good", concurrency=[{"limit": 3}], idempotency="event.id"))[1]["modified"] is False
    assert get(f"{http}/dev")["functions"] == ["good"]


def test_a_function_that_went_away_fails_its_waiting_runs(folder, dev):
    stepd = dev((), "--retry-interval", "3s", "--app", "http://127.0.0.1:1/none")
    http = f"http://{stepd.at['http']}"
    gone = registration("gone")
    del gone["functions"][0]["steps"]["step"]["retries"]
    assert post(f"{http}/fn/register", gone)[0] == 200
    assert post(f"{http}/e/any", {"name": "made"})[0] == 200
    stepd.wait_for("gone", "delayed")
    assert post(f"{http}/fn/register", registration("other"))[0] == 200
    run, = stepd.wait_for("gone", "failed")
    assert run["error"]["name"] == "FunctionGone"


def test_the_event_key_is_checked(daemon, folder):
    stepd = daemon([], inngest={"event_key": "right"})
    http = f"http://{stepd.http}"
    assert post(f"{http}/e/wrong", {"name": "a"})[0] == 401
    assert post(f"{http}/e/right", {"name": "a"})[0] == 200


def test_without_its_section_there_is_no_such_server(daemon):
    stepd = daemon([])
    assert stepd.get("/dev")[0] == 404
