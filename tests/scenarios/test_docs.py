# SPDX-License-Identifier: Apache-2.0
"""Every piece of code in the documents is compiled and run as its reader would."""
import os
import re
import shlex
import shutil
import subprocess

import pytest

import needs
import snippets
from support import BUILD, IS_SANITIZED, ROOT, Dev, eventually, run

GUIDE = "handlers/README.md"
DOCUMENTS = ["README.md", GUIDE, "docs/producing.md", "handlers/exec/README.md"]
READY_MADE = sorted(path.parent.name for path in (ROOT / "handlers").glob("*/CMakeLists.txt") if path.parent.name != "common")

PRELUDE = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <stepd/stepd.h>\n"
TESTER = """\
#include <stdio.h>
#include <string.h>
#include <stepd/testing.h>

/* FUNCTION DATA END CONFIG: whether the run ends so. */
int main(int argc, char **argv)
{
    struct stepd_test *test = stepd_test_create(&stepd_module);

    if (argc != 5)
        return 2;
    stepd_test_configure(test, "%s", argv[4]);
    struct stepd_test_run *run = stepd_test_start(test, argv[1], STEPD_TEST_EVENT(.data = argv[2]));
    const char *end = stepd_test_status_name(stepd_test_finish(run));
    if (strcmp(end, argv[3]) != 0)
        stepd_test_print(run, stderr);
    int status = strcmp(end, argv[3]) != 0;
    stepd_test_destroy(test);
    return status;
}
"""


def pieces(language, *documents):
    found = [piece for document in documents for piece in snippets.fenced(ROOT, document) if piece.language == language]
    return [pytest.param(piece, id=piece.place) for piece in found]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", folder)
    return folder


@pytest.fixture(scope="module")
def environment(prefix, tmp_path_factory):
    """Of a reader who installed stepd."""
    pc = next(prefix.rglob("stepd.pc")).parent
    state = tmp_path_factory.mktemp("state")
    return {**os.environ, "PATH": f"{prefix}/bin:{os.environ['PATH']}", "PKG_CONFIG_PATH": str(pc), "CMAKE_PREFIX_PATH": str(prefix),
            "XDG_STATE_HOME": str(state), "CFLAGS": "-fsanitize=address,undefined" if IS_SANITIZED else ""}


def compile_c(environment, target, sources, *packages, flags=()):
    words = run("pkg-config", "--cflags", "--libs", *packages, env=environment).split()
    sanitize = environment["CFLAGS"].split()
    run("cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", *sanitize, *flags, "-o", target, *sources, *words)


def as_module(piece):
    """The whole module that a piece is, or is made into."""
    if piece.note("file") is not None:
        return piece.text
    before = "\n".join(piece.all_notes("with"))
    functions = ",\n".join(f'STEPD_FUNCTION(.id = "{name}", .event = "{name}", .run = {name}, .backoff = STEPD_BACKOFF(1000))'
                           for name in sorted({note.split()[0] for note in piece.all_notes("run")}))
    return f'{PRELUDE}\n{before}\n{piece.text}\nSTEPD_MODULE(.name = "snippet", .functions = STEPD_FUNCTIONS({functions}));\n'


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The guide's modules under their names."""
    folder = tmp_path_factory.mktemp("written")
    for document in DOCUMENTS:
        for piece in snippets.fenced(ROOT, document):
            if piece.note("file") is not None:
                (folder / piece.note("file")).write_text(piece.text)
    return folder


@pytest.mark.parametrize("piece", pieces("c", "README.md", GUIDE))
def test_c_is_compiled_and_run(piece, environment, written, folder):
    if piece.note("test") is not None:
        (folder / "test.c").write_text(piece.text)
        compile_c(environment, folder / "test", [folder / "test.c", written / piece.note("test")], "stepd-testing")
        run(folder / "test")
        return
    source = folder / "snippet.c"
    source.write_text(as_module(piece))
    compile_c(environment, folder / "snippet.so", [source], "stepd", flags=["-shared", "-fPIC"])
    (folder / "tester.c").write_text(TESTER)
    compile_c(environment, folder / "tester", [folder / "tester.c", source], "stepd-testing")
    runs = piece.all_notes("run")
    assert runs, f"{piece.place}: nothing says how it runs"
    for note in runs:
        function, data, end = re.fullmatch(r"(\S+) (.*) (\w+)", note).groups()
        run(folder / "tester", function, data, end, piece.note("config") or "{}")


def check(environment, config, modules, folder):
    """stepd --check of settings with those modules."""
    path = folder / "stepd.yaml"
    own_modules = "" if re.search(r"^modules:", config, re.M) else f"modules: [{', '.join(map(str, modules))}]\n"
    topics = sorted({"events", *re.findall(r"topic: (\w+)", config)})
    path.write_text(f"kafka: {{bootstrap.servers: b}}\ntopics: [{', '.join(topics)}]\n{own_modules}{config}")
    (folder / "crm_secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw\n")
    run(BUILD / "bin/stepd", "--check", "--config", path, env={**environment, "CRM_TOKEN": "t", "CREDENTIALS_DIRECTORY": str(folder)})


@pytest.mark.parametrize("piece", pieces("yaml", *DOCUMENTS))
def test_settings_are_what_stepd_takes(piece, environment, written, folder):
    modules = []
    for name in re.split(r",\s*", piece.note("with")):
        if not name.endswith(".c"):
            modules.append(BUILD / f"modules/{name}.so")
            continue
        modules.append(folder / name.replace(".c", ".so"))
        compile_c(environment, modules[-1], [written / name], "stepd", flags=["-shared", "-fPIC"])
    check(environment, piece.text, modules, folder)


@pytest.mark.parametrize("name", READY_MADE)
def test_settings_of_a_folder_are_what_its_module_takes(name, environment, folder):
    blocks = [piece.text for piece in snippets.indented(ROOT, f"handlers/{name}/README.md")
              if re.match(r"(functions|options):", piece.text)]
    assert blocks, "it says nothing of its settings"
    for block in blocks:
        check(environment, block, [BUILD / f"modules/{name}.so"], folder)


def test_cmake_lines_build_the_module(environment, written, folder):
    (piece,) = [piece for piece in snippets.fenced(ROOT, GUIDE) if piece.language == "cmake"]
    shutil.copy(written / "digest.c", folder)
    (folder / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES C)\n{piece.text}")
    run("cmake", "-B", folder / "build", "-S", folder, env=environment)
    run("cmake", "--build", folder / "build", env=environment)
    assert (folder / "build/digest.so").exists()


# ---- what is typed ---------------------------------------------------------------------------------------


class Shell:
    """Runs lines as they stand, one after the other; `stepd dev` in the background, on free ports."""

    def __init__(self, folder, environment):
        self.folder, self.environment, self.dev = folder, environment, None

    def run(self, text):
        outputs = []
        for line in self.lines(text):
            words = shlex.split(line, comments=True)
            if words[:2] == ["stepd", "dev"]:
                self.start_dev(words[2:])
            elif words[0] == "cd":
                self.folder = self.folder / words[1]
            else:
                if self.dev is not None:
                    line = re.sub(r"(localhost|127\.0\.0\.1):9092", self.dev.at["kafka"], line)
                    line = line.replace("stepctl send", f"stepctl --config {self.dev.config} send")
                outputs.append(run("bash", "-euo", "pipefail", "-c", line, cwd=self.folder, env=self.environment))
        return outputs

    @staticmethod
    def lines(text):
        joined = re.sub(r"(\||\\)\n\s+", r"\1 ", text)
        return [line for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")]

    def start_dev(self, words):
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            self.dev = Dev(self.folder / "dev", [], *words, env=self.environment)
            self.dev.words = [word for word in self.dev.words if word not in ("--data", str(self.folder / "dev/data"))]
            self.dev.start()
        finally:
            os.chdir(here)

    def stop(self):
        if self.dev is not None:
            self.dev.stop()


@pytest.fixture
def shell(folder, environment):
    made = Shell(folder, environment)
    yield made
    made.stop()


def shell_pieces(document):
    return [piece.text for piece in snippets.fenced(ROOT, document) if piece.language == "sh"]


def test_the_guides_first_module(shell):
    first, second, *_ = shell_pieces(GUIDE)
    shell.run(first)
    shell.run(second)
    (ended,) = shell.dev.wait_for("greeter", "completed")
    assert ended["output"] == "hello, Ada"


def test_the_guides_compilers(shell, written):
    shutil.copy(written / "digest.c", shell.folder)
    (test,) = [piece for piece in snippets.fenced(ROOT, GUIDE) if piece.note("test") is not None]
    (shell.folder / "test_digest.c").write_text(test.text)
    if IS_SANITIZED:
        pytest.skip("a sanitizer's library needs its flag")
    for text in shell_pieces(GUIDE)[2:]:
        shell.run(text)


def test_the_first_five_minutes(shell):
    """README.md, from where scripts/demo has built."""
    blocks = [piece.text for piece in snippets.indented(ROOT, "README.md")]
    (start,) = [block for block in blocks if "stepd dev --module" in block and "click-recorder" in block]
    (look,) = [block for block in blocks if "sqlite3 clicks.db" in block]
    (dead,) = [block for block in blocks if "not a map" in block]
    start = re.sub(r"^(scripts/demo|export) .*\n", "", start, flags=re.M).replace("build/release", str(BUILD))
    shell.run(start)
    sent, *_ = Shell.lines(re.sub(r"^export .*\n", "", look, flags=re.M))
    shell.run(sent)
    (ended,) = shell.dev.wait_for("click-recorder", "completed")
    outputs = shell.run(re.sub(r"^export .*\n", "", look, flags=re.M).replace("show RUN", f"show {ended['id']}"))
    assert "buy|u1" in outputs[-1]
    shell.run(Shell.lines(dead)[0])
    shell.dev.wait_for("click-recorder", "failed")
    (letters,) = shell.run(Shell.lines(dead)[1])
    assert "stepd-function=click-recorder" in letters


def test_readmes_handler(shell, environment):
    (piece,) = [piece for piece in snippets.fenced(ROOT, "README.md") if piece.language == "c"]
    (block,) = [piece.text for piece in snippets.indented(ROOT, "README.md") if "greeter.so greeter.c" in piece.text]
    (shell.folder / "greeter.c").write_text(piece.text)
    (shell.folder / "daemon").symlink_to(ROOT / "daemon")
    shell.run(block.replace("cc ", f"cc {environment['CFLAGS']} ").replace("--retry-interval 2s", "--retry-interval 100ms"))
    shell.dev.wait_for("greet", "completed")
    assert "hello, Ada" in shell.dev.log()


# ---- producers -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    """A `stepd dev` whose runs say who came."""
    folder = tmp_path_factory.mktemp("receiver")
    config = folder / "user.yaml"
    config.write_text(f"modules: [{BUILD}/modules/exec.so]\n"
                      "functions: {came: {use: exec, event: user/came, command: [cat], input: data}}\n")
    service = Dev(folder / "dev", [], "--config", config).start()
    yield service
    service.stop()


def producer(language):
    (piece,) = [piece for piece in snippets.fenced(ROOT, "docs/producing.md") if piece.language == language]
    return piece.text


def expect_from(receiver, who):
    eventually(lambda: {"from": who} in [each["output"] for each in receiver.runs(function="came", status="completed")], 30,
               what=lambda: f"{receiver.runs()}\n{receiver.log()[-2000:]}")


def install(*words, **more):
    """A client from its registry; where that can't be reached, the test says so."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=600, **more)
    if done.returncode != 0:
        needs.skip(f"{words[0]} could not fetch the client: {done.stderr.strip()[-1000:]}")


def at(receiver, text):
    return text.replace("localhost:9092", receiver.at["kafka"]).replace("http://localhost:8288", receiver.at["http"])


def test_kcat_and_curl_send(receiver, folder):
    for piece in snippets.fenced(ROOT, "docs/producing.md"):
        if piece.language == "sh":
            run("bash", "-c", at(receiver, piece.text))
    expect_from(receiver, "kcat")
    expect_from(receiver, "kcat in CloudEvents")
    expect_from(receiver, "curl")
    receiver.ctl_run("send", "user/came", '{"from": "stepctl"}')
    expect_from(receiver, "stepctl")


def test_python_sends(receiver, folder):
    install("python3", "-m", "pip", "install", "-q", "--target", folder / "packages", "confluent-kafka")
    (folder / "send.py").write_text(at(receiver, producer("python")))
    run("python3", folder / "send.py", env={**os.environ, "PYTHONPATH": str(folder / "packages")})
    expect_from(receiver, "python")


def test_node_sends(receiver, folder):
    install("npm", "install", "--no-audit", "--no-fund", "kafkajs", cwd=folder)
    (folder / "send.js").write_text(at(receiver, producer("js")))
    run("node", folder / "send.js", cwd=folder)
    expect_from(receiver, "node")


def test_go_sends(receiver, folder):
    (folder / "send.go").write_text(at(receiver, producer("go")))
    install("go", "mod", "init", "send", cwd=folder)
    install("go", "get", "github.com/segmentio/kafka-go@v0.4.47", cwd=folder)  # which Debian 12's Go takes
    run("go", "run", ".", cwd=folder)
    expect_from(receiver, "go")


def test_c_sends(receiver, folder):
    (folder / "send.c").write_text(at(receiver, producer("c")))
    run("cc", "-Wall", "-Wextra", "-Werror", "-o", folder / "send", folder / "send.c", "-lrdkafka")
    run(folder / "send")
    expect_from(receiver, "c")


def test_the_python_steps_of_the_exec_readme(folder):
    (piece,) = [piece for piece in snippets.fenced(ROOT, "handlers/exec/README.md") if piece.language == "python"]
    (folder / "program.py").write_text("def charge(order):\n    return order['id']\n\ndef ship(order, receipt):\n    return receipt\n\n" +
                                       piece.text.replace("86400", "0.1"))
    config = folder / "user.yaml"
    config.write_text(f"modules: [{BUILD}/modules/exec.so]\nfunctions: {{order: {{use: exec, event: order, "
                      f"command: [python3, {folder}/program.py], env: {{PYTHONPATH: {ROOT}/handlers/exec/python}}}}}}\n")
    service = Dev(folder / "dev", [], "--config", config).start()
    try:
        service.kafka.send("order", {"id": 7})
        (ended,) = service.wait_for("order", "completed")
        steps = {step["id"]: step["output"] for step in service.show(ended["id"])["steps"]}
        assert steps["charge"] == steps["ship"] == 7
    finally:
        service.stop()


# What the programs of README.md leave to their reader, and how the module of each is found.
PROGRAMS = {
    "python": ("media.py", "def fetch(url):\n    return f'bytes of {url}'\n\n\ndef store(image):\n    return len(image)\n\n\n", "python3",
               {"PYTHONPATH": f"{ROOT}/clients/python"}),
    "js": ("media.mjs", "const fetchImage = async (url) => `bytes of ${url}`;\nconst store = async (image) => image.length;\n", "node", {}),
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_the_programs_of_the_readme(language, folder, monkeypatch):
    (piece,) = [piece for piece in snippets.fenced(ROOT, "README.md") if piece.language == language]
    file, prelude, interpreter, variables = PROGRAMS[language]
    (folder / file).write_text(prelude + piece.text.replace('"5s"', '"100ms"'))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if language == "js":
        (folder / "node_modules").mkdir()
        (folder / "node_modules/stepd").symlink_to(ROOT / "clients/node")
    service = Dev(folder / "dev", [], "--program", f"{interpreter} {folder / file}").start()
    try:
        service.kafka.send("image/uploaded", {"url": "https://example/cat"})
        (ended,) = service.wait_for("resize", "completed")
        assert service.show(ended["id"])["output"] == len("bytes of https://example/cat")
    finally:
        service.stop()


def test_no_code_is_left_out():
    """What is fenced is of a kind that is tried above."""
    known = {GUIDE: {"c", "sh", "yaml", "cmake"}, "README.md": {"c", "yaml", "python", "js"}, "docs/producing.md": {"sh", "python", "js", "go", "c"},
             "handlers/exec/README.md": {"python"}}
    for document, languages in known.items():
        assert {piece.language for piece in snippets.fenced(ROOT, document)} == languages, document
