# SPDX-License-Identifier: Apache-2.0
"""`stepctl new-program`: what it writes passes its test and runs as it is."""
import json
import os
import shutil
import subprocess

import pytest

from support import BUILD, ROOT, STEPCTL, run

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
needs_python = pytest.mark.skipif(not (ROOT / "clients/python/stepd").is_dir(), reason="there is no package for Python")
LANGUAGES = [
    pytest.param("node", ["node", "--test"], marks=needs_node, id="node"),
    pytest.param("python", ["python3", "-m", "unittest"], marks=needs_python, id="python"),
]


@pytest.mark.parametrize("language,test", LANGUAGES)
def test_a_new_program_passes_its_test_and_can_fail_it(folder, language, test):
    run(STEPCTL, "new-program", "my-greeter", f"--{language}", cwd=folder)
    made = folder / "my-greeter"
    done = subprocess.run(test, cwd=made, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 2" in done.stdout or "Ran 2 tests" in done.stderr
    for file in made.glob("my-greeter.[jp][sy]"):
        file.write_text(file.read_text().replace("hello, ", "good morning, "))
    assert subprocess.run(test, cwd=made, capture_output=True).returncode != 0


STARTS = [
    pytest.param("node", "node main.js", marks=needs_node, id="node"),
    pytest.param("python", "python3 greeter.py", marks=needs_python, id="python"),
]


@pytest.mark.parametrize("language,start", STARTS)
def test_a_new_program_runs(dev, folder, language, start):
    run(STEPCTL, "new-program", "greeter", f"--{language}", cwd=folder)
    program, file = start.split()
    service = dev([], "--program", f"{program} {folder / 'greeter' / file}")
    service.kafka.send("greeter/requested", {"name": "Ada"})
    (greeted,) = service.wait_for("greeter", "completed")
    assert greeted["output"] == "hello, Ada"


@needs_node
def test_a_new_program_of_an_installed_stepd_uses_the_installed_package(folder):
    run("cmake", "--install", BUILD, "--prefix", folder / "prefix")
    run(folder / "prefix/bin/stepctl", "new-program", "greeter", "--node", cwd=folder)
    assert os.path.realpath(folder / "greeter/node_modules/stepd") == str(folder / "prefix/share/stepd/clients/node")
    assert json.loads((folder / "greeter/package.json").read_text())["dependencies"] == {"stepd": f"file:{folder}/prefix/share/stepd/clients/node"}
    run("node", "--test", cwd=folder / "greeter")


def test_what_is_no_name_no_language_or_there_already_is_refused(folder):
    for words in (["Greeter", "--node"], ["a b", "--node"], ["new/", "--node"], ["--node"], ["greeter"], ["greeter", "--node", "--python"]):
        done = subprocess.run([STEPCTL, "new-program", *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 2, words
        assert done.stderr.startswith("stepctl: "), words
    assert list(folder.iterdir()) == []
    made = run(STEPCTL, "--json", "new-program", "greeter", "--node", cwd=folder)
    assert json.loads(made) == {"program": "greeter", "folder": "greeter"}
    done = subprocess.run([STEPCTL, "new-program", "greeter", "--node"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "File exists" in done.stderr
