# SPDX-License-Identifier: Apache-2.0
"""The question about `use: http`: calls to servers that answer at once, and to those that take their time."""
import json
import subprocess
import time
import urllib.request

import contenders
from contenders import HERE, CantBeHad, Daemon, Redis, compile_c, measured

AT_ONCE = 32          # calls under way to a server that answers at once, as stepd has them
UNDER_WAY, ANSWER_MS = 5000, 1000
READ_SIZE = 1024      # of stepd's calls (handlers/http)
SETTLED_S = 3         # from then on as many calls begin as end


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


class Nginx:
    """Answers 200 at once, and says how many requests it has had."""

    def __init__(self, folder):
        folder.mkdir(parents=True)
        self.port = contenders.free_port()
        paths = "".join(f"{kind}_temp_path {folder}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"""
            daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
            events {{ worker_connections 10000; }}
            http {{
                access_log off; keepalive_requests 100000000; {paths}
                server {{
                    listen 127.0.0.1:{self.port} backlog=4096;
                    location / {{ return 200 "ok"; }}
                    location = /status {{ stub_status; }}
                }}
            }}""")
        self.process = subprocess.Popen(["nginx", "-e", folder / "errors", "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL)
        self.asked = 0
        end = time.monotonic() + 10
        while not self.is_there():
            if time.monotonic() > end or self.process.poll() is not None:
                raise CantBeHad("nginx does not answer")
            time.sleep(0.02)

    def is_there(self):
        try:
            return self.seen() == 0
        except OSError:
            return False

    def seen(self):
        requests = int(ask(self.port, "/status").split("requests")[1].split()[2])
        self.asked += 1
        return requests - self.asked

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Slow:
    """Answers each call a second later, and says how many wait."""

    def __init__(self):
        words = [compile_c(HERE / "floor/slow.c"), str(ANSWER_MS)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def under_way(self):
        return int(ask(self.port, "/"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def caller(bench, redis, topic, port, **settings):
    functions = {"call": {"use": "http", "event": "bench/event", "url": f"http://127.0.0.1:{port}/", "timeout": "30s"}}
    return Daemon(bench, bench.fresh("stepd"), redis, topic, [], limits=functions, **settings)


def instant(count_of):
    def measure(bench):
        count = count_of(bench.options)
        with Nginx(bench.fresh("nginx")) as nginx, Redis(bench.fresh("redis")) as redis, \
                caller(bench, redis, bench.topic_of(count), nginx.port) as daemon:
            end, first = time.monotonic() + contenders.LONGEST_S, 0
            while (seen := nginx.seen()) < count:
                daemon.check()
                if time.monotonic() > end:
                    raise CantBeHad(f"{seen} of {count} calls: {daemon.log()}")
                if first == 0 and seen > 0:
                    first, begun, begun_s = seen, time.monotonic(), daemon.cpu_s()
                time.sleep(0.02)
            if seen == first:
                raise CantBeHad("too few calls to see any of them: more --jobs")
            return contenders.rate({"events": seen - first, "seconds": time.monotonic() - begun}, daemon.cpu_s() - begun_s)
    return measure


def instant_loop(count_of):
    def measure(bench):
        with Nginx(bench.fresh("nginx")) as nginx:
            program = compile_c(HERE / "floor/calls.c", "-lcurl")
            return measured(program, f"http://127.0.0.1:{nginx.port}/", count_of(bench.options), AT_ONCE)
    return measure


def in_time_loop(bench):
    """The memory of the same calls by libcurl alone."""
    with Slow() as server:
        program = compile_c(HERE / "floor/calls.c", "-lcurl")
        text, _ = contenders.run(program, f"http://127.0.0.1:{server.port}/", SETTLED_S * UNDER_WAY, UNDER_WAY, READ_SIZE)
        return {"resident_mb": json.loads(text)["resident_mb"]}


def behind(bench):
    """The memory of a daemon with so many calls under way, and a topic full of events that wait for their turn."""
    with Slow() as server, Redis(bench.fresh("redis")) as redis, \
            caller(bench, redis, bench.topic_of(20 * UNDER_WAY), server.port, calls={"in_flight": UNDER_WAY}) as daemon:
        most, end = 0, time.monotonic() + 60
        while most < UNDER_WAY:
            daemon.check()
            most = max(most, server.under_way())
            if time.monotonic() > end:
                raise CantBeHad(f"no more than {most} calls under way: {daemon.log()}")
            time.sleep(0.02)
        time.sleep(SETTLED_S)
        return {"resident_mb": daemon.resident_mb(), "under_way": server.under_way(), "most_under_way": most}


def in_time(bench):
    """The same where hardly fewer events come than calls can end, so that none wait for long."""
    topic = bench.fresh_topic()
    with Slow() as server, Redis(bench.fresh("redis")) as redis, \
            caller(bench, redis, topic, server.port, calls={"in_flight": UNDER_WAY}) as daemon:
        daemon.wait_ready()
        time.sleep(1)
        producer = bench.produce_steadily(topic, 3 * SETTLED_S * UNDER_WAY, UNDER_WAY * 49 // 50, "bench/event")
        try:
            most, end = 0, time.monotonic() + 2 * SETTLED_S
            while time.monotonic() < end:
                daemon.check()
                most = max(most, server.under_way())
                time.sleep(0.1)
            return {"resident_mb": daemon.resident_mb(), "under_way": server.under_way(), "most_under_way": most}
        finally:
            producer.kill()
            producer.wait()
