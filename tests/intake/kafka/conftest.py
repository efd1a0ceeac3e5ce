# SPDX-License-Identifier: Apache-2.0
"""
The consumer and the producer alone, driven against a real Kafka. STEPD_GROUP_PROTOCOL=consumer has all of them in groups of that
protocol, with a librdkafka that LD_LIBRARY_PATH finds (CONTRIBUTING.md has the command).
"""
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scenarios"))
import needs  # noqa: E402
import support  # noqa: E402

TESTS = support.BUILD / "tests"
PROTOCOL = os.environ.get("STEPD_GROUP_PROTOCOL") or "classic"
CLASSIC_ONLY = pytest.mark.skipif(PROTOCOL != "classic", reason="it is about the classic protocol")


class Driver:
    """One consumer, and what came to it."""

    def __init__(self, folder, address, group, topics, *options, **settings):
        self.got, self.answers, self.changed = [], [], threading.Condition()
        self.log_path = folder / f"{group}-{os.urandom(2).hex()}.log"
        words = [TESTS / "consumer_driver", *options, address, group, topics]
        if PROTOCOL != "classic":
            settings = {"group_protocol": PROTOCOL, **{name: value for name, value in settings.items() if name != "session_timeout_ms"}}
        words += [f"{name.replace('_', '.')}={value}" for name, value in settings.items()]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True, bufsize=1)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            words = line.rstrip("\n").split(" ", 4)
            with self.changed:
                if words[0] == "got":
                    self.got.append((int(words[2]), int(words[3]), words[4]))
                else:
                    self.answers.append(line.rstrip("\n"))
                self.changed.notify_all()

    def log(self):
        return self.log_path.read_text(errors="replace")

    def ask(self, command, seconds=30):
        with self.changed:
            self.answers.clear()
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            assert self.changed.wait_for(lambda: self.answers, seconds * support.SLOWER), f"{command}: no answer\n{self.log()}"
            return self.answers[0]

    def counts(self):
        return json.loads(self.ask("counts"))

    def ledger(self):
        return {int(partition): counts for partition, counts in json.loads(self.ask("ledger")).items()}

    def partitions(self):
        return json.loads(self.ask("partitions"))

    def offsets(self, partition=0):
        """Offsets that came, in order."""
        with self.changed:
            return [offset for where, offset, _ in self.got if where == partition]

    def values(self, partition=0):
        with self.changed:
            return [text.split(" ")[0] for where, _, text in self.got if where == partition]

    def wait_for(self, condition, seconds=30):
        return support.eventually(condition, seconds, what=lambda: f"{self.got[-20:]}\n{self.log()[-3000:]}")

    def wait_assigned(self, count):
        self.wait_for(lambda: self.counts()["partitions"] == count)
        return self

    def wait_got(self, count, partition=0):
        self.wait_for(lambda: len(self.offsets(partition)) >= count)
        return self.offsets(partition)

    def stop(self, timeout_ms=10000):
        assert self.ask(f"stop {timeout_ms}", 60) == "stopped"
        assert self.process.wait(30 * support.SLOWER) == 0, self.log()

    def kill(self):
        self.process.kill()
        self.process.wait(20 * support.SLOWER)

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    properties = ["log.cleaner.backoff.ms=200", "auto.create.topics.enable=false"]
    if PROTOCOL != "classic":
        properties += support.SHORT_SESSIONS
    with needs.kafka(tmp_path_factory.mktemp("kafka"), *properties) as server:
        yield server


@pytest.fixture
def tool(kafka):
    return support.KafkaTool(kafka.address)


@pytest.fixture
def topic(request):
    return f"{request.node.name.replace('_', '-')[:60].strip('-')}-{os.urandom(3).hex()}"


@pytest.fixture
def group(topic):
    return f"group-{topic}"


@pytest.fixture
def consumer(tmp_path, kafka, group, topic):
    """Makes consumers: consumer("--auto", session_timeout_ms=6000)."""
    made = []

    def make(*options, topics=topic, address=None, group=group, **settings):
        made.append(Driver(tmp_path, address or kafka.address, group, topics, *options, **settings))
        return made[-1]
    yield make
    for each in made:
        if each.process.poll() is None:
            each.thaw()
            each.kill()


def wait_committed(tool, group, topic, expected, seconds=30):
    """By partition."""
    support.eventually(lambda: tool.offsets(group, topic) == expected, seconds, what=lambda: tool.committed(group, topic))


def settle_commits(reader):
    """Until all that it has done is committed: it commits nothing more for a second."""
    commits = None
    while commits != (commits := reader.counts()["commits"]):
        settle(1)


def settle(seconds):
    """Time in which nothing may happen."""
    time.sleep(seconds)
