# SPDX-License-Identifier: Apache-2.0
"""An installed stepd as a module's author meets it: header, CMake package, pkg-config, --check."""
import re
import shutil
import subprocess

import pytest

from support import BUILD, IS_SANITIZED, ROOT, STEPD, run

MODULE = """\
#include <stepd/stepd.h>

static enum stepd_status greet(struct stepd_ctx *ctx)
{
    const char *name = stepd_get_str(ctx, stepd_event(ctx)->data, "user.name", "world");
    msgpack_packer *out = stepd_output(ctx);

    msgpack_pack_map(out, 1);
    msgpack_pack_str_with_body(out, "hello", 5);
    msgpack_pack_str_with_body(out, name, strlen(name));
    return STEPD_OK;
}

STEPD_MODULE(.name = "greeter",
             .functions = STEPD_FUNCTIONS(STEPD_FUNCTION(.id = "greet", .event = "user/came", .run = greet, .retries = 0)));
"""

PROJECT = """\
cmake_minimum_required(VERSION 3.25)
project(greeter LANGUAGES C)
find_package(stepd 0.1 REQUIRED)
set(CMAKE_C_STANDARD 11)
stepd_add_module(greeter greeter.c)
target_compile_options(greeter PRIVATE -Wall -Wextra -Wpedantic -Werror)
"""

# What the linker and the C start-up put in every program that exports anything.
OF_THE_TOOLCHAIN = {"stdout", "stderr", "stdin", "_init", "_fini", "_start", "main", "_end", "_edata", "__bss_start", "__data_start", "data_start", "_IO_stdin_used",
                    "__dso_handle"}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def pkg_config(prefix):
    pc = next(prefix.rglob("stepd.pc"))
    return lambda *words: run("pkg-config", *words, "stepd", env={"PKG_CONFIG_PATH": str(pc.parent), "PATH": "/usr/bin:/bin"}).split()


def exported(path):
    lines = run("nm", "-D", "--defined-only", path).splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def check(prefix, folder, module):
    """stepd --check of a config with that module alone; no Kafka, no Redis."""
    config = folder / "stepd.yaml"
    config.write_text(f"kafka: {{bootstrap.servers: 'localhost:9092'}}\ntopics: [events]\nmodules: [{module}]\n")
    return subprocess.run([prefix / "bin/stepd", "--check", "--config", config], capture_output=True, text=True, timeout=300)


def test_module_of_a_cmake_project(prefix, folder):
    source = folder / "greeter"
    source.mkdir()
    (source / "greeter.c").write_text("#include <string.h>\n" + MODULE)
    (source / "CMakeLists.txt").write_text(PROJECT)
    run("cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_INSTALL_PREFIX={prefix}")
    run("cmake", "--build", source / "build")
    run("cmake", "--install", source / "build")
    module = next(prefix.rglob("modules-1/greeter.so"))
    assert exported(module) == {"stepd_module"}
    done = check(prefix, folder, module)
    assert done.returncode == 0, done.stderr


def test_module_by_pkg_config(prefix, pkg_config, folder):
    (folder / "greeter.c").write_text("#include <string.h>\n" + MODULE)
    module = folder / "greeter.so"
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", "-o", module,
        folder / "greeter.c", *pkg_config("--cflags"))
    assert exported(module) == {"stepd_module"}
    done = check(prefix, folder, module)
    assert done.returncode == 0, done.stderr
    (directory,) = pkg_config("--variable=moduledir")
    assert directory.endswith("/stepd/modules-1")


def test_what_is_no_module_is_refused(prefix, folder):
    (folder / "other.c").write_text("int nothing_of_stepd;\n")
    run("cc", "-shared", "-fPIC", "-o", folder / "other.so", folder / "other.c")
    done = check(prefix, folder, folder / "other.so")
    assert done.returncode == 78
    assert re.search(r"other\.so: .*stepd_module", done.stderr + done.stdout)


def test_module_of_another_abi_is_refused(prefix, pkg_config, folder):
    text = MODULE.replace("STEPD_MODULE(", "#undef STEPD_ABI_MINOR\n#define STEPD_ABI_MINOR 77\nSTEPD_MODULE(")
    (folder / "newer.c").write_text("#include <string.h>\n" + text)
    run("cc", "-fPIC", "-shared", "-o", folder / "newer.so", folder / "newer.c", *pkg_config("--cflags"))
    done = check(prefix, folder, folder / "newer.so")
    assert done.returncode == 78
    assert "1.77" in done.stderr + done.stdout


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("standard", ["c11", "c17", "c++17"])
def test_header_compiles_alone(prefix, pkg_config, compiler, standard):
    program = {"gcc": "g++", "clang": "clang++"}[compiler] if "++" in standard else compiler
    if shutil.which(program) is None:
        pytest.skip(f"there is no {program}")
    language = "c++" if "++" in standard else "c"
    run(program, f"-std={standard}", "-x", language, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", *pkg_config("--cflags"),
        "-", input="#include <stepd/stepd.h>\n")


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer exports its own")
def test_the_daemon_exports_the_header_and_nothing_else():
    # beside the header: what http.so has, and exec.so
    headers = [ROOT / "daemon/include/stepd/stepd.h", ROOT / "daemon/run/ask.h", ROOT / "daemon/run/reports.h"]
    declared = {name for header in headers for name in re.findall(r"^STEPD_EXPORT [^(]*?\**(stepd_\w+)\(", header.read_text(), re.M)}
    assert exported(STEPD) - OF_THE_TOOLCHAIN == declared


def test_what_is_installed(prefix):
    wanted = ["bin/stepd", "bin/stepctl", "include/stepd/stepd.h", "etc/stepd/stepd.yaml", "etc/stepd/redis.conf",
              "lib/systemd/system/stepd.service", "share/stepd/grafana.json", "share/stepd/alerts.yaml",
              "share/stepd/clients/node/index.js", "share/stepd/clients/python/stepd/__init__.py", "share/stepd/exec/node/stepd.js", "share/stepd/exec/python/stepd.py"]
    missing = [name for name in wanted if not (prefix / name).exists()]
    assert not missing
    done = subprocess.run([prefix / "bin/stepd", "--check", "--config", prefix / "etc/stepd/stepd.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_wrong_config_is_shown_with_its_place(prefix, folder):
    config = folder / "stepd.yaml"
    config.write_text("topics: [events]\nworker:\n  thraeds: 4\n")
    done = subprocess.run([prefix / "bin/stepd", "--check", "--config", config], capture_output=True, text=True)
    assert done.returncode == 78
    assert re.search(r"stepd\.yaml:3:3: error: .*thraeds.*threads", done.stderr + done.stdout, re.S)
