# SPDX-License-Identifier: Apache-2.0
"""What holds of the source tree: includes point one way, every file says its licence."""
import re
import subprocess

from support import ROOT

MAY_INCLUDE = {
    "base": set(),
    "core": {"base"},
    "kafka": {"core", "base"},
    "redis": {"core", "base"},
    "modules": {"service", "core", "base"},
    "service": {"core", "base"},
    "dev": {"base"},
    "inngest": {"core", "base"},
    "testing": {"modules", "service", "core", "base"},
    "view": {"redis", "service", "core", "base"},
    "page": {"view", "redis", "kafka", "modules", "service", "core", "base"},
    "ctl": {"view", "redis", "kafka", "modules", "service", "inngest", "core", "base"},
}


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


def test_includes_point_one_way():
    wrong = []
    for path in tracked("daemon/*/*.c", "daemon/*/*.h"):
        folder = path.relative_to(ROOT / "daemon").parts[0]
        for target in re.findall(r'^#include "(\w+)/', path.read_text(), re.M):
            if target != folder and target not in MAY_INCLUDE.get(folder, {target}):
                wrong.append(f"{path.relative_to(ROOT)} includes {target}/")
    assert not wrong


def test_only_the_owning_folder_knows_a_library():
    owners = {"librdkafka/": {"kafka", "dev", "ctl"}, "hiredis/": {"redis"}, "dlfcn.h": {"modules"}, "microhttpd.h": {"service"},
              "libfyaml.h": {"service", "modules", "testing", "dev"}}
    wrong = [f"{path.relative_to(ROOT)} includes {library}"
             for path in tracked("daemon/*/*.c", "daemon/*/*.h")
             for library, folders in owners.items()
             if f"#include <{library}" in path.read_text() and path.relative_to(ROOT / "daemon").parts[0] not in folders]
    assert not wrong


def test_every_source_says_its_licence():
    paths = tracked("*.c", "*.h", "*.lua", "*.cmake", "CMakeLists.txt", "**/CMakeLists.txt", "*.py", "scripts/*")
    silent = [str(path.relative_to(ROOT)) for path in paths
              if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:200]]
    assert not silent


def test_every_config_key_is_described_once():
    text = (ROOT / "config/stepd.yaml").read_text()
    keys = re.findall(r"^([a-z_]+):", text, re.M)
    assert len(keys) == len(set(keys))


def test_the_page_of_semantics_names_every_scenario_and_no_other():
    played = set()
    for path in tracked("tests/conformance/*.c"):
        _, _, table = path.read_text().partition("const struct scenario scenarios[]")
        played |= set(re.findall(r'\{ \.name = "([a-z0-9-]+)"', table))
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+){2,})`", (ROOT / "docs/semantics.md").read_text()))
    assert named == played
