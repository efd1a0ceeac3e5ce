# SPDX-License-Identifier: Apache-2.0
"""The parts that scenarios put together: Kafka, Redis, the daemon, `stepd dev`, stepctl, kcat."""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KAFKA_SERVER = ROOT / "tests/kafka-server/kafka-server"
BUILD = Path(os.environ.get("STEPD_BUILD") or ROOT / "build/dev").resolve()
STEPD = BUILD / "bin/stepd"
STEPCTL = BUILD / "bin/stepctl"
IS_SANITIZED = "-fsanitize" in (BUILD / "build.ninja").read_text() if (BUILD / "build.ninja").exists() else False
SLOWER = 10 if IS_SANITIZED else 3  # than an idle machine: no test fails because others work too
KAFKA_CANT_BE_HAD = 75
# Of groups of the consumer protocol, whose sessions brokers hold to 45 s at least unless they are told.
SHORT_SESSIONS = [f"group.consumer.{name}.ms={ms}" for name, ms in {"min.session.timeout": 6000, "session.timeout": 6000,
                                                                    "min.heartbeat.interval": 1000, "heartbeat.interval": 1000}.items()]


def eventually(condition, seconds=20, what=None):
    """What `condition` answers once that is true; fails with what it answered last."""
    end = time.monotonic() + seconds * SLOWER
    while True:
        last = condition()
        if last:
            return last
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds * SLOWER} s: {what() if what else last!r}")
        time.sleep(0.05)


def run(*words, seconds=200, **more):
    """A program that has to succeed; its output."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds * SLOWER, **more)
    assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def free_port():
    """Below those that clients are given: none takes it while its server is away."""
    while True:
        port = random.randrange(10000, 32768)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def build_module(source, folder, *flags, include=ROOT / "daemon/include"):
    """One .c against the header alone, as a user's compiler sees it."""
    target = Path(folder) / (Path(source).stem + ".so")
    run(os.environ.get("CC", "cc"), "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", target, source,
        f"-I{include}", *flags)
    return target


class Kcat:
    """Any client's view of a broker."""

    def __init__(self, address):
        self.address = address

    def produce(self, value, topic="events", key=None, headers=(), partition=None):
        words = ["kcat", "-q", "-P", "-b", self.address, "-t", topic, "-D", "\\x1e\\x1d"]
        words += ["-k", key] if key is not None else []
        words += ["-p", str(partition)] if partition is not None else []
        for name, text in dict(headers).items():
            words += ["-H", f"{name}={text}"]
        data = value if isinstance(value, bytes) else value.encode()
        done = subprocess.run(words, input=data, capture_output=True, timeout=60 * SLOWER)
        assert done.returncode == 0, done.stderr.decode()

    def produce_lines(self, lines, topic="events", separator="\t"):
        """One message a line: KEY, separator, value."""
        text = "".join(line + "\n" for line in lines).encode()
        done = subprocess.run(["kcat", "-q", "-P", "-b", self.address, "-t", topic, "-K", separator], input=text,
                              capture_output=True, timeout=300 * SLOWER)
        assert done.returncode == 0, done.stderr.decode()

    def send(self, name, data=None, topic="events", key=None, **envelope):
        self.produce(json.dumps({"name": name, "data": data if data is not None else {}, **envelope}), topic, key)

    def consume(self, topic):
        """All that is there now: key, value, headers of each message."""
        form = r"%k\x1f%S\x1f%h\x1f%s\x1e"
        done = subprocess.run(["kcat", "-q", "-C", "-e", "-b", self.address, "-t", topic, "-o", "beginning", "-f", form],
                              capture_output=True, timeout=120 * SLOWER)
        if b"Unknown topic" in done.stderr:
            return []
        assert done.returncode == 0, done.stderr.decode()
        messages = []
        for record in done.stdout.split(b"\x1e")[:-1]:
            key, _, headers, value = record.split(b"\x1f", 3)
            pairs = re.findall(r"(?:^|,)([A-Za-z_-]+)=((?:(?!,[A-Za-z_-]+=).)*)", headers.decode(errors="replace"), re.S)
            messages.append({"key": key.decode(errors="replace"), "value": value, "headers": dict(pairs)})
        return messages


class Kafka(Kcat):
    """A real broker in a folder of its own, of the cluster that `joins` began. KafkaCantBeHad says why there is none."""

    def __init__(self, folder, *properties, joins=None):
        self.folder, self.properties = Path(folder), properties
        self.address = ""
        self._start(*(["join", self.folder, joins.folder] if joins else ["start", self.folder]))

    def start(self):
        self._start("start", self.folder)

    def _start(self, *words):
        done = subprocess.run([KAFKA_SERVER, *words, *self.properties], capture_output=True, text=True)
        if done.returncode == KAFKA_CANT_BE_HAD:
            raise KafkaCantBeHad(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr
        self.address = done.stdout.strip()

    def stop(self):
        run(KAFKA_SERVER, "stop", self.folder)

    def kill(self):
        run(KAFKA_SERVER, "kill", self.folder)

    def is_running(self):
        return (self.folder / "pid").exists()

    def pause(self):
        os.kill(self.pid(), signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid(), signal.SIGCONT)

    def pid(self):
        return int((self.folder / "pid").read_text())


class KafkaCantBeHad(Exception):
    pass


class KafkaTool:
    """kafka_tool, on one broker."""

    def __init__(self, address):
        self.address = address

    def __call__(self, *words):
        return run(BUILD / "tests/kafka_tool", self.address, *words)

    def create(self, topic, partitions=1, **settings):
        self("create", topic, partitions, *[f"{name.replace('_', '.')}={value}" for name, value in settings.items()])

    def delete(self, topic):
        """Gone when it returns: another of its name may be made."""
        self("delete", topic)
        eventually(lambda: f'topic "{topic}"' not in run("kcat", "-L", "-b", self.address))

    def produce(self, topic, partition, first, count, size=0):
        self("produce", topic, partition, first, count, size)

    def committed(self, group, topic):
        """By partition: offset (None: nothing is) and metadata."""
        found = {}
        for line in self("committed", group, topic).splitlines():
            partition, offset, metadata = (line + " ").split(" ", 2)
            found[int(partition)] = (int(offset) if int(offset) >= 0 else None, metadata.strip())
        return found

    def ends(self, topic):
        """By partition."""
        rows = (line.split() for line in self("ends", topic).splitlines())
        return {int(partition): int(end) for partition, _, end in rows}

    def offsets(self, group, topic):
        return {partition: offset for partition, (offset, _) in self.committed(group, topic).items()}


class Redis:
    """A private redis-server, configured as the shipped redis.conf says; `options` as on its command line."""

    def __init__(self, folder, *options):
        self.folder, self.options = Path(folder), options
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = Path(shutil.copy(ROOT / "config/redis.conf", self.folder))  # a sentinel writes to it
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None
        self.start()

    def start(self):
        out = open(self.folder / "out", "ab")
        self.process = subprocess.Popen(["redis-server", self.config, "--port", str(self.port),
                                         "--dir", self.folder, *self.options], stdout=out, stderr=out,
                                        start_new_session=True)
        out.close()
        eventually(lambda: self.cli("ping") == "PONG", what=(self.folder / "out").read_text)

    def cli(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.port), *map(str, words)], capture_output=True, text=True)
        return done.stdout.strip()

    def stop(self, by=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(by)
        self.process.wait(20 * SLOWER)

    def kill(self):
        self.stop(signal.SIGKILL)


class Service:
    """A process of stepd's that logs to a file, and what stepctl says of its config."""

    def __init__(self, folder, words, config=None, env=None):
        self.folder, self.words, self.config = Path(folder), [str(word) for word in words], config
        self.env = {**os.environ, "ASAN_OPTIONS": "abort_on_error=1", "XDG_STATE_HOME": str(self.folder / "state"), **(env or {})}
        self.process = None

    def launch(self):
        assert self.process is None or self.process.poll() is not None, "the one before would be left running"
        out = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(self.words, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=self.env,
                                        start_new_session=True)
        out.close()

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def ctl(self, *words):
        """stepctl --json: what it printed, read."""
        done = self.ctl_run("--json", *words)
        assert done.returncode == 0, f"stepctl {words}: exit {done.returncode}\n{done.stderr}{done.stdout}"
        return json.loads(done.stdout)

    def ctl_run(self, *words):
        return subprocess.run([STEPCTL, "--config", self.config, *map(str, words)], capture_output=True, text=True, timeout=120 * SLOWER)

    def runs(self, **filters):
        words = [word for name, value in filters.items() for word in (f"--{name}", value)]
        return self.ctl("runs", "--limit", "100000", *words)

    def show(self, run_id):
        return self.ctl("show", run_id)

    def wait_for(self, function, status, count=1, seconds=20):
        """That many runs of a function in that state."""
        def found():
            runs = self.runs(function=function, status=status)
            return runs if len(runs) >= count else None
        return eventually(found, seconds, what=lambda: f"{self.runs()}\n{self.log()[-2000:]}")

    def stop(self, by=signal.SIGTERM):
        """Its exit status."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(by)
        try:
            return self.process.wait(40 * SLOWER)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not stop\n{self.log()[-2000:]}") from None

    def end(self):
        """Where it is still there."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def kill(self):
        """All of it at once, children too."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(20 * SLOWER)


class Daemon(Service):
    """`stepd --config` from the build tree. `settings` are keys of the config's top level."""

    def __init__(self, folder, kafka, redis, modules, settings=None, env=None):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.http = f"127.0.0.1:{free_port()}"
        self.settings = {
            "kafka": {"bootstrap.servers": kafka.address, "group.id": f"stepd-{os.urandom(4).hex()}",
                      "auto.offset.reset": "earliest", "allow.auto.create.topics": "true"},
            "topics": ["events"],
            "redis": {"url": redis.url},
            "modules": [str(module) for module in modules],
            "worker": {"threads": 8},
            "log": {"level": "info", "format": "text"},
            **(settings or {}),
            "http": {"listen": self.http, **(settings or {}).get("http", {})},
        }
        config = folder / "stepd.yaml"
        super().__init__(folder, [STEPD, "--config", config], config, env)
        self.configure()

    def configure(self, **settings):
        """Writes the config, with what changes; JSON is YAML."""
        self.settings.update(settings)
        self.config.write_text(json.dumps(self.settings, indent=2) + "\n")

    def start(self):
        self.launch()
        eventually(lambda: self.is_ready() or self.process.poll() is not None, 30, what=self.log)
        assert self.process.poll() is None, self.log()
        return self

    def get(self, path):
        """Status and text of one of its HTTP pages; 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=5 * SLOWER) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self):
        return self.get("/readyz")[0] == 200

    def metrics(self):
        """Sums by name, whatever the labels."""
        sums = {}
        for line in self.get("/metrics")[1].splitlines():
            match = re.fullmatch(r"([a-zA-Z_:][\w:]*)(?:\{.*\})? ([-+.\deE]+)", line)
            if match:
                sums[match[1]] = sums.get(match[1], 0) + float(match[2])
        return sums


class Dev(Service):
    """`stepd dev` on free ports."""

    def __init__(self, folder, modules=(), *words, env=None):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        command = [STEPD, "dev", "--kafka-port", 0, "--redis-port", 0, "--http-port", 0, "--data", folder / "data"]
        for module in modules:
            command += ["--module", module]
        super().__init__(folder, [*command, *words], env=env)
        self.at = {}

    def start(self):
        self.launch()
        eventually(lambda: "stepd dev ready " in self.log() or self.process.poll() is not None, 60, what=self.log)
        lines = re.findall(r"^stepd dev ready (.*)$", self.log(), re.M)
        assert lines, self.log()
        self.at = dict(re.findall(r"(\w+)=(\S+)", lines[-1]))
        self.config = self.at["config"]
        self.kafka = Kcat(self.at["kafka"])
        return self


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
