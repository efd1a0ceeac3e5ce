# SPDX-License-Identifier: Apache-2.0
"""What is tortured: a Kafka, a Redis, and daemons of one group, each behind a bad network of its own and started again
whenever it ends, as a service manager would."""
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenarios"))
import support  # noqa: E402
from proxy import Proxy  # noqa: E402

TOPIC = "torture"
GROUP = "torturers"
PARTITIONS = 12
RESTART_SECONDS = 0.3
LOOK_SECONDS = 0.05
AOF_SECONDS = 1.0


class Fleet:
    def __init__(self, folder, daemons=3, protocol="classic"):
        self.folder = Path(folder)
        self.book = self.folder / "book"
        self.book.touch()
        self.protocol = protocol
        self.kafka = support.Kafka(self.folder / "kafka", *support.SHORT_SESSIONS)
        self.redis = Redis(self.folder / "redis")
        self.tool = support.KafkaTool(self.kafka.address)
        self.tool.create(TOPIC, PARTITIONS)
        module = support.build_module(HERE / "books.c", self.folder)
        self.seats = [Seat(self, number, module) for number in range(daemons)]

    def start(self):
        for seat in self.seats:
            seat.start()
        support.eventually(lambda: all(seat.daemon.is_ready() for seat in self.seats), 60)
        return self

    def restore(self):
        """Everything is good again."""
        if not self.kafka.is_running():
            self.kafka.start()
        self.kafka.go_on()
        self.redis.restore()
        for seat in self.seats:
            seat.restore()

    def stop(self):
        for seat in self.seats:
            seat.end()
        self.redis.go_on()
        self.redis.stop()
        self.kafka.go_on()
        self.kafka.stop()

    def seat_of(self, pid):
        return next((seat for seat in self.seats if pid in seat.pids), None)

    def lag(self):
        """By partition, how many events are not committed yet."""
        done = self.tool.offsets(GROUP, TOPIC)
        lags = {part: end - (done.get(part) or 0) for part, end in self.tool.ends(TOPIC).items()}
        return {part: lag for part, lag in lags.items() if lag > 0}

    def unsettled(self):
        """What there still is to do, in words; "": nothing."""
        lag = self.lag()
        if lag:
            return f"not committed, by partition: {lag}"
        waiting = {kind: self.redis.count(kind) for kind in ("delayed", "owned:*", "held:*", "behind:*")}
        ended = self.redis.count("dead") + self.redis.count("history")
        waiting["lost sight of"] = len(self.redis.keys("run:*")) - ended - sum(waiting.values())
        return f"in Redis: {waiting}" if any(waiting.values()) else ""

    def why_unsettled(self, limit=10):
        """What stepctl says of runs that do not end."""
        ctl = self.seats[0].daemon.ctl_run
        ended = {run for kind in ("dead", "history") for run in self.redis.cli("zrange", f"stepd{{0}}:{kind}", "0", "-1").split()}
        stuck = [key.split(":")[-1] for key in self.redis.keys("run:*") if key.split(":")[-1] not in ended]
        return [ctl("why", run).stdout.strip() for run in stuck[:limit]]


class Seat:
    """A daemon that is started again, and the network between it and Redis."""

    def __init__(self, fleet, number, module):
        self.link = Proxy(fleet.redis.port)
        redis = type("Link", (), {"url": f"redis://127.0.0.1:{self.link.port}/0"})
        self.daemon = support.Daemon(fleet.folder / f"daemon-{number}", fleet.kafka, redis, [module], {
            "kafka": {"bootstrap.servers": fleet.kafka.address, "group.id": GROUP, "allow.auto.create.topics": "true",
                      "group.protocol": fleet.protocol},
            "topics": [TOPIC],
            "worker": {"threads": 8, "journal": "journal"},
            "history_age": "1m",
            "options": {"books": {"file": str(fleet.book)}},
        })
        self.lock = threading.Lock()
        self.is_wanted = False
        self.pids, self.ends = [], []
        self.watch = threading.Thread(target=self._keep_alive, daemon=True)
        self.watch.start()

    def start(self):
        with self.lock:
            if self.daemon.process is None or self.daemon.process.poll() is not None:
                self.daemon.launch()
                self.pids.append(self.daemon.process.pid)
            self.is_wanted = True

    def _keep_alive(self):
        while True:
            time.sleep(LOOK_SECONDS)
            with self.lock:
                has_ended = self.is_wanted and self.daemon.process.poll() is not None
                if has_ended:
                    self.ends.append(self._last_words())
            if has_ended:
                time.sleep(RESTART_SECONDS)
                if self.is_wanted:
                    self.start()

    def _last_words(self):
        """Why it ended without being asked to."""
        status = self.daemon.process.returncode
        if status < 0:
            return signal.Signals(-status).name
        said = re.findall(r"stepd ends: (.*)", self.daemon.log()[-20000:])
        return said[-1] if said else f"exit {status}"

    def send(self, number):
        with self.lock, contextlib.suppress(ProcessLookupError):
            self.daemon.process.send_signal(number)

    def take_down(self, by=signal.SIGKILL):
        """Ended, and not started again before start(). Its process id, and when it was told to (monotonic)."""
        with self.lock:
            self.is_wanted = False
            pid, at = self.daemon.process.pid, time.monotonic()
            with contextlib.suppress(ProcessLookupError):
                self.daemon.process.send_signal(by)
                self.daemon.process.send_signal(signal.SIGCONT)
        try:
            self.daemon.process.wait(40 * support.SLOWER)
        except subprocess.TimeoutExpired:
            self.ends.append("did not end on SIGTERM")
            self.daemon.process.kill()
            self.daemon.process.wait(20)
        return pid, at

    def restore(self):
        self.link.restore()
        self.send(signal.SIGCONT)
        self.start()

    def end(self):
        self.take_down(signal.SIGKILL)
        self.link.close()

    def memory_mib(self):
        text = Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) >> 10


class Redis(support.Redis):
    """Knows how long its file was a second ago."""

    def __init__(self, folder):
        self.sizes = []
        super().__init__(folder, "--auto-aof-rewrite-min-size", "8mb")
        threading.Thread(target=self._look, daemon=True).start()

    def _file(self):
        """The one that it appends to now."""
        files = list((self.folder / "appendonlydir").glob("*.incr.aof"))
        return max(files, key=lambda path: int(path.name.split(".")[-3]), default=None)

    def _look(self):
        while True:
            with contextlib.suppress(OSError):
                path = self._file()
                if path is not None:
                    self.sizes = self.sizes[-100:] + [(time.monotonic(), path, path.stat().st_size)]
            time.sleep(LOOK_SECONDS)

    def lose_last_second(self):
        """Killed as by a power cut: what was written since the last sync is gone."""
        self.kill()
        path, before = self._file(), time.monotonic() - AOF_SECONDS
        sizes = [size for at, of, size in self.sizes if at <= before and of == path]
        if sizes:
            os.truncate(path, sizes[-1])
        return bool(sizes)

    def is_running(self):
        return self.process.poll() is None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        if self.is_running():
            self.process.send_signal(signal.SIGCONT)

    def restore(self):
        if not self.is_running():
            self.start()
        self.go_on()
        self.cli("replicaof", "no", "one")
        self.cli("config", "set", "maxmemory", "0")

    def keys(self, pattern):
        return self.cli("--scan", "--pattern", f"stepd{{*}}:{pattern}").split()

    def count(self, kind):
        how = "scard" if kind.startswith("held") else "zcard"
        return sum(int(self.cli(how, key) or 0) for key in self.keys(kind))


class Feed:
    """Produces events without end; `mix` are names and how many of a thousand."""

    def __init__(self, fleet, rate, mix, random):
        self.acked_path = fleet.folder / "acked"
        self.process = subprocess.Popen([support.BUILD / "tests/torture_feeder", fleet.kafka.address, TOPIC, self.acked_path],
                                        stdin=subprocess.PIPE, text=True, bufsize=1)
        self.rate, self.random = rate, random
        self.names = [name for name, share in mix.items() for _ in range(share)]
        self.lock = threading.Lock()
        self.is_stopping = threading.Event()
        self.thread = threading.Thread(target=self._feed)
        self.thread.start()

    def send(self, name, count=1):
        with self.lock:
            self.process.stdin.write(f"{name} {count}\n")

    def _feed(self):
        tick, owed, last = 0.02, 0.0, time.monotonic()
        while not self.is_stopping.wait(tick):
            now = time.monotonic()
            owed += (now - last) * self.rate
            last = now
            for _ in range(int(owed)):
                self.send(self.random.choice(self.names))
            owed -= int(owed)

    def stop(self):
        """Waits until the broker has all of them."""
        self.is_stopping.set()
        self.thread.join()
        self.process.stdin.close()
        assert self.process.wait(180) == 0, "the broker does not take all events"

    def acked(self):
        """By number: the event's name."""
        lines = (line.split() for line in self.acked_path.read_text().splitlines())
        return {int(number): name for number, name in lines}
