# SPDX-License-Identifier: Apache-2.0
"""The container image, made without a registry or a builder, and run as a container would: as process 1, not root, on a root that can't be
written, with volumes for the journal and the modules. With STEPD_IMAGE_ARCH it is another processor's, in an emulator (`scripts/test --arch arm64
image`), of the packages that were made for it; STEPD_OTHER_CC compiles modules.

Where no such root can be made (not root, no mmdebstrap) all of it is skipped, as "no machine here: …"."""
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from conftest import MODULES
from machine import build_packages
from support import IS_SANITIZED, ROOT, SLOWER, Daemon, build_module, eventually

ARCH = os.environ.get("STEPD_IMAGE_ARCH", "")
pytestmark = pytest.mark.skipif(IS_SANITIZED, reason="packages are not sanitized: tried with another build")

# What a container's runtime does: mounts, and a root that can't be written. What comes after them is process 1.
RUNTIME = """
root=$1 state=$2 modules=$3 drop_ins=$4 directory=$5 user=$6
shift 6
mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/tmp" || exit 99
mount --bind "$state" "$root/var/lib/stepd" && mount --bind "$modules" "$root/modules" || exit 99
mount --bind "$drop_ins" "$root/etc/stepd/conf.d" && mount -o remount,bind,ro "$root" || exit 99
exec chroot "$root" setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
    env -i -C "$directory" "$@"
"""


class Image:
    def __init__(self, folder):
        self.root, self.archive = folder / "root", folder / "stepd.tar"
        if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
            pytest.skip("no machine here: a root is made by root, with mmdebstrap")
        if not ARCH:
            build_packages()
        words = [ROOT / "packaging/container/image", "--root", self.root, *(["--arch", ARCH] if ARCH else []), self.archive]
        done = subprocess.run(words, capture_output=True, text=True, timeout=900 * SLOWER)
        if "mmdebstrap" in done.stderr and not ARCH:
            pytest.skip(f"no machine here: {done.stderr.strip()[-300:]}")
        assert done.returncode == 0, done.stderr
        with tarfile.open(self.archive) as tar:
            self.files = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}
        (self.manifest,) = json.loads(self.files["manifest.json"])
        self.about = json.loads(self.files[self.manifest["Config"]])
        self.config = self.about["config"]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    made = Image(tmp_path_factory.mktemp("image"))
    yield made
    shutil.rmtree(made.root, ignore_errors=True)


class Container(Daemon):
    """One container of the image: its files but the volumes are as new with each start()."""

    def __init__(self, folder, image, kafka, redis, topic, module):
        folder.mkdir()
        super().__init__(folder / "unused", kafka, redis, [])
        self.image, self.volumes = image, [folder / name for name in ("state", "modules", "drop-ins")]
        for volume in self.volumes:
            volume.mkdir()
        os.chown(self.volumes[0], *map(int, image.config["User"].split(":")))
        shutil.copy(module, self.volumes[1])
        drop_in = {"history": "all", "retry": {"schedule": ["200ms"], "jitter": "0s"}, "kafka": {"auto.offset.reset": "earliest", "allow.auto.create.topics": "true"},
                   "functions": {"leaver": {"use": "exec", "event": "leave", "command": ["sh", "-c", "setsid -f sleep 0.3; kill -SEGV $$"], "retries": 0}}}
        (self.volumes[2] / "more.yaml").write_text(json.dumps(drop_in))
        for path in (*self.volumes[1:], *self.volumes[1].iterdir(), *self.volumes[2].iterdir()):
            path.chmod(0o755)
        port = self.http.split(":")[1]
        variables = [*image.config["Env"], f"KAFKA_BROKERS={kafka.address}", f"REDIS_URL={redis.url}", f"STEPD_TOPIC={topic}", f"KAFKA_GROUP={topic}",
                     f"STEPD_PORT={port}"]
        self.words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", RUNTIME, "sh", image.root, *self.volumes,
                      image.config["WorkingDir"], image.config["User"], *variables, *image.config["Entrypoint"], *image.config["Cmd"]]
        self.words = [str(word) for word in self.words]

    def first(self):
        """Its process 1, as it is here."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def status_of(self, pid):
        return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)

    def states(self):
        """(id in it, name, state) of each process in it."""
        space, found = os.readlink(f"/proc/{self.first()}/ns/pid"), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/pid") == space:
                    status = self.status_of(folder.name)
                    found.append((int(status["NSpid"].split()[-1]), status["Name"].strip(), status["State"][0]))
            except OSError:
                continue
        return found

    def inside(self, *words):
        return subprocess.run(["nsenter", "-t", str(self.first()), "-m", "-p", "-r", *words], capture_output=True, text=True,
                              env={"STEPD_PORT": self.http.split(":")[1], "PATH": "/usr/bin:/bin"}, timeout=60 * SLOWER)


@pytest.fixture
def crashing(module, tmp_path, monkeypatch):
    """The module, for the image's processor."""
    if not ARCH:
        return module("crashing")
    monkeypatch.setenv("CC", os.environ["STEPD_OTHER_CC"])
    return build_module(MODULES / "crashing.c", tmp_path, f"--sysroot={os.environ['QEMU_LD_PREFIX']}")


@pytest.fixture
def container(image, folder, kafka, redis, topic, crashing):
    made = Container(folder / "container", image, kafka, redis, topic, crashing)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_the_archive_is_an_image_that_is_not_root(image):
    (layer,) = image.manifest["Layers"]
    for name in (layer, image.manifest["Config"]):
        assert hashlib.sha256(image.files[name]).hexdigest() == name.split(".")[0]
    assert image.about["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(gzip.decompress(image.files[layer])).hexdigest()]
    assert image.config["User"] == "10001:10001" and image.config["Entrypoint"] == ["/usr/bin/stepd"]
    assert set(image.config["Volumes"]) == {"/var/lib/stepd", "/modules"}
    assert image.config["Healthcheck"]["Test"] == ["CMD-SHELL", "/usr/lib/stepd/health"]
    assert not (image.root / "packages").exists() and not list((image.root / "var/lib/apt/lists").iterdir())


def test_it_runs_as_process_1_without_rights_on_a_root_that_cant_be_written(container, kafka, topic):
    container.start()
    status = container.status_of(container.first())
    assert status["NSpid"].split()[-1] == "1" and status["Name"].strip() == "stepd"
    assert status["Uid"].split() == ["10001"] * 4 and int(status["CapBnd"], 16) == 0 and status["NoNewPrivs"].strip() == "1"
    assert "Read-only file system" in container.inside("touch", "/etc/stepd/new").stderr
    assert (container.inside("/usr/lib/stepd/health").returncode, container.inside("/usr/lib/stepd/health", "/readyz").returncode) == (0, 0)
    assert container.inside("/usr/lib/stepd/health", "/nowhere").returncode == 1
    kafka.send("crash/bystander", topic=topic)
    container.wait_for("bystander", "completed")
    for _ in range(3):
        kafka.send("leave", topic=topic)
    container.wait_for("leaver", "failed", 3)
    eventually(lambda: not [name for _, name, _ in container.states() if name == "sleep"])
    assert "Z" not in [state for _, _, state in container.states()], container.states()
    os.kill(container.first(), 15)
    assert container.process.wait(60 * SLOWER) == 0, container.log()
    assert container.log().count("crash journal") == 0, "it has its place"


def test_a_module_that_crashes_ends_the_container_is_counted_and_the_next_goes_on(container, kafka, topic):
    container.start()
    kafka.send("crash/once", topic=topic)
    assert container.process.wait(60 * SLOWER) == 128 + 11, "as a runtime sees a SIGSEGV"
    container.start()
    (run,) = container.wait_for("crash-once", "completed", seconds=60)
    shown = container.show(run["id"])
    assert shown["output"] == 1
    assert [attempt["error"]["name"] for attempt in shown["attempts"] if attempt.get("error")] == ["HandlerCrashed"]
