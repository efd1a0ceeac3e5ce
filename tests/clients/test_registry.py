# SPDX-License-Identifier: Apache-2.0
"""A schema registry as people have one, Apicurio from Maven Central, in front of Confluent's serializers."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "scenarios"))
from support import BUILD, SLOWER, Dev, eventually, free_port  # noqa: E402
import needs  # noqa: E402
from test_clients import install  # noqa: E402

APICURIO = "io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all"
CONFLUENT = "confluent-kafka[avro,json,protobuf,schemaregistry]==2.12.2"
JAVA = ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
SEEN = {
    "avro": {"id": 9007199254740993, "total": "12.34", "at": "2026-11-28T12:00:00.123456Z", "note": "x"},
    "reference": {"home": {"city": "Rn"}},
    "json": {"n": 7},
    "protobuf": {"total": {"cents": 12}},
    "nested": {"name": "Ada"},
}


def answers(url):
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status == 200
    return False


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """Its address; what it keeps is in memory."""
    if shutil.which("java") is None:
        needs.skip("there is no java (Debian: default-jdk-headless)")
    folder = tmp_path_factory.mktemp("apicurio")
    install("mvn", "-q", "-B", "-f", HERE.parent / "kafka-server/pom.xml", "dependency:copy", f"-Dartifact={APICURIO}", f"-DoutputDirectory={folder}")
    subprocess.run(["tar", "-xzf", *folder.glob("*.tar.gz"), "-C", folder], check=True)
    url = f"http://127.0.0.1:{free_port()}/apis/ccompat/v7"
    with open(folder / "out", "wb") as out:
        server = subprocess.Popen([*JAVA, "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={url.split(':')[2].split('/')[0]}", "-jar",
                                   *folder.glob("*-runner.jar")], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120 * SLOWER
        while not answers(f"{url}/subjects"):
            assert server.poll() is None and time.monotonic() < end, (folder / "out").read_text()[-3000:]
            time.sleep(0.2)
        yield url
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def stepd(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("registered")
    config = folder / "user.yaml"
    functions = {topic: {"use": "exec", "topic": topic, "command": ["cat"]} for topic in ("rows", "odd-1", "odd-2")}
    config.write_text(json.dumps({"modules": [str(BUILD / "modules/exec.so")], "topics": list(functions), "schema_registry": {"url": registry},
                                  "functions": functions}))
    made = Dev(folder / "dev", [], "--config", config).start()
    yield made
    assert made.stop() == 0


def outputs(stepd, function):
    return [stepd.show(run["id"])["output"] for run in stepd.runs(function=function, status="completed")]


def test_an_id_that_a_real_registry_does_not_know_is_raw(stepd):
    """The second is none that it can have at all."""
    unknown = {"odd-1": 99, "odd-2": 0xffffffff}
    for topic, number in unknown.items():
        value = b"\0" + number.to_bytes(4, "big") + b"\x02"
        subprocess.run(["kcat", "-q", "-P", "-b", stepd.kafka.address, "-t", topic, "-D", "\\x1e\\x1d"], input=value, check=True, timeout=60 * SLOWER)
    for topic, number in unknown.items():
        (row,) = eventually(lambda: outputs(stepd, topic), 60, what=lambda: stepd.log()[-3000:])
        assert row["schema_id"] == number and "data" not in row


def test_confluents_serializers_and_a_real_registry(registry, stepd, tmp_path):
    install(sys.executable, "-m", "venv", tmp_path / "venv")
    install(tmp_path / "venv/bin/pip", "install", "-q", "--no-compile", CONFLUENT)
    done = subprocess.run([tmp_path / "venv/bin/python", HERE / "registered.py", stepd.kafka.address, registry, "rows"],
                          capture_output=True, text=True, timeout=120 * SLOWER)
    assert done.returncode == 0, done.stderr[-3000:]
    ids = json.loads(done.stdout)
    rows = eventually(lambda: outputs(stepd, "rows") if len(outputs(stepd, "rows")) >= len(SEEN) else None, 60, what=lambda: stepd.log()[-3000:])
    seen = {row["headers"]["tag"]: row for row in rows}
    for tag, data in SEEN.items():
        assert seen[tag].get("data") == data, seen[tag]
        assert seen[tag]["schema_id"] == ids[tag]


def test_doctor_asks_a_real_registry(stepd):
    checks = json.loads(stepd.ctl_run("--json", "doctor").stdout)["checks"]
    assert [check["verdict"] for check in checks if check["about"] == "schema_registry"] == ["ok"], checks


if os.environ.get("STEPD_REGISTRY"):  # one that runs already, by its address
    @pytest.fixture(scope="module")
    def registry():  # noqa: F811
        return os.environ["STEPD_REGISTRY"]
