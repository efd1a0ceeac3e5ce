# SPDX-License-Identifier: Apache-2.0
"""The container image under podman, in a Debian of its own that has it: loaded and built, run as docs/kubernetes.md says, and restarted by podman
when a module crashes. By hand, as root: `pytest tests/scenarios/podman_image.py`."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from machine import debian_release, debian_sources
from support import ROOT, SLOWER, eventually
from test_container import Container, image  # noqa: F401

# podman wants processes, devices, and control groups of the newer kind (mixed with the older it refuses them); its `exec` wants that root to be
# the name space's own, not one that was changed into.
HOST = """
cd "$1" && mount --bind . . && cd "$1" && mount -t proc proc proc && mount --rbind /dev dev && mount -t sysfs sysfs sys || exit 99
mount -t cgroup2 cgroup2 sys/fs/cgroup && mount -t tmpfs tmpfs run && mount --bind "$2" mnt && mkdir old && pivot_root . old || exit 99
exec chroot . sh -c 'umount -l /old && exec sleep infinity'
"""
PROXIES = [file for file in Path("/etc/apt/apt.conf.d").glob("*proxy*")]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
               "DISABLE_HC_SYSTEMD": "true"}  # there is none to ask for a container's health by a timer


def make_root(root, *packages):
    include = [f"--include={','.join(packages)}"] if packages else []
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io", *include, debian_release(), root, *debian_sources()],
                   check=True, timeout=900 * SLOWER)
    for file in ["/etc/resolv.conf", "/etc/hosts", *PROXIES]:
        if os.path.exists(file):
            shutil.copy(file, f"{root}{file}")


class Host:
    """`shared` is its /mnt."""

    def __init__(self, folder):
        self.root, self.shared = folder / "root", folder / "shared"
        self.shared.mkdir()
        make_root(self.root, "podman", "crun", "ca-certificates")
        self.process = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", HOST, "sh", self.root, self.shared])
        eventually(lambda: self.first() and Path(f"/proc/{self.first()}/comm").read_text() == "sleep\n", 30)

    def first(self):
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().strip()

    def podman(self, *words, seconds=120):
        """What it says; it has to work."""
        done = subprocess.run(["nsenter", "-t", self.first(), "-m", "-p", "-r", "-w", "podman", "--storage-driver", "vfs", "--runtime", "crun", *map(str, words)],
                              capture_output=True, text=True, env=ENVIRONMENT, timeout=seconds * SLOWER)
        assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
        return done.stdout.strip()


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    folder = tmp_path_factory.mktemp("host")
    made = Host(folder)
    yield made
    made.process.kill()
    made.process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def loaded(host, image):  # noqa: F811
    shutil.copy(image.archive, host.shared / "stepd.tar")
    host.podman("load", "-i", "/mnt/stepd.tar")
    return "localhost/stepd:latest"


@pytest.fixture(scope="module")
def built(host, image):  # noqa: F811
    """By the Containerfile, on a base that comes from no registry."""
    base, source = host.shared / "base", host.shared / "source"
    make_root(base)
    subprocess.run(["tar", "--exclude=./dev/*", "-C", base, "-cf", host.shared / "base.tar", "."], check=True)
    host.podman("import", "/mnt/base.tar", f"docker.io/library/debian:{debian_release()}-slim")
    shutil.copytree(ROOT / "packaging", source / "packaging")
    shutil.copytree(ROOT / "build/package/packages", source / "build/package/packages", ignore=shutil.ignore_patterns("_CPack*"))
    # What a host that may not raise limits, nor nest its own containers, needs besides.
    host.podman("build", "--isolation", "chroot", "--network", "host", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=10000:10000", "--format", "docker",
                "-f", "/mnt/source/packaging/container/Containerfile", "-t", "stepd:built", "/mnt/source", seconds=900)
    return "localhost/stepd:built"


def run_in(host, name, container):
    """A container of it, as docs/kubernetes.md says; the name."""
    shutil.copytree(container.volumes[1], host.shared / "modules", dirs_exist_ok=True)
    shutil.copytree(container.volumes[2], host.shared / "drop-ins", dirs_exist_ok=True)
    variables = [word for word in container.words if word.startswith(("KAFKA_", "REDIS_", "STEPD_"))]
    host.podman("run", "-d", "--name", "tried", "--network", "host", "--cgroups", "disabled", "--read-only", "--cap-drop", "all", "--security-opt",
                "no-new-privileges", "--restart", "always", "--tmpfs", "/tmp", "-v", "stepd-state:/var/lib/stepd", "-v", "/mnt/modules:/modules:ro",
                "-v", "/mnt/drop-ins:/etc/stepd/conf.d:ro", *[word for each in variables for word in ("-e", each)], name)
    eventually(container.is_ready, 60, what=lambda: host.podman("logs", "tried"))


@pytest.mark.parametrize("source", ["loaded", "built"])
def test_podman_runs_it_restarts_what_crashed_and_stops_it(source, request, host, image, folder, kafka, redis, topic, module):  # noqa: F811
    name = request.getfixturevalue(source)
    container = Container(folder / "container", image, kafka, redis, topic, module("crashing"))
    run_in(host, name, container)
    try:
        (about,) = json.loads(host.podman("inspect", "tried"))
        assert about["Config"]["User"] == "10001:10001" and about["EffectiveCaps"] in (None, [])
        host.podman("healthcheck", "run", "tried")
        kafka.send("crash/once", topic=topic)
        (run,) = container.wait_for("crash-once", "completed", seconds=120)
        assert [attempt["error"]["name"] for attempt in container.show(run["id"])["attempts"] if attempt.get("error")] == ["HandlerCrashed"]
        assert int(host.podman("inspect", "-f", "{{.RestartCount}}", "tried")) == 1
        host.podman("stop", "-t", "30", "tried")
        assert host.podman("inspect", "-f", "{{.State.ExitCode}}", "tried") == "0"
    finally:
        host.podman("rm", "-f", "tried")
        host.podman("volume", "rm", "stepd-state")
