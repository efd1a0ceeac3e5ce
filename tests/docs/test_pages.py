# SPDX-License-Identifier: Apache-2.0
"""The manual's pages and the shells' completions say what the programs do: no more, no less."""
import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("STEPD_BUILD") or ROOT / "build/dev").resolve()
PAGES = [ROOT / "docs/man" / name for name in ("stepctl.1", "stepd.8", "stepd.h.3")] + [BUILD / "man/stepd.yaml.5"]
CONFIG = (ROOT / "config/stepd.yaml").read_text()


def output(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shown(page):
    return re.sub(r".\x08", "", output("mandoc", "-Tutf8", "-Owidth=500", page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_well_formed(page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# ---- stepd.yaml(5) -----------------------------------------------------------------------------------


def flow_keys_of_the_code():
    names = (ROOT / "daemon/config/config_flow.c").read_text().split("CONFIG_FLOW_KEYS[] = {")[1].split("};")[0]
    return set(re.findall(r'"(\w+)"', names))


def keys_of_the_code():
    """Paths of all keys that config/config_schema.c knows."""
    source = (ROOT / "daemon/config/config_schema.c").read_text()
    paths = set()
    for name, table in re.findall(r"static const struct config_key (\w+)_keys\[\] = \{\n(.*?)^\};", source, re.M | re.S):
        prefix = {"top": "", "function": "functions.FUNCTION.", "program": "programs.PROGRAM."}.get(name, f"{name}.")
        paths |= {prefix + key for key in re.findall(r'^    \{ "([^"]+)"', table, re.M)}
    paths |= {f"functions.FUNCTION.{key}" for key in flow_keys_of_the_code()}
    assert {"redis.url", "worker.threads", "functions.FUNCTION.retries", "log", "dedupe"} <= paths
    return paths


def keys_of_the_page():
    return re.findall(r"^\.It Sy ([A-Za-z_.]+)", (BUILD / "man/stepd.yaml.5").read_text(), re.M)


def test_every_key_is_described_exactly_once():
    described = keys_of_the_page()
    assert len(described) == len(set(described))
    free = {"kafka.bootstrap.servers", "kafka.group.id", "kafka.group.instance.id", "kafka.group.protocol", "options.MODULE"}
    assert set(described) - free == keys_of_the_code()


def test_the_page_tells_the_defaults():
    text = shown(BUILD / "man/stepd.yaml.5")
    for key, default in (("worker.threads", "32"), ("redis.url", '"redis://localhost:6379/0"'), ("topics", "[events]")):
        assert f"{key}: {default}" in text
    for value in re.findall(r"^  [a-z_.]+: (\S+)", CONFIG, re.M):
        assert value in text, value


def test_the_page_has_each_example_as_the_config_writes_it():
    text = shown(BUILD / "man/stepd.yaml.5")
    of_keys = CONFIG.split("options: {}")[0]  # behind it are modules, not keys
    examples = re.findall(r"^ *# +[a-z_.]+: (\S.*?)(?: +#.*)?$", of_keys, re.M)
    assert len(examples) > 30
    for example in examples:
        assert example in text, example


# ---- stepctl(1), stepd.h(3) ----------------------------------------------------------------------------


def commands():
    text = output(BUILD / "bin/stepctl", "--help")
    return re.findall(r"^  ([a-z-]+) ", text.split("Commands:")[1].split("Options:")[0], re.M)


def options(command):
    return re.findall(r"^  --([a-z-]+)", output(BUILD / "bin/stepctl", command, "--help"), re.M)


def test_stepctl_page_has_every_command_option_and_status():
    page = (ROOT / "docs/man/stepctl.1").read_text()
    assert re.findall(r"^\.It Cm ([a-z-]+)", page, re.M) == commands()
    for option in {option for command in commands() for option in options(command)}:
        assert f"Fl -{option}" in page, option
    source = (ROOT / "daemon/ctl/ctl.h").read_text()
    codes = re.findall(r"^    CTL_\w+ = (\d+),", source, re.M)
    assert codes == re.findall(r"^\.It (\d+)$", page.split("EXIT STATUS")[1], re.M)


def test_stepctl_page_has_its_examples_with_their_quotes():
    examples = [line.strip() for line in shown(ROOT / "docs/man/stepctl.1").split("EXAMPLES")[1].splitlines() if line.strip().startswith("stepctl ")]
    words = [shlex.split(example.split(" | ")[0]) for example in examples]
    assert len(words) > 5
    for line in words:
        for word in line:
            if word.startswith("{"):
                json.loads(word)
    assert '{"name": "Ada"}' in shown(ROOT / "docs/man/stepctl.1")


def test_each_command_helps_with_an_example():
    for command in commands():
        assert re.search(rf"^  stepctl (--json )?{command}", output(BUILD / "bin/stepctl", command, "--help"), re.M), command


def test_header_page_has_every_call():
    header = (ROOT / "daemon/include/stepd/stepd.h").read_text()
    calls = set(re.findall(r"^STEPD_EXPORT [^(]*?\**(stepd_\w+)\(", header, re.M))
    page = (ROOT / "docs/man/stepd.h.3").read_text()
    assert set(re.findall(r"^\.It Fn (stepd_\w+)", page, re.M)) == calls
    assert {path.stem for path in (BUILD / "man/man3").iterdir()} == calls
    fields = re.search(r"^struct stepd_function \{(.*?)^\}", header, re.M | re.S)[1]
    names = set(re.findall(r"(\w+);", re.sub(r"/\*.*?\*/", "", fields, flags=re.S))) - {"options_size", "is_template"}
    text = shown(ROOT / "docs/man/stepd.h.3")
    assert not {name for name in names if name not in text and name != "check"}


# ---- completions -----------------------------------------------------------------------------------------


def bash(*words):
    script = """
        source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        "_$1"; printf '%s\\n' "${COMPREPLY[@]}"
    """
    env = {**os.environ, "PATH": f"{BUILD}/bin:{os.environ['PATH']}"}
    return set(output("bash", "-c", script, "bash", ROOT / "completions/stepctl.bash", *words, env=env).split())


def zsh(*words):
    script = """
        compadd() { [[ $1 == -- ]] && shift; print -l -- "$@"; }
        _describe() { print -l -- "${(@)${(@P)2}%%:*}"; }
        file=$1; shift; service=$1; words=("$@"); CURRENT=$#
        source "$file"
    """
    env = {**os.environ, "PATH": f"{BUILD}/bin:{os.environ['PATH']}"}
    return set(output("zsh", "-fc", script, "zsh", ROOT / "completions/_stepctl", *words, env=env).split())


@pytest.mark.parametrize("shell", [bash, zsh])
def test_shells_complete_commands_options_and_statuses(shell):
    assert shell("stepctl", "") >= set(commands())
    assert {"--status", "--function", "--limit", "--json"} <= shell("stepctl", "--dev", "runs", "--")
    assert "--status" not in shell("stepctl", "send", "--")
    assert "sleeping" in shell("stepctl", "runs", "--status", "")
    assert shell("stepctl", "--config", "/nowhere", "show", "") == set()


def test_the_access_rules_of_the_page_have_each_command_that_is_sent_to_redis():
    folder = ROOT / "daemon/store/redis"
    text = "".join(path.read_text() for path in [*folder.glob("*.c"), *folder.glob("scripts/*.lua")])
    sent = set(re.findall(r"""(?:call|read)\('([A-Z]+)'|store_commandf\([^"\n]*"([A-Z]+) |link_ask\([^"\n]*"([A-Z]+) |\{ "([A-Z]+)", \d+ \}""", text))
    commands = {name.lower() for names in sent for name in names if name}
    rule = re.search(r"ACL SETUSER stepd on (.*?)\n\n", (ROOT / "docs/security.md").read_text(), re.S)[1]
    allowed = {word[1:].split("|")[0] for word in rule.split() if word[0] == "+"}
    assert len(commands) > 30
    commands -= {"dump", "restore", "replace", "absttl", "type"}  # of stepctl backup and restore alone, which the page says
    assert {"+dump", "+restore", "+type"} <= set((ROOT / "docs/security.md").read_text().replace("`", "").split())
    assert commands - {"auth", "select", "cluster", "sentinel", "ping", "config"} <= allowed
