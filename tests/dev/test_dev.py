#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`stepd dev` as its user meets it. Usage: test_dev.py PROGRAM, the program of fake_daemon.c."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "fake_daemon"
FREE_PORTS = ["--kafka-port", "0", "--redis-port", "0", "--http-port", "0"]
PATIENCE_S = 60


def children(pid):
    out = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    return [int(x) for x in out.split()]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait(condition, seconds=PATIENCE_S):
    end = time.time() + seconds
    while time.time() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Dev:
    def __init__(self, folder, *args, what="", ports=FREE_PORTS, path=None):
        self.log = os.path.join(tempfile.mkdtemp(), "log")
        env = {**os.environ, "FAKE_DAEMON": what, "PATH": path or os.environ["PATH"]}
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([PROGRAM, "dev", "--data", folder, *ports, *args],
                                            stdout=log, stderr=log, env=env, start_new_session=True)

    def text(self):
        with open(self.log) as log:
            return log.read()

    def ready(self):
        wait(lambda: "stepd dev ready" in self.text() or self.process.poll() is not None)
        line = re.search(r"^stepd dev ready kafka=(\S+) redis=(\S+) http=(\S+) config=(.+)$", self.text(), re.M)
        assert line, self.text()
        return line.groups()

    def end(self, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.process.wait(PATIENCE_S)


class TestDev(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.folder = os.path.join(self.temp.name, "some where")
        self.devs = []

    def tearDown(self):
        for dev in self.devs:
            dev.end(signal.SIGKILL)
        time.sleep(0.2)
        self.temp.cleanup()

    def dev(self, *args, **more):
        self.devs.append(Dev(self.folder, *args, **more))
        return self.devs[-1]

    def test_starts_all_and_ends_all(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            dev = self.dev("--module", "m.so", "--retry-interval", "200ms")
            kafka, redis, http, config = dev.ready()
            self.assertEqual(config, os.path.realpath(self.folder) + "/stepd.yaml")
            below = children(dev.process.pid)
            self.assertEqual(len(below), 2)
            port = redis.rsplit(":", 1)[1]
            for name, value in (("appendonly", "yes"), ("maxmemory-policy", "noeviction"),
                                ("zset-max-listpack-value", "512"), ("hash-max-listpack-value", "512")):
                got = subprocess.run(["redis-cli", "-p", port, "config", "get", name], capture_output=True, text=True)
                self.assertEqual(got.stdout.split(), [name, value])
            with open(config) as file:
                text = file.read()
            for line in (f"bootstrap.servers: {kafka}", f"url: redis://{redis}/0", f"listen: {http}", "history: all",
                         "format: dev", "- 200ms", "jitter: 0", "- events", f"- {os.getcwd()}/m.so"):
                self.assertIn(line, text)
            self.assertEqual(dev.end(sig), 0)
            self.assertFalse(any(is_alive(pid) for pid in below))

    def test_its_broker_answers_kcat(self):
        kafka, *_ = self.dev("--topic", "orders").ready()
        kcat = ["kcat", "-q", "-b", kafka]
        subprocess.run([*kcat, "-P", "-t", "orders", "-k", "ada", "-H", "a=b"], input="hello", text=True, check=True, timeout=PATIENCE_S)
        for topic, partitions in (("orders", 1), ("orders.dead", 1)):
            seen = subprocess.run([*kcat, "-L", "-t", topic], capture_output=True, text=True, timeout=PATIENCE_S).stdout
            self.assertIn(f'topic "{topic}" with {partitions} partitions', seen)
            self.assertIn(f"broker 1 at {kafka}", seen)
        for mode in (["-C", "-t", "orders"], ["-X", "auto.offset.reset=earliest", "-G", "some", "orders"]):
            got = subprocess.run([*kcat, "-c", "1", "-f", "%k %s %h", *mode], capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(got.stdout, "ada hello a=b")

    def test_a_crash_is_said_and_the_daemon_started_again(self):
        dev = self.dev(what="crash")
        dev.ready()
        self.assertTrue(wait(lambda: "ready again" in dev.text()), dev.text())
        self.assertIn("the daemon was killed by SIGSEGV", dev.text())
        self.assertEqual(dev.end(), 0)

    def test_redis_is_started_again(self):
        dev = self.dev()
        _, redis, *_ = dev.ready()
        port = redis.rsplit(":", 1)[1]
        ping = lambda: subprocess.run(["redis-cli", "-p", port, "ping"], capture_output=True).stdout == b"PONG\n"
        pid = int(re.search(r"process_id:(\d+)", subprocess.run(["redis-cli", "-p", port, "info"], capture_output=True,
                                                                 text=True).stdout).group(1))
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait(lambda: "the redis-server was killed" in dev.text()))
        self.assertTrue(wait(ping))
        self.assertEqual(dev.end(), 0)

    def test_valkey_serves_where_there_is_no_redis(self):
        path = tempfile.mkdtemp()
        os.symlink(shutil.which("redis-server"), os.path.join(path, "valkey-server"))
        dev = self.dev(path=path)
        dev.ready()
        self.assertEqual(dev.end(), 0)

    def test_without_redis_and_valkey_it_says_what_to_install(self):
        dev = self.dev(path=tempfile.mkdtemp())
        self.assertTrue(wait(lambda: dev.process.poll() is not None))
        self.assertIn("no redis-server or valkey-server found", dev.text())

    def test_a_module_that_changed_starts_the_daemon_anew(self):
        modules = os.path.join(self.temp.name, "modules")
        os.mkdir(modules)
        single = os.path.join(self.temp.name, "single.so")
        def write(path, text, by_rename=False):
            target = path + ".new" if by_rename else path
            with open(target, "w") as file:
                file.write(text)
            os.replace(target, path)
        write(single, "one")
        with open(os.path.join(self.temp.name, "user.yaml"), "w") as config:
            config.write("modules: [modules]\n")
        dev = self.dev("--watch", "--module", single, "--config", config.name)
        dev.ready()
        renewed = lambda count: wait(lambda: dev.text().count("ready again") == count)
        write(single, "two")
        self.assertTrue(renewed(1), dev.text())
        write(single, "three", by_rename=True)
        self.assertTrue(renewed(2), dev.text())
        write(os.path.join(modules, "new.so"), "new")
        self.assertTrue(renewed(3), dev.text())
        write(os.path.join(modules, "notes.txt"), "no module")
        os.remove(single)
        time.sleep(1)
        self.assertEqual(dev.text().count("ready again"), 3)
        self.assertEqual(dev.text().count("a module changed"), 3)
        self.assertNotIn("started again in", dev.text())
        self.assertEqual(dev.end(), 0)

    def test_a_module_that_is_refused_is_waited_for(self):
        module = os.path.join(self.temp.name, "m.so")
        with open(module, "w") as file:
            file.write("bad")
        dev = self.dev("--watch", "--module", module, what="refuse-once")
        self.assertTrue(wait(lambda: "when a module changes" in dev.text()), dev.text())
        with open(module, "w") as file:
            file.write("good")
        dev.ready()
        self.assertEqual(dev.end(), 0)

    def test_a_refused_config_ends_it_with_78(self):
        user = os.path.join(self.temp.name, "user.yaml")
        with open(user, "w") as file:
            file.write("history: none\n")
        dev = self.dev("--config", user, what="refuse")
        self.assertEqual(dev.process.wait(PATIENCE_S), 78)
        self.assertIn(f"its config is made of {user}", dev.text())

    def test_children_die_with_it(self):
        dev = self.dev(what="stuck")
        dev.ready()
        below = children(dev.process.pid)
        dev.end(signal.SIGKILL)
        self.assertTrue(wait(lambda: not any(is_alive(pid) for pid in below)))

    def test_one_folder_has_one(self):
        dev = self.dev()
        dev.ready()
        second = self.dev()
        self.assertEqual(second.process.wait(PATIENCE_S), 1)
        self.assertIn(f"another `stepd dev` (process {dev.process.pid}) uses", second.text())
        self.assertIn("--data DIR", second.text())

    def test_a_port_in_use_is_said_with_its_remedy(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for option in ("kafka", "redis", "http"):
                dev = self.dev(f"--{option}-port", str(port))
                self.assertEqual(dev.process.wait(PATIENCE_S), 1)
                self.assertIn(f"port {port} ", dev.text())
                self.assertIn(f"--{option}-port N", dev.text())

    def test_a_users_config_is_merged(self):
        user = os.path.join(self.temp.name, "user.yaml")
        with open(user, "w") as file:
            file.write("topics: [orders]\nmodules: [lib/a.so]\nkafka: {bootstrap.servers: x, ssl.ca.location: y}\n"
                       "retry: {retries: 9}\nfunctions: {tell: {use: http, url: 'https://x/${TOKEN}'}}\n")
        dev = self.dev("--config", user, "--retry-interval", "1s")
        *_, config = dev.ready()
        with open(config) as file:
            text = file.read()
        for line in ("- orders", f"- {self.temp.name}/lib/a.so", "retries: 9", "- 1s", "https://x/${TOKEN}"):
            self.assertIn(line, text)
        self.assertNotIn("ssl.ca", text)
        self.assertNotIn("- events", text)

    def test_wrong_command_lines(self):
        for args, said in ((["--port", "1"], "--help"), (["m.so"], "--module"), (["--kafka-port", "x"], "0 to 65535"),
                           (["--retry-interval", "soon"], "200ms")):
            dev = self.dev(*args)
            self.assertEqual(dev.process.wait(PATIENCE_S), 64)
            self.assertIn(said, dev.text())
        self.assertEqual(self.dev("--help").process.wait(PATIENCE_S), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
