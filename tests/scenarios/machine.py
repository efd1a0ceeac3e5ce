# SPDX-License-Identifier: Apache-2.0
"""A Debian of its own in a folder, with the packages installed, booted with a real systemd in a container."""
import ctypes
import fcntl
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

from support import ROOT, SLOWER, eventually, run

PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
NEEDED = ("systemd", "systemd-sysv", "dbus")
BOOT_SECONDS = 300
BUILD_SECONDS = 1200  # optimised across all files, where nothing is built yet


class CantBeHad(Exception):
    """No such machine here; says why."""


def build_packages():
    """One at a time: another test may want them, too."""
    folder = ROOT / "build/package"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run("cmake", "--workflow", "--preset", "package", cwd=ROOT, seconds=BUILD_SECONDS)
    return sorted((ROOT / "build/package/packages").glob("*.deb"))


def debian_release():
    words = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    if words.get("ID") != "debian":
        raise CantBeHad("this is no Debian")
    return words["VERSION_CODENAME"]


def wait_for_end(traced):
    """Its parent learns of its end only after us."""
    status = None
    while status is None or os.WIFSTOPPED(status):
        _, status = os.waitpid(traced, WALL)


def debian_sources():
    """Those of Debian itself, of what this machine installs from."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*.sources"), *Path("/etc/apt/sources.list.d").glob("*.list")]
    return [file for file in files if file.is_file() and "/debian" in file.read_text()]


class Machine:
    """`packages` are in it besides the least that boots."""

    def __init__(self, folder, packages):
        self.folder, self.root = Path(folder), Path(folder) / "root"
        self.process = None
        self.first = None  # the process id, outside, of its process 1
        if os.geteuid() != 0:
            raise CantBeHad("not root: no container can be made")
        for program in ("mmdebstrap", "systemd-nspawn", "nsenter"):
            if shutil.which(program) is None:
                raise CantBeHad(f"no {program} here (Debian: mmdebstrap, systemd-container, util-linux)")
        self.root.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", self.root], capture_output=True).returncode != 0:
            raise CantBeHad("nothing may be mounted")
        done = subprocess.run(["mmdebstrap", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--skip=cleanup/apt/lists",
                               f"--include={','.join((*NEEDED, *packages))}", debian_release(), self.root, *debian_sources()],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.remove()
            raise CantBeHad(f"mmdebstrap: {(done.stdout + done.stderr).strip().splitlines()[-1]}")

    def change(self, *words, **more):
        """A program in the folder, before it is booted; its output."""
        return run("chroot", self.root, *words, env=QUIET, **more)

    def install(self, packages):
        (self.root / "packages").mkdir(exist_ok=True)
        for package in packages:
            shutil.copy(package, self.root / "packages")
        files = [f"/packages/{package.name}" for package in packages]
        self.change("apt-get", "-q", "-y", "--no-install-recommends", "install", *files)

    def write(self, path, text, mode=0o644):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def boot(self):
        out = open(self.folder / "console", "wb")
        self.process = subprocess.Popen(["systemd-nspawn", "-q", "-D", self.root, "-b", "--register=no", "--keep-unit"], stdin=subprocess.DEVNULL,
                                        stdout=out, stderr=out, start_new_session=True)
        out.close()
        end = time.monotonic() + BOOT_SECONDS
        while self.try_in("systemctl", "is-system-running").stdout.strip() not in ("running", "degraded"):
            if self.process.poll() is not None or time.monotonic() > end:
                last = (self.folder / "console").read_text(errors="replace").strip().splitlines()[-1:]
                self.halt()
                raise CantBeHad(f"a container with systemd does not boot here: {last}")
            time.sleep(0.5)

    def try_in(self, *words):
        """A program in the booted machine."""
        self.first = self.first or self.find_first()
        if self.first is None:
            return subprocess.CompletedProcess(words, 1, "", "not begun")
        return subprocess.run(["nsenter", "-t", str(self.first), "-m", "-u", "-i", "-p", *map(str, words)], capture_output=True,
                              text=True, timeout=180 * SLOWER, env=QUIET)

    def find_first(self):
        """Of the container's processes the one that is number 1 in a name space of its own; None: not yet."""
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            try:
                ids = re.search(r"^NSpid:\t(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M)[1].split()
                waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:
                continue
            if len(ids) == 2 and ids[1] == "1":
                return pid
        return None

    def run_in(self, *words):
        done = self.try_in(*words)
        assert done.returncode == 0, f"{words}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def show(self, unit, name):
        return self.run_in("systemctl", "show", "--value", "-p", name, unit).strip()

    def wait_active(self, unit):
        eventually(lambda: self.show(unit, "ActiveState") == "active", 90, what=lambda: self.journal(unit)[-3000:])

    def journal(self, unit):
        return self.try_in("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def outside(self, pid):
        """The process id, here, of one of the machine's."""
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                ids = [line.split()[1:] for line in status.read_text().splitlines() if line.startswith("NSpid:")]
                if ids and len(ids[0]) == 2 and ids[0][1] == str(pid) and self.is_ours(int(ids[0][0])):
                    return int(ids[0][0])
            except OSError:
                continue
        raise AssertionError(f"no process {pid} in the machine")

    def is_ours(self, pid):
        return os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{self.first}/ns/pid")

    def hang_main_thread(self, pid):
        """Stops one thread of a process, all others go on."""
        libc = ctypes.CDLL(None, use_errno=True)
        thread = self.outside(pid)
        for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            assert libc.ptrace(request, thread, None, None) == 0, os.strerror(ctypes.get_errno())
        threading.Thread(target=wait_for_end, args=[thread], daemon=True).start()

    def halt(self):
        if self.process is None:
            return
        if self.process.poll() is None and self.first is not None:
            self.try_in("systemctl", "--no-block", "poweroff")
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                pass
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)

    def remove(self):
        subprocess.run(["umount", "--lazy", self.root], check=True)
