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
            "committed": "done", "admin": True}
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


def check(dev, topic, *words, env=None):
    done = subprocess.run([*map(str, words), dev.kafka.address, topic, str(COUNT)], capture_output=True, text=True, timeout=180,
                          env={**os.environ, **(env or {})})
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert {"produced", "read", "create", "groups", "delete"} <= result.keys(), result
    for name, got in result.items():
        if name in REFUSED:
            assert any(words in str(got).lower() for words in REFUSED[name]), f"{name}: {got}"
        else:
            assert got == EXPECTED[name], f"{name}: {got}\n{result}"


@pytest.mark.parametrize("package", PYTHON)
def test_python_client_has_all_of_the_dev_broker(package, dev, tmp_path):
    install(sys.executable, "-m", "venv", tmp_path / "venv")
    install(tmp_path / "venv/bin/pip", "install", "-q", package)
    check(dev, "python-" + package.replace("==", "-"), tmp_path / "venv/bin/python", HERE / PYTHON[package])


@pytest.mark.parametrize("version", JAVA)
def test_java_client_has_all_of_the_dev_broker(version, dev, tmp_path):
    install("mvn", "-q", "-B", "-f", HERE / "java/pom.xml", "dependency:copy-dependencies", f"-Dclients.version={version}", f"-DoutputDirectory={tmp_path}")
    subprocess.run(["javac", "-nowarn", "-cp", f"{tmp_path}/*", "-d", tmp_path, HERE / "java/Client.java"], check=True, capture_output=True)
    check(dev, f"java-{version}", "java", "-cp", f"{tmp_path}:{tmp_path}/*", "Client")


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
