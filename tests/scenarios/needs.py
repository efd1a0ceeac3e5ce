# SPDX-License-Identifier: Apache-2.0
"""What tests need from elsewhere: one that can't have it is skipped, and in CI, which skips nothing, has failed."""
import contextlib
import os
import platform
import subprocess
import sys
import zipfile

import pytest

import support


NEWEST_LIBRDKAFKA = "2.16.1"


def skip(why):
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing: {why}")
    pytest.skip(why)


@contextlib.contextmanager
def kafka(folder, *properties):
    """A real broker, until the tests that need it are over."""
    try:
        server = support.Kafka(folder, *properties)
    except support.KafkaCantBeHad as why:
        skip(str(why))
    yield server
    server.stop()


def newest_librdkafka(folder):
    """A folder for LD_LIBRARY_PATH with the newest librdkafka, out of a package of Python's that carries it."""
    wheel = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11",
                            "--platform", f"manylinux_2_28_{platform.machine()}", "-d", folder, f"confluent-kafka=={NEWEST_LIBRDKAFKA}"],
                           capture_output=True, text=True, timeout=300)
    wheels = list(folder.glob("*.whl"))
    if wheel.returncode != 0 or not wheels:
        skip(f"librdkafka {NEWEST_LIBRDKAFKA} can't be had: {(wheel.stderr + wheel.stdout).strip()[-300:]}")
    with zipfile.ZipFile(wheels[0]) as archive:
        name = next(name for name in archive.namelist() if "/librdkafka" in name and ".so" in name)
        (folder / "librdkafka.so.1").write_bytes(archive.read(name))
    return folder
