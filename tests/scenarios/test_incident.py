# SPDX-License-Identifier: Apache-2.0
"""An evening's incident, played: a release fails every run of one function; docs/on-call.md is followed, and nothing is lost."""
import json
import threading
import time

import pytest

from collector import Collector, decoder
from support import SLOWER, eventually

CHARGE = """
import json, os, sys
if os.path.exists("bad-release"):
    sys.exit("the new release can't read its settings")
print(json.load(sys.stdin)["data"]["n"], file=open("charged", "a"))
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector(tmp_path_factory):
    made = Collector(decoder(tmp_path_factory.mktemp("otlp")))
    yield made
    made.stop()


@pytest.fixture
def fleet(daemon, kafka, topic, folder, collector):
    (folder / "charge.py").write_text(CHARGE)
    settings = {"topics": [topic], "retry": {"retries": 0}, "tracing": {"otlp": collector.url, "sample": 0}, "worker": {"threads": 8},
                "kafka": {"bootstrap.servers": kafka.address, "group.id": topic, "auto.offset.reset": "earliest",
                          "allow.auto.create.topics": "true"},
                "functions": {"charge": {"use": "exec", "event": "order/paid", "concurrency": 2, "directory": str(folder),
                                         "command": ["/usr/bin/python3", str(folder / "charge.py")]}}}
    return [daemon([], **settings) for _ in range(2)]


def charged(folder):
    path = folder / "charged"
    return sorted(map(int, path.read_text().split())) if path.exists() else []


class Orders:
    """A shop that goes on selling, whatever happens behind it."""

    def __init__(self, kafka, topic):
        self.kafka, self.topic, self.sold, self.is_over = kafka, topic, 0, False
        self.thread = threading.Thread(target=self.sell, daemon=True)
        self.thread.start()

    def sell(self):
        while not self.is_over:
            n = self.sold
            self.kafka.produce(json.dumps({"name": "order/paid", "id": f"o-{n}", "data": {"n": n}}), self.topic, key=f"c-{n}",
                               headers={"traceparent": f"00-{TRACE}-{n + 1:016x}-{'01' if n == 0 else '00'}"})
            self.sold += 1
            time.sleep(0.05)

    def close(self):
        self.is_over = True
        self.thread.join()


def test_a_bad_release_is_paused_rolled_back_and_retried(kafka, redis, fleet, topic, folder, collector):
    first, second = fleet
    orders = Orders(kafka, topic)
    eventually(lambda: 0 in charged(folder) and len(charged(folder)) >= 5, what=first.log)  # the traced one, whose daemon may be the later one
    (folder / "bad-release").touch()
    eventually(lambda: len(first.runs(function="charge", status="failed")) >= 5)

    first.ctl("pause", "charge")
    eventually(lambda: all('stepd_function_paused{function="charge"} 1' in each.get("/metrics")[1] for each in fleet), 10 * SLOWER)
    time.sleep(1)
    failed = first.ctl("retry", "--function", "charge", "--dry-run")["found"]
    sold = orders.sold
    eventually(lambda: orders.sold > sold + 10)
    assert first.ctl("retry", "--function", "charge", "--dry-run")["found"] == failed, "nothing fails any more"
    assert len(first.runs(function="charge", status="queued")) > 0

    (folder / "bad-release").unlink()
    first.ctl("resume", "charge")
    retried = first.ctl("retry", "--function", "charge", "--since", "-1h")
    assert retried["retried"] == failed
    orders.close()
    eventually(lambda: charged(folder) == list(range(orders.sold)), 60, what=first.log)
    assert first.ctl("retry", "--function", "charge", "--dry-run")["found"] == 0
    assert sum(each.log().count("pause of function charge by") for each in fleet) == 1

    def of_one_order():
        names = sorted(span["name"] for span in collector.spans() if span["trace"] == TRACE and span["name"] != "wait turn")  # it may have one
        return names if "process order/paid" in names else None
    assert eventually(of_one_order) == ["attempt charge", "process order/paid"], "one event's way, from its producer to its last attempt"
