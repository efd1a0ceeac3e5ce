# SPDX-License-Identifier: Apache-2.0
"""What is measured: stepd, the peers, the floor. Each is a process whose CPU time is taken as a whole."""
import json
import mmap
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build/bench"
STEPD = Path(os.environ.get("STEPD_BUILD") or ROOT / "build/release").resolve() / "bin/stepd"
MODULES = HERE / "modules"
# The functions of each module. A stepd from before waits, or before batches, has not the modules of them.
FUNCTIONS = {
    "bench": ["noop", "by-key", "burn", "nap", "steps", "steps-100", "steps-1000", "latency", "charge", "fails", "checkpoint", "waits", "late", "retries",
              "turn", "turn-2s", "turn-10s",
              "answered", "unasked"],
    "bench-waits": ["holds", "holds-on"],
    "bench-batches": ["gathered"],
}
KAFKA_SERVER = ROOT / "tests/kafka-server/kafka-server"
LONGEST_S = 900   # of one measurement; past it the contender is left out
POLL_S = 0.002
WARM_UPS = 3
SLOTS, SLOT_WORDS, SAMPLES_AT = 256, 8, 256 * 64
EVENT_SIZE, KEYS = 200, 10007


class CantBeHad(Exception):
    pass


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(*words, **more):
    """A program that has to succeed; its output, and the CPU seconds that it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=LONGEST_S, **more)
    except subprocess.TimeoutExpired:
        raise CantBeHad(f"{Path(str(words[0])).name}: not done within {LONGEST_S} s") from None
    except OSError as error:
        raise CantBeHad(f"{words[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise CantBeHad(f"{' '.join(map(str, words[:3]))}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rate(result, cpu_s):
    """Of what a program says of itself, {"events", "seconds"}: the figures of a throughput question."""
    return {"per_second": result["events"] / result["seconds"], "cpu_s_per_million": cpu_s * 1e6 / result["events"]}


def measured(*words):
    text, cpu_s = run(*words)
    result = json.loads(text.splitlines()[-1])
    return rate(result, cpu_s) if "seconds" in result else result


def compile_c(source, *flags, into=BUILD):
    """A program or module of this folder, built once."""
    target = into / (source.stem + (".so" if "-shared" in flags else ""))
    newest = max(file.stat().st_mtime for file in (source, *source.parent.glob("*.h")))
    if not target.exists() or target.stat().st_mtime < newest:
        into.mkdir(parents=True, exist_ok=True)
        run(os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", target, source, *flags)
    return target


@dataclass(frozen=True)
class Program:
    """A build of stepd; the measured handlers are compiled for its header."""
    stepd: Path
    tree: Path

    def module(self, source):
        """Of a module in C, the one for this build. One that wants what this stepd has not can't be had."""
        into = BUILD / "modules" / self.tree.name
        try:
            return str(compile_c(source, "-std=c11", "-shared", "-fPIC", f"-I{self.tree}/daemon/include", into=into))
        except CantBeHad as why:
            raise CantBeHad(f"{source.name} does not fit the stepd.h of {self.tree}: {why}") from None

    def many(self, functions):
        """A module of that many functions, each of an event of its own; an event of the benchmark starts none of them."""
        source = BUILD / f"many-{functions}.c"
        rows = ",".join(f'STEPD_FUNCTION(.id = "f{i}", .event = "many/{i}", .run = nothing)' for i in range(functions))
        text = ("#include <stepd/stepd.h>\nstatic enum stepd_status nothing(struct stepd_ctx *ctx) { (void)ctx; return STEPD_OK; }\n"
                f'STEPD_MODULE(.name = "many", .functions = STEPD_FUNCTIONS({rows}));\n')
        if not source.exists():
            BUILD.mkdir(parents=True, exist_ok=True)
            source.write_text(text)
        return self.module(source)


def this_build():
    return Program(STEPD, ROOT)


def build_of(commit):
    """The same of another commit, built once from its tree in git."""
    tree = BUILD / f"stepd-{run('git', 'rev-parse', '--short', commit + '^{commit}', cwd=ROOT)[0].strip()}"
    stepd = tree / "build/release/bin/stepd"
    if not stepd.exists():
        tree.mkdir(parents=True, exist_ok=True)
        run("sh", "-c", f"git archive {commit} | tar -x -C {tree}", cwd=ROOT)
        run("cmake", "--preset", "release", cwd=tree)
        run("cmake", "--build", "--preset", "release", "--target", "stepd", cwd=tree)
    return Program(stepd, tree)


def once(folder, *steps):
    """A peer's folder under build/bench, made by commands that fetch and build it, unless it is newer than the peer."""
    source, target = HERE / "peers" / folder, BUILD / "peers" / folder
    if (target / "ready").exists() and (target / "ready").stat().st_mtime > max(file.stat().st_mtime for file in source.rglob("*")):
        return target
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    for words in steps:
        run(*words, cwd=target)
    (target / "ready").touch()
    return target


def bullmq():
    return ["node", once("bullmq", ["npm", "install", "--no-audit", "--no-fund"]) / "bench.js"]


def asynq():
    return [once("asynq", ["go", "build", "-o", "bench", "."]) / "bench"]


def dramatiq():
    return in_environment("dramatiq")


def celery():
    return in_environment("celery")


def kafkajs():
    return ["node", once("kafkajs", ["npm", "install", "--no-audit", "--no-fund"]) / "bench.js"]


class App:
    """A Node.js process of Inngest's SDK (3: 3.54.2, 4: 4.24.0) with one function, and what it says of itself."""

    def __init__(self, kind, version, http):
        self.port, self.counts_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/inngest"
        folder = once("inngest", ["npm", "install", "--no-audit", "--no-fund"])
        words = ["node", folder / "app.mjs", self.port, kind, version, self.counts_port]
        self.process = subprocess.Popen(list(map(str, words)), env={**os.environ, "INNGEST_DEV": f"http://{http}"},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def counts(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.counts_port}/counts", timeout=60) as answer:
            return json.loads(answer.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def in_environment(name):
    """A peer in Python, with an environment of its own."""
    folder = once(name, [sys.executable, "-m", "venv", "env"], ["env/bin/pip", "install", "-q", "-r", "requirements.txt"])
    return [folder / "env/bin/python", folder / "bench.py"]


def confluent_kafka():
    return in_environment("confluent-kafka")


def parallel_consumer():
    folder = once("parallel-consumer", ["mvn", "-B", "-q", "compile", "dependency:build-classpath", "-Dmdep.outputFile=classpath"])
    return ["java", "-Xmx2g", "-cp", f"{folder}/target/classes:{(folder / 'classpath').read_text().strip()}", "Bench"]


class Redis:
    """A private redis-server, as the shipped redis.conf has it."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.port = free_port()
        self.process = subprocess.Popen(["redis-server", ROOT / "config/redis.conf", "--port", str(self.port), "--dir", folder],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 10
        while "PONG" not in self.ask("PING"):
            if time.monotonic() > end:
                raise CantBeHad("redis-server does not answer")
            time.sleep(0.02)

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True).stdout

    def info(self, name):
        return float(next(line.split(":")[1] for line in self.ask("INFO").splitlines() if line.startswith(name + ":")))

    def cpu_s(self):
        return self.info("used_cpu_sys") + self.info("used_cpu_user")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Relay:
    """Stands before a server, as if it were so far away."""

    def __init__(self, server, round_trip_ms):
        words = [compile_c(HERE / "floor/relay.c"), server.port, round(round_trip_ms * 1000 / 2)]
        self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Daemon:
    """One stepd with these functions of modules/, and the file in which they count. `limits`: of its functions, by id; `calls`: of
    those that `use: http`."""

    def __init__(self, bench, folder, redis, topic, functions, group=None, http=None, limits=None, calls=None, **settings):
        folder.mkdir(parents=True)
        self.folder, self.http = folder, f"127.0.0.1:{free_port()}" if http is None else http  # "": none
        modules = [name for name, its in FUNCTIONS.items() if name == "bench" or not set(its).isdisjoint(functions)]
        unasked = [function for module in modules for function in FUNCTIONS[module] if function not in functions]
        config = {
            "kafka": {"bootstrap.servers": bench.kafka, "group.id": group or f"stepd-{os.urandom(4).hex()}", "auto.offset.reset": "earliest"},
            "topics": [topic],
            "redis": {"url": f"redis://127.0.0.1:{redis.port}/0"},
            "http": {"listen": self.http, **(calls or {})},
            "log": {"level": "error", "format": "text"},
            "functions": {**{name: {"enabled": False} for name in unasked}, **(limits or {})},
            "options": {name: {"file": str(folder / "counts")} for name in modules},
            **settings,
            "modules": [bench.program.module(MODULES / f"{name}.c") for name in modules] + settings.get("modules", []),
        }
        (folder / "stepd.yaml").write_text(json.dumps(config))
        if not bench.program.stepd.exists():
            raise CantBeHad(f"no {bench.program.stepd}: cmake --workflow --preset release")
        self.started = time.monotonic()
        self.process = subprocess.Popen([bench.program.stepd, "--config", folder / "stepd.yaml"], stdout=open(folder / "out", "wb"),
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.counts = None

    def log(self):
        return (self.folder / "out").read_text(errors="replace")[-400:]

    def check(self):
        if self.process.poll() is not None:
            raise CantBeHad(f"stepd ended: {self.log()}")

    def seen(self):
        if self.counts is None:
            path = self.folder / "counts"
            if not path.exists() or path.stat().st_size <= SAMPLES_AT + 128:
                return 0
            with open(path, "rb") as file:
                self.counts = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return sum(memoryview(self.counts)[:SLOTS * 64].cast("Q")[::SLOT_WORDS].tolist())

    def sample_count(self):
        self.seen()
        return int.from_bytes(self.counts[SAMPLES_AT:SAMPLES_AT + 8], "little")

    def samples_ms(self, first=0):
        """From that one on, in order of size."""
        count = self.sample_count()
        values = memoryview(self.counts)[SAMPLES_AT + 64 + 4 * first:SAMPLES_AT + 64 + 4 * count].cast("i").tolist()
        return sorted(value / 1000 for value in values)

    def set_broken(self, is_broken):
        """What `charge` of modules/bench.c sees."""
        with open(self.folder / "counts", "r+b") as file:
            file.seek(SAMPLES_AT + 16)
            file.write(int(is_broken).to_bytes(8, "little"))

    def wait_for(self, count, seconds=LONGEST_S):
        """Until that many were seen; the seconds from the first one on."""
        begun, end = None, time.monotonic() + seconds
        while True:
            seen = self.seen()
            now = time.monotonic()
            if begun is None and seen > 0:
                begun = now
            if seen >= count:
                return now - begun
            if now > end:
                raise CantBeHad(f"{seen} of {count} within {seconds} s: {self.log()}")
            self.check()
            time.sleep(POLL_S)

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://{self.http}/readyz", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait_ready(self):
        """Seconds since it was started."""
        while not self.is_ready():
            self.check()
            if time.monotonic() - self.started > 60:
                raise CantBeHad(f"not ready within 60 s: {self.log()}")
            time.sleep(POLL_S)
        return time.monotonic() - self.started

    def metric(self, name, function):
        """Of one function, whatever its other labels; 0 while it is not there."""
        try:
            with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=10) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name + "{") and f'function="{function}"' in line)

    def ctl(self, *words):
        return run(STEPD.parent / "stepctl", "--json", "--config", self.folder / "stepd.yaml", *words)[0]

    def resident_mb(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """CPU seconds of its whole life."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Bench:
    """One real Kafka for all, and the topics that are filled once."""

    def __init__(self, folder, options):
        self.folder, self.options, self.filled, self.number = folder, options, {}, 0

    def __enter__(self):
        self.kafka = run(KAFKA_SERVER, "start", self.folder / "kafka")[0].strip()
        try:
            self.program = this_build()
            self.fill_program = compile_c(HERE / "floor/fill.c", "-lrdkafka")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run([KAFKA_SERVER, "stop", self.folder / "kafka"])

    def fresh(self, name):
        self.number += 1
        return self.folder / f"{name}-{self.number}"

    def fresh_topic(self, partitions=4):
        self.number += 1
        return self.create_topic(f"bench-{self.number}", partitions)

    def create_topic(self, topic, partitions):
        run(compile_c(HERE / "floor/topic.c", "-lrdkafka"), self.kafka, topic, partitions)
        return topic

    def topic_of(self, count, size=EVENT_SIZE, keys=KEYS, partitions=4, form="json", messages=None):
        """A topic that holds `count` events already, and a Kafka that has been read before: its first seconds are slow."""
        kind = (count, size, keys, partitions, form)
        if kind not in self.filled:
            topic = self.fresh_topic(partitions)
            self.fill(topic, count, "bench/event", size, keys, form)
            for _ in range(WARM_UPS):
                run(compile_c(HERE / "floor/loop.c", "-lrdkafka"), self.kafka, topic, messages or count, 0)
            self.filled[kind] = topic
        return self.filled[kind]

    def fill(self, topic, count, name, size=EVENT_SIZE, keys=KEYS, form="json"):
        run(self.fill_program, self.kafka, topic, count, 0, name, size, keys, form)

    def produce_steadily(self, topic, count, rate_per_s, name="bench/timed"):
        words = (self.fill_program, self.kafka, topic, count, rate_per_s, name, EVENT_SIZE, KEYS, "json")
        return subprocess.Popen([str(word) for word in words])
