# SPDX-License-Identifier: Apache-2.0
"""`stepctl new-module`: what it writes builds, passes and loads as it is; `stepd dev --watch` takes what is built anew."""
import json
import os
import subprocess

import pytest

from support import BUILD, IS_SANITIZED, STEPCTL, eventually, run


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def greeter(prefix, tmp_path_factory):
    """A module as it is written, built."""
    folder = tmp_path_factory.mktemp("new")
    run(STEPCTL, "new-module", "my-greeter", cwd=folder)
    source = folder / "my-greeter"
    flags = ["-DCMAKE_C_FLAGS=-Werror -fsanitize=address,undefined"] if IS_SANITIZED else ["-DCMAKE_C_FLAGS=-Werror"]
    run("cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_INSTALL_PREFIX={prefix}", *flags)
    run("cmake", "--build", source / "build")
    return source


@pytest.mark.skipif(IS_SANITIZED, reason="a program is not sanitized by what it is linked to")
def test_nothing_need_be_installed(folder):
    run(STEPCTL, "new-module", "greeter", cwd=folder)
    where = {**os.environ, "PATH": f"{STEPCTL.parent}:{os.environ['PATH']}"}
    subprocess.run(["cmake", "-S", folder / "greeter", "-B", folder / "build"], env=where, check=True, capture_output=True)
    run("cmake", "--build", folder / "build")
    run("ctest", "--test-dir", folder / "build", "--no-tests=error")


def test_a_new_module_passes_its_test(greeter):
    run("ctest", "--test-dir", greeter / "build", "--output-on-failure", "--no-tests=error")


def test_its_test_can_fail(greeter):
    test = greeter / "test_my-greeter.c"
    text = test.read_text()
    test.write_text(text.replace("'hello, Ada'", "'hello, Bob'"))
    run("cmake", "--build", greeter / "build")
    done = subprocess.run(["ctest", "--test-dir", greeter / "build", "--no-tests=error"], capture_output=True)
    test.write_text(text)
    run("cmake", "--build", greeter / "build")
    assert done.returncode != 0


def test_a_new_module_is_loaded_where_it_is_installed(greeter, prefix, folder):
    run("cmake", "--install", greeter / "build")
    installed = next(prefix.rglob("modules-1/my-greeter.so"))
    config = folder / "stepd.yaml"
    config.write_text(f"kafka: {{bootstrap.servers: b}}\ntopics: [events]\nmodules: [{installed.parent}]\n"
                      "functions: {my-greeter: {greeting: welcome, retries: 10}}\n")
    run(prefix / "bin/stepd", "--check", "--config", config)
    functions = run(prefix / "bin/stepctl", "--config", config, "functions")
    assert "my-greeter" in functions


def test_what_is_built_anew_runs(greeter, dev):
    service = dev([greeter / "build/my-greeter.so"], "--watch")
    service.ctl_run("send", "my-greeter/requested", '{"name": "Ada"}')
    (first,) = service.wait_for("my-greeter", "completed")
    assert first["output"] == "hello, Ada"
    source = greeter / "my-greeter.c"
    source.write_text(source.read_text().replace('"hello"', '"good morning"'))
    run("cmake", "--build", greeter / "build")
    eventually(lambda: "the daemon is ready again" in service.log(), 60)
    service.ctl_run("send", "my-greeter/requested", '{"name": "Bob"}')
    runs = service.wait_for("my-greeter", "completed", 2)
    assert {each["output"] for each in runs} == {"hello, Ada", "good morning, Bob"}
    assert service.log().count("a module changed") == 1


def test_a_name_that_is_none_and_a_folder_that_is_there_are_refused(folder):
    for name in ("Greeter", "1st", "a b", ".", "new/", "ü"):
        assert subprocess.run([STEPCTL, "new-module", name], cwd=folder, capture_output=True).returncode == 2, name
    assert list(folder.iterdir()) == []
    made = run(STEPCTL, "--json", "new-module", "greeter", cwd=folder)
    assert json.loads(made) == {"module": "greeter", "folder": "greeter"}
    done = subprocess.run([STEPCTL, "new-module", "greeter"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "File exists" in done.stderr
