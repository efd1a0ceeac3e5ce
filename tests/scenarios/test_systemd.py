# SPDX-License-Identifier: Apache-2.0
"""The packages in a fresh Debian, and the installed unit under a real systemd, over a real Kafka.

Where there can be no such machine (not root, a container that may not make one) all of it is skipped, as
"no machine here: …", which scripts/test lets pass and shows."""
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from machine import CantBeHad, Machine, build_packages
from support import ROOT, eventually, free_port, IS_SANITIZED

pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="packages are not sanitized: tried with another build")
MODULE = (ROOT / "tests/scenarios/modules/machine.c").read_text()
PASSWORD = "hunter2-of-redis"
PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(machine LANGUAGES C)
find_package(stepd 0.1 REQUIRED COMPONENTS testing)
enable_testing()
stepd_add_module(machine machine.c)
stepd_add_module_test(machine_test machine machine_test.c)
"""
TEST = """\
#undef NDEBUG
#include <assert.h>
#include <stepd/testing.h>

int main(void)
{
    struct stepd_test *test = stepd_test_create(&stepd_module);
    struct stepd_test_run *run = stepd_test_start(test, "greet", STEPD_TEST_EVENT(.data = "{name: Ada}"));

    assert(stepd_test_finish(run) == STEPD_TEST_COMPLETED);
    stepd_test_destroy(test);
    return 0;
}
"""
# Sooner than in earnest; a stop gets longer only by what the daemon asks for.
DROP_IN = "[Unit]\nStartLimitBurst=4\n[Service]\nWatchdogSec=10\nRestartSec=500ms\nTimeoutStopSec=5\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory, request):
    """A Debian with the packages installed, not booted."""
    with ThreadPoolExecutor() as pool:
        packages = pool.submit(build_packages)
        try:
            machine = Machine(tmp_path_factory.mktemp("machine"), ("redis-server", "gcc", "libc6-dev", "cmake", "make"))
        except CantBeHad as why:
            packages.result()
            pytest.skip(f"no machine here: {why}")
    try:
        machine.install(packages.result())
        yield machine
    finally:
        machine.halt()
        if not request.config.getoption("--keep"):
            machine.remove()


class Service:
    """The booted machine, and its stepd on a topic of its own."""

    def __init__(self, machine, kafka):
        self.machine, self.http, self.redis = machine, free_port(), free_port()
        self.settings = {
            "kafka": {"bootstrap.servers": kafka.address, "auto.offset.reset": "earliest", "allow.auto.create.topics": "true",
                      "group.id": f"machine-{os.urandom(3).hex()}"},
            "topics": [f"machine-{os.urandom(3).hex()}"],
            "redis": {"url": f"redis://:${{CREDENTIAL:stepd.redis}}@127.0.0.1:{self.redis}/0"},
            "modules": [machine.change("pkg-config", "--variable=moduledir", "stepd").strip()],
            "history": "all",
            "worker": {"threads": 4},
            "http": {"listen": f"127.0.0.1:{self.http}"},
        }
        self.configure()
        redis = (machine.root / "etc/stepd/redis.conf").read_text().replace("port 6379", f"port {self.redis}")
        machine.write("/etc/stepd/redis.conf", f"{redis}\nrequirepass {PASSWORD}\n")
        machine.write("/etc/credstore/stepd.redis", PASSWORD + "\n", 0o600)
        for unit in ("stepd.service", "stepd@.service"):
            machine.write(f"/etc/systemd/system/{unit}.d/test.conf", DROP_IN)

    def configure(self, path="/etc/stepd/stepd.yaml", **changes):
        self.machine.write(path, json.dumps({**self.settings, **changes}, indent=2) + "\n")

    def ctl(self, *words):
        return self.machine.run_in("stepctl", *words)

    def runs(self, function, status):
        return [run for run in json.loads(self.ctl("--json", "runs", "--function", function)) if run["status"] == status]

    def wait_for(self, function, status, seconds=60):
        return eventually(lambda: self.runs(function, status), seconds, what=lambda: self.machine.journal("stepd")[-3000:])

    def metrics(self):
        return self.machine.run_in("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self.http}; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3")

    def restarts(self, unit="stepd"):
        return int(self.machine.show(unit, "NRestarts"))


@pytest.fixture(scope="module")
def service(installed, kafka):
    installed.write("/src/machine.c", MODULE)
    installed.write("/src/machine_test.c", TEST)
    installed.write("/src/CMakeLists.txt", PROJECT)
    installed.change("sh", "-c", "cd /src && cmake -S . -B build -DCMAKE_INSTALL_PREFIX=/usr && cmake --build build && "
                                 "ctest --test-dir build && cmake --install build")
    service = Service(installed, kafka)
    try:
        installed.boot()
    except CantBeHad as why:
        pytest.skip(f"no machine here: {why}")
    return service


@pytest.fixture(scope="module")
def instance(service):
    """A second daemon, on a topic of its own."""
    service.configure("/etc/stepd/other/stepd.yaml", http={"listen": ""}, topics=[f"other-{os.urandom(3).hex()}"],
                      kafka={**service.settings["kafka"], "group.id": f"other-{os.urandom(3).hex()}"},
                      redis={**service.settings["redis"], "prefix": "other"})
    service.machine.run_in("systemctl", "start", "stepd@other")
    return "stepd@other"


@pytest.fixture(scope="module")
def hung(service, instance):
    """The same with a main thread that hangs. That takes half a minute to be noticed, in which other tests go on."""
    machine = service.machine
    machine.hang_main_thread(machine.show(instance, "MainPID"))
    return instance


def test_the_packages_lay_everything_where_it_belongs(installed):
    for path in ("usr/bin/stepd", "usr/bin/stepctl", "usr/include/stepd/stepd.h", "etc/stepd/stepd.yaml", "usr/lib/systemd/system/stepd@.service",
                 "usr/share/man/man8/stepd.8", "usr/share/man/man3/stepd_step_run.3", "usr/share/bash-completion/completions/stepctl",
                 "usr/share/stepd/alerts.yaml"):
        assert list((installed.root / path).parent.glob((installed.root / path).name + "*")), path
    assert "stepd" in installed.change("getent", "passwd", "stepd")
    installed.change("stepd", "--check")


def test_a_module_is_built_with_pkg_config(installed):
    installed.write("/src/machine.c", MODULE)
    said = installed.change("sh", "-c", "cc -shared -fPIC -Wall -Werror -o /tmp/machine.so /src/machine.c $(pkg-config --cflags stepd) 2>&1")
    assert said == ""


def test_an_event_is_done_and_seen_from_a_fresh_install(service):
    machine = service.machine
    machine.run_in("systemctl", "start", "stepd-redis", "stepd")
    service.ctl("send", "user/came", '{"name": "Ada"}')
    (run,) = service.wait_for("greet", "completed")
    assert run["output"] == "Ada"
    assert run["id"][:8] in service.ctl("runs")
    eventually(lambda: re.search(r'^stepd_runs_completed_total\{function="greet"\} 1$', service.metrics(), re.M), what=service.metrics)


def test_it_is_ready_once_it_has_joined_and_says_what_it_does(service):
    machine = service.machine
    assert machine.show("stepd", "ActiveState") == "active"
    eventually(lambda: machine.show("stepd", "StatusText").startswith("ready: "), 20)
    assert re.search(r"partitions assigned: [1-9].*\n(.*\n)*ready: ", machine.journal("stepd"))


def test_it_runs_in_its_box(service):
    machine = service.machine
    pid = machine.outside(machine.show("stepd", "MainPID"))
    status = open(f"/proc/{pid}/status").read()
    assert re.search(r"^Uid:\t(?!0\t)", status, re.M)
    assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^NoNewPrivs:\t1$", status, re.M)
    assert re.search(r"^Seccomp:\t2$", status, re.M)
    assert list((machine.root / "var/lib/private/stepd").glob("journal-machine-*"))


def test_no_secret_gets_out(service):
    machine = service.machine
    assert PASSWORD not in machine.run_in("journalctl", "--no-pager", "-o", "json")
    assert PASSWORD not in service.metrics() + service.ctl("doctor")
    pid = machine.outside(machine.show("stepd", "MainPID"))
    assert PASSWORD.encode() not in open(f"/proc/{pid}/cmdline", "rb").read() + open(f"/proc/{pid}/environ", "rb").read()


def test_an_instance_has_a_config_and_folders_of_its_own(service, instance):
    machine = service.machine
    assert machine.show(instance, "ActiveState") == machine.show("stepd", "ActiveState") == "active"
    assert machine.show(instance, "MainPID") != machine.show("stepd", "MainPID")
    assert list((machine.root / "var/lib/private/stepd-other").glob("journal-*"))


def test_a_reload_takes_over_what_it_can_and_refuses_what_is_broken(service):
    machine = service.machine
    pid = machine.show("stepd", "MainPID")
    service.configure(functions={"greet": {"retries": 7}})
    machine.run_in("systemctl", "reload", "stepd")
    eventually(lambda: "now in force: functions.greet.retries" in machine.journal("stepd"), what=lambda: machine.journal("stepd"))
    machine.write("/etc/stepd/stepd.yaml", "topics: [events\n")
    machine.run_in("systemctl", "reload", "stepd")
    eventually(lambda: "the daemon keeps the old one" in machine.journal("stepd"))
    service.configure()
    machine.wait_active("stepd")
    assert machine.show("stepd", "MainPID") == pid


def test_a_handler_that_crashes_is_counted_and_buried(service, hung):
    before = service.restarts()
    service.ctl("send", "job/crash")
    (run,) = service.wait_for("crash", "failed", 120)
    assert run["error"]["name"] == "HandlerCrashed"
    assert service.restarts() == before + 2  # both attempts
    service.machine.wait_active("stepd")


def test_a_stop_waits_for_what_runs_longer_than_systemd_would(service):
    machine = service.machine
    service.ctl("send", "job/slow")
    eventually(lambda: "1 events in flight" in machine.show("stepd", "StatusText"), 30)
    machine.run_in("systemctl", "stop", "stepd")
    assert machine.show("stepd", "Result") == "success"
    assert len(service.runs("slow", "completed")) == 1


def test_a_wrong_config_is_not_tried_for_ever(service):
    machine = service.machine
    machine.write("/etc/stepd/stepd.yaml", "topics: [events]\nworker: {thraeds: 3}\n")
    assert machine.try_in("systemctl", "start", "stepd").returncode != 0
    eventually(lambda: machine.show("stepd", "ActiveState") == "failed", 60)
    assert "did you mean 'threads'?" in machine.journal("stepd")


def test_a_hung_thread_is_found_and_the_watchdog_ends_it(service, hung):
    machine = service.machine
    eventually(lambda: service.restarts(hung) > 0, 120, what=lambda: machine.journal(hung)[-3000:])
    assert "thread 'main' has not moved for" in machine.journal(hung)
    machine.wait_active(hung)
