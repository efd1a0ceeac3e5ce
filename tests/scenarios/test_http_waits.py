# SPDX-License-Identifier: Apache-2.0
"""Requests of http functions that take their time: thousands under way at once, and nobody waits for them."""
import asyncio
import re
import threading
import time

import pytest

from support import BUILD, SLOWER, eventually

HTTP = BUILD / "modules/http.so"
RETRY = {"schedule": ["300ms"], "jitter": "0s"}


class SlowServer:
    """Answers 200 once it is told to, or at /quick at once; counts what is under way. One thread, whatever their number."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.under_way = self.most = self.answered = self.refuses = 0
        self.paths = []
        self.ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self.ready.wait()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.go = asyncio.Event()
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=20000))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.ready.set()
        self.loop.run_forever()

    async def _serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await reader.readexactly(int(re.search(r"content-length: (\d+)", head, re.I)[1]))
                self.paths.append(head.split()[1])
                if self.refuses > 0:
                    self.refuses -= 1
                    writer.write(b"HTTP/1.1 500 Not Now\r\ncontent-length: 0\r\n\r\n")
                    continue
                self.under_way += 1
                self.most = max(self.most, self.under_way)
                try:
                    await self._wait(head.split()[1], reader)
                finally:
                    self.under_way -= 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                self.answered += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _wait(self, path, reader):
        """Or until the other side has hung up."""
        if path == "/quick":
            return
        hung_up = asyncio.ensure_future(reader.read(1))
        told = asyncio.ensure_future(self.go.wait())
        await asyncio.wait([hung_up, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if hung_up.done() and not hung_up.result():
            raise ConnectionResetError
        hung_up.cancel()
        await asyncio.wait([hung_up])  # until then nobody else may read

    def answer(self):
        self.loop.call_soon_threadsafe(self.go.set)


@pytest.fixture
def server():
    made = SlowServer()
    yield made
    made.answer()


def functions(server, **settings):
    return {"slow": {"use": "http", "event": "slow", "url": f"{server.url}/slow", "timeout": f"{300 * SLOWER}s", **settings},
            "quick": {"use": "http", "event": "quick", "url": f"{server.url}/quick"}}


def rss_mb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


def send(kafka, topic, name, count):
    kafka.produce_lines((f'{n}\t{{"name":"{name}","data":{{"n":{n}}}}}' for n in range(count)), topic)


def test_thousands_of_requests_are_under_way_at_once(daemon, kafka, server, topic):
    """Far more than worker.queue: its places are for what waits here, not for what waits elsewhere."""
    stepd = daemon([HTTP], topics=[topic], history="all", worker={"threads": 2, "queue": 100}, functions=functions(server))
    send(kafka, topic, "slow", 3000)
    eventually(lambda: server.under_way == 3000, 120, what=lambda: f"{server.under_way}\n{stepd.log()[-2000:]}")
    metrics = stepd.metrics()
    assert metrics["stepd_attempts_away"] == 3000
    assert metrics["stepd_events_in_flight"] == 3000
    assert rss_mb(stepd.process.pid) < 300  # a sanitizer's own; what a release build takes is in docs/performance.md
    send(kafka, topic, "quick", 300)
    stepd.wait_for("quick", "completed", count=300, seconds=60)
    server.answer()
    stepd.wait_for("slow", "completed", count=3000, seconds=120)
    assert server.paths.count("/slow") == 3000


def test_no_more_than_http_in_flight_are_under_way(daemon, kafka, server, topic):
    stepd = daemon([HTTP], topics=[topic], history="all", worker={"threads": 2, "queue": 50}, functions=functions(server),
                   http={"in_flight": 40})
    send(kafka, topic, "slow", 200)
    eventually(lambda: server.under_way == 40, 60, what=lambda: server.under_way)
    time.sleep(1)
    assert server.most == 40
    server.answer()
    stepd.wait_for("slow", "completed", count=200, seconds=60)
    assert server.most <= 40


def test_a_run_that_is_cancelled_breaks_its_request_off(daemon, kafka, server, topic):
    server.refuses = 1
    stepd = daemon([HTTP], topics=[topic], history="all", worker={"threads": 2}, functions=functions(server), retry=RETRY)
    send(kafka, topic, "slow", 1)
    run, = stepd.wait_for("slow", "running")
    eventually(lambda: server.under_way == 1)
    assert stepd.ctl_run("cancel", run["id"]).returncode == 0
    stepd.wait_for("slow", "cancelled")
    eventually(lambda: server.under_way == 0)


def test_requests_under_way_end_before_the_daemon_does(daemon, kafka, server, topic):
    stepd = daemon([HTTP], topics=[topic], history="all", worker={"threads": 2}, functions=functions(server))
    send(kafka, topic, "slow", 100)
    eventually(lambda: server.under_way == 100)
    stepd.process.terminate()
    time.sleep(0.5)
    server.answer()
    assert stepd.process.wait(60 * SLOWER) == 0
    assert server.answered == 100


def test_a_stop_that_waits_for_no_answer_costs_no_attempt(daemon, kafka, server, topic):
    """What is broken off by it is made again, as the same attempt."""
    stepd = daemon([HTTP], topics=[topic], history="all", worker={"threads": 2, "drain_timeout": "1s"}, functions=functions(server),
                   retry=RETRY)
    send(kafka, topic, "slow", 20)
    eventually(lambda: server.under_way == 20)
    stepd.process.terminate()
    assert stepd.process.wait(60 * SLOWER) == 0
    eventually(lambda: server.under_way == 0)
    server.answer()
    stepd.start()
    runs = stepd.wait_for("slow", "completed", count=20, seconds=60)
    assert {run["attempt"] for run in runs} == {0}
