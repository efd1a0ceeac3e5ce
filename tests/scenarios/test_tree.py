# SPDX-License-Identifier: Apache-2.0
"""What holds of the source tree: includes point one way, every file says its licence."""
import fnmatch
import re
import subprocess
import sys

from support import ROOT

# A folder may include those above it in this list, and of the adapters only what its line names.
MAY_INCLUDE = {
    "base": set(),
    "codec": {"base"},
    "config": {"codec", "base"},
    "schema": {"codec", "base"},
    "registry": {"schema", "config", "codec", "base"},
    "event": {"schema", "codec", "base"},
    "pool": {"base"},
    "http": {"base"},
    "run": {"http", "pool", "event", "codec", "base"},
    "flow": {"run", "base"},
    "trace": {"run", "event", "codec", "base"},
    "crash": {"store", "run", "event", "base"},
    "engine": {"crash", "pool", "flow", "run", "event", "config", "codec", "base"},
    "store": {"flow", "run", "event", "config", "base"},
    "store/memory": {"run", "event", "codec", "base"},
    "store/redis": {"store", "flow", "run", "event", "config", "codec", "base"},
    "kafka": {"config", "base"},
    "intake": {"schema", "codec", "base"},
    "intake/kafka": {"kafka", "intake", "flow", "run", "event", "schema", "config", "codec", "base"},
    "publish": {"kafka", "run", "config", "base"},
    "sdk": {"http", "run", "event", "config", "codec", "base"},
    "service": {"config", "base"},
    "modules": {"service", "run", "config", "base"},
    "program": {"sdk", "modules", "run", "event", "config", "codec", "base"},
    "dev": {"base"},
    "testing": {"modules", "store/memory", "pool", "run", "event", "config", "codec", "base"},
    "view": {"store", "run", "event", "config", "codec", "base"},
    "page": {"view", "store", "intake/kafka", "publish", "modules", "engine", "service", "run", "config", "codec", "base"},
    "parts": {"page", "view", "store", "store/redis", "intake/kafka", "publish", "modules", "program", "sdk", "http", "engine", "crash", "service", "run",
              "registry", "trace", "event", "schema", "config", "codec", "base"},
    "ctl": {"program", "registry", "view", "store", "crash", "kafka", "modules", "service", "sdk", "run", "event", "config", "codec", "base"},
}


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


def folder_of(path):
    return str(path.relative_to(ROOT / "daemon").parent)


def test_includes_point_one_way():
    wrong = []
    for path in tracked("daemon/*/*.c", "daemon/*/*.h"):
        folder = folder_of(path)
        if folder == "include/stepd":
            continue
        for target in re.findall(r'^#include "([\w/]+)/\w+\.h"', path.read_text(), re.M):
            if target != folder and target not in MAY_INCLUDE[folder] and (folder, target) != ("program", "common"):
                wrong.append(f"{path.relative_to(ROOT)} includes {target}/")
    assert not wrong


def test_no_circle_of_folders():
    above = {}
    while len(above) < len(MAY_INCLUDE):
        ready = [folder for folder, named in MAY_INCLUDE.items() if folder not in above and named <= above.keys()]
        assert ready, sorted(MAY_INCLUDE.keys() - above.keys())
        above.update(dict.fromkeys(ready))


def test_only_the_owning_folder_knows_a_library():
    owners = {"librdkafka/": {"kafka", "intake/kafka", "publish", "dev", "ctl"}, "hiredis/": {"store/redis"}, "dlfcn.h": {"modules", "kafka"},
              "microhttpd.h": {"service"}, "libfyaml.h": {"config", "modules", "testing", "dev"}}
    wrong = [f"{path.relative_to(ROOT)} includes {library}"
             for path in tracked("daemon/*/*.c", "daemon/*/*.h")
             for library, folders in owners.items()
             if f"#include <{library}" in path.read_text() and folder_of(path) not in folders]
    assert not wrong


def test_nothing_outside_the_adapter_knows_redis():
    """Neither its replies nor its keys: store/*.h says what the store can tell."""
    wrong = [f"{path.relative_to(ROOT)}: {word}"
             for path in tracked("daemon/*.c", "daemon/*.h", "daemon/*/*.c", "daemon/*/*.h")
             for word in re.findall(r"redisReply|AUTO_REPLY|store_commandf?|store_prefix|keys_format", path.read_text())
             if folder_of(path) != "store/redis"]
    assert not wrong


def test_every_folder_says_what_it_owns():
    """And names in its README what it may include."""
    silent = []
    for folder, named in MAY_INCLUDE.items():
        readme = ROOT / "daemon" / folder / "README.md"
        text = readme.read_text() if readme.exists() else ""
        if not text.startswith(f"# {folder}"):
            silent.append(f"{folder}: no README with its name")
        silent += [f"{folder}: does not name {other}" for other in named
                   if f"`{other}/`" not in text and f"`{other}`" not in text]
    assert not silent


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


def test_links_between_pages_lead_somewhere():
    broken = [f"{page.relative_to(ROOT)}: {link}"
              for page in tracked("*.md")
              for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
              if "://" not in link and not (page.parent / link).exists()]
    assert not broken


def test_recipes_name_places_that_exist():
    """A place is a path from the root, or from daemon/; `x*` stands for several."""
    text = (ROOT / "docs/recipes.md").read_text()
    places = set(re.findall(r"`((?:daemon|tests|handlers|docs|config|clients)/[\w./*-]+)`", text))
    assert places
    assert not [place for place in places if not list(ROOT.glob(place.rstrip("/")))]


def test_scripts_build_tests_that_there_are():
    scripts = (ROOT / "scripts/test").read_text() + (ROOT / "scripts/arch.sh").read_text()
    named = re.findall(r"\b([a-z]+)_(test_[a-z_]+)\b", re.sub(r"run_pytest|run_ctest|\btest_[a-z]+\(\)|tests/\S+", "", scripts))
    missing = [f"tests/{folder}/{name}.c" for folder, name in named if not (ROOT / "tests" / folder / f"{name}.c").exists()]
    assert named and not missing, missing


def unit_of(name):
    """A .c with its .h and its x_internal.h, the private header."""
    return re.sub(r"_internal$", "", name)


def arrows():
    """What each unit includes of the others."""
    graph = {}
    for path in tracked("daemon/*.c", "daemon/*.h", "daemon/*/*.c", "daemon/*/*.h"):
        name = unit_of(str(path.relative_to(ROOT / "daemon").with_suffix("")))
        targets = {unit_of(target) for target in re.findall(r'^#include "([\w/]+)\.h"', path.read_text(), re.M)}
        graph.setdefault(name, set()).update(targets - {name})
    return graph


def circles(graph):
    """What is left of the graph once all that nothing points from, or to, is taken away, again and again."""
    left = {name: {target for target in targets if target in graph} for name, targets in graph.items()}
    while True:
        pointed = set().union(*left.values()) if left else set()
        kept = {name for name, targets in left.items() if targets and name in pointed}
        if len(kept) == len(left):
            return left
        left = {name: left[name] & kept for name in kept}


def test_no_circle_of_files():
    assert not circles(arrows())


def test_private_headers_are_named_alike():
    """x_internal.h stands beside x.c or x.h."""
    wrong = [path.name for path in tracked("daemon/*/*_internal.h", "daemon/*/*/*_internal.h")
             if not path.with_name(path.name.replace("_internal.h", ".c")).exists()
             and not path.with_name(path.name.replace("_internal.h", ".h")).exists()]
    assert not wrong


def test_threads_and_locks_are_those_of_base():
    """base/lock.h knows its holder, base/thread.h its name: so both can be asserted."""
    wrong = [f"{path.relative_to(ROOT)}: {word}"
             for path in tracked("daemon/*.c", "daemon/*.h", "daemon/*/*.c", "daemon/*/*.h")
             for word in re.findall(r"pthread_(?:mutex|cond|create)\w*", path.read_text())
             if folder_of(path) != "base"]
    assert not wrong


def rows_of_tests(readme):
    """README's "Tests": of each row the sources that it is for, as patterns, and the tests that it names."""
    _, _, section = readme.read_text().partition("## Tests\n")
    section, _, _ = section.partition("\n## ")
    for files, by in (row.split("|")[1:3] for row in section.splitlines() if re.match(r"\| (?!file )", row)):
        patterns = re.findall(r"`([\w*]+)`", files)
        yield ["*"] if files.strip().startswith("all") else patterns, set(re.findall(r"`(tests/[\w./*-]+)`", by))


def test_each_source_has_a_test_or_its_readme_says_which():
    """A test of its own name; or a row of its folder's README that names it, or a pattern that it fits, and tests that are there."""
    missing = []
    for folder in sorted({source.parent for source in tracked("daemon/*/*.c", "daemon/*/*.cc")}):
        rows = list(rows_of_tests(folder / "README.md"))
        place = folder.relative_to(ROOT)
        sources = [source.stem for source in tracked(f"{place}/*.c", f"{place}/*.cc") if source.parent == folder]
        missing += [f"{place}/README.md: no test {path}" for _, tests in rows for path in tests if not list(ROOT.glob(path))]
        missing += [f"{place}/README.md: a row without a test" for patterns, tests in rows if not tests]
        missing += [f"{place}/README.md: no source {pattern}" for patterns, _ in rows for pattern in patterns
                    if not fnmatch.filter(sources, pattern)]
        missing += [f"{place}/{source}: no test" for source in sources
                    if not (ROOT / "tests" / place.relative_to("daemon") / f"test_{source}.c").exists()
                    and not any(fnmatch.fnmatch(source, pattern) for patterns, tests in rows if tests for pattern in patterns)]
    assert not missing


if __name__ == "__main__":
    graph = arrows()
    for source, targets in sorted(graph.items()):
        sys.stdout.write(f"{source}: {' '.join(sorted(targets))}\n")
    sys.stdout.write(f"{len(graph)} files, {sum(map(len, graph.values()))} arrows, in circles: {' '.join(sorted(circles(graph))) or 'none'}\n")
