# SPDX-License-Identifier: Apache-2.0
"""The broker of `stepd dev` and Kafka's clients as people have them, each in a program of its own (BROKER TOPIC COUNT) that
prints what came of it: all events of a topic that made itself, with four partitions, by a group; what an administrator asks
for; transactions; and that what can't be had is said by the client."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "scenarios"))
from support import Dev  # noqa: E402
import needs  # noqa: E402

COUNT = 40
PYTHON = {"kafka-python==3.0.12": "kafka_python.py", "kafka-python==2.2.15": "kafka_python.py", "aiokafka==0.14.0": "aio.py",
          "confluent-kafka==2.12.2": "confluent.py"}
JAVA = ["4.4.0", "3.9.1", "2.8.2"]
NODE = {("kafkajs@2.2.4",): "kafkajs.js", ("@platformatic/kafka@2.12.1", "node@24"): "platformatic.mjs"}  # which wants a newer Node.js than Debian's
GO = {"franz": ["github.com/twmb/franz-go@v1.22.3", "github.com/twmb/franz-go/pkg/kadm@v1.20.0"], "sarama": ["github.com/IBM/sarama@v1.61.1"],
      "kafkago": ["github.com/segmentio/kafka-go@v0.4.51"]}
DEBIAN_12_GO = {"franz": ["github.com/twmb/franz-go@v1.15.4", "github.com/twmb/franz-go/pkg/kadm@v1.10.0"], "sarama": ["github.com/IBM/sarama@v1.43.0"],
                "kafkago": ["github.com/segmentio/kafka-go@v0.4.47"]}
OLD_SARAMA = {"SPEAKS": "0.11.0.0"}  # asks no broker which versions it has: they follow from the Kafka that it is told of

# What each client that can ask for it is to get.
EXPECTED = {"produced": COUNT, "read": COUNT, "create": 3, "configs": True, "groups": True, "members": True, "offsets": 0,
            "times": True, "committed": "done", "admin": True}
REFUSED = {"delete": ("deletion is disabled", "deletiondisabled", "error_code=73"), "aborted": ("not supported", "unsupported", "unexpected error"),
           "new_protocol": ("group.protocol=classic", "not supported")}


def install(*words, **more):
    """A client from its registry; without the registry the test can't be made."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=600, **more)
    if done.returncode != 0:
        needs.skip(f"{words[0]} can't have it: {(done.stderr + done.stdout).strip()[-300:]}")


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    dev = Dev(tmp_path_factory.mktemp("dev")).start()
    yield dev
    dev.stop()


def check(dev, topic, *words, env=None, more=(), wanted=("produced", "read", "create", "groups", "delete"), expected=EXPECTED):
    done = subprocess.run([*map(str, words), dev.kafka.address, topic, str(COUNT), *map(str, more)], capture_output=True, text=True, timeout=180,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    line = done.stdout.strip().splitlines()[-1]
    result = json.loads(line[line.index("{"):])  # faust may have hidden the cursor just before
    assert set(wanted) <= result.keys(), result
    for name, got in result.items():
        if name in REFUSED:
            assert any(words in str(got).lower() for words in REFUSED[name]), f"{name}: {got}"
        else:
            assert got == expected[name], f"{name}: {got}\n{result}"


@pytest.mark.parametrize("package", PYTHON)
def test_python_client_has_all_of_the_dev_broker(package, dev, tmp_path):
    install(sys.executable, "-m", "venv", tmp_path / "venv")
    install(tmp_path / "venv/bin/pip", "install", "-q", package)
    check(dev, "python-" + package.replace("==", "-"), tmp_path / "venv/bin/python", HERE / PYTHON[package])


def build_java(folder, program, target, *settings):
    install("mvn", "-q", "-B", "-f", HERE / folder / "pom.xml", "dependency:copy-dependencies", *settings, f"-DoutputDirectory={target}")
    subprocess.run(["javac", "-nowarn", "-parameters", "-cp", f"{target}/*", "-d", target, HERE / folder / f"{program}.java"], check=True, capture_output=True)
    return "java", "-cp", f"{target}:{target}/*", program


@pytest.mark.parametrize("version", JAVA)
def test_java_client_has_all_of_the_dev_broker(version, dev, tmp_path):
    check(dev, f"java-{version}", *build_java("java", "Client", tmp_path, f"-Dclients.version={version}"))


def test_kafka_streams_counts_in_a_store_of_its_own(dev, tmp_path):
    check(dev, "streams", *build_java("java/streams", "Streams", tmp_path / "jars"), more=[tmp_path / "state"], wanted=["read"])


def test_spring_makes_its_topic_and_listens_with_three_threads(dev, tmp_path):
    result = {**EXPECTED, "create": 4}
    check(dev, "spring", *build_java("java/spring", "Spring", tmp_path), wanted=["read", "create"], expected=result)


def test_faust_counts_in_a_table(dev, tmp_path):
    install(sys.executable, "-m", "venv", tmp_path / "venv")
    install(tmp_path / "venv/bin/pip", "install", "-q", "faust-streaming==0.15.3", "setuptools<81")
    check(dev, "faust", tmp_path / "venv/bin/python", HERE / "faust_app.py", wanted=["read"])


def test_kcat_produces_and_reads_by_a_group(dev):
    lines = "".join(f"{i}\n" for i in range(COUNT))
    subprocess.run(["kcat", "-q", "-P", "-b", dev.kafka.address, "-t", "kcat", "-z", "lz4"], input=lines, text=True, check=True, timeout=60)
    done = subprocess.run(["kcat", "-q", "-b", dev.kafka.address, "-G", "kcat-group", "-c", str(COUNT), "-X", "auto.offset.reset=earliest", "kcat"],
                          capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.split(), key=int) == [str(i) for i in range(COUNT)], done.stderr


@pytest.mark.parametrize("packages", NODE, ids=lambda packages: packages[0])
def test_node_client_has_all_of_the_dev_broker(packages, dev, tmp_path):
    shutil.copy(HERE / "node" / NODE[packages], tmp_path)
    install("npm", "install", "--no-audit", "--no-fund", *packages, cwd=tmp_path)
    node = tmp_path / "node_modules/.bin/node"
    check(dev, Path(NODE[packages]).stem, node if node.exists() else "node", tmp_path / NODE[packages])


def is_old_go():
    version = re.search(r"go1\.(\d+)", subprocess.run(["go", "version"], capture_output=True, text=True).stdout)
    return version is not None and int(version[1]) < 24


@pytest.mark.parametrize("client", GO)
def test_go_client_has_all_of_the_dev_broker(client, dev, tmp_path):
    shutil.copy(HERE / "go" / client / "main.go", tmp_path)
    install("go", "mod", "init", "client", cwd=tmp_path)
    for module in (DEBIAN_12_GO if is_old_go() else GO)[client]:
        install("go", "get", module, cwd=tmp_path)
    install("go", "build", "-mod=mod", "-o", tmp_path / "program", ".", cwd=tmp_path)
    check(dev, f"go-{client}", tmp_path / "program", env=OLD_SARAMA if is_old_go() else None)
