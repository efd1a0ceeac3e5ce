# SPDX-License-Identifier: Apache-2.0
"""Fixtures: each ends what it started. `--keep` leaves the folders (configs, logs, data) and names them."""
import contextlib
import os
import re
from pathlib import Path

import pytest

import needs
import support

MODULES = Path(__file__).parent / "modules"


def pytest_addoption(parser):
    parser.addoption("--keep", action="store_true", help="leave the folders of tests, and name them")


def pytest_collection_modifyitems(items):
    if not support.STEPD.exists():
        raise pytest.UsageError(f"no {support.STEPD}: build first (cmake --workflow --preset dev), or set STEPD_BUILD")


@pytest.fixture
def folder(tmp_path, request):
    yield tmp_path
    if request.config.getoption("--keep"):
        print(f"\nkept: {tmp_path}")
    else:
        support.remove(tmp_path)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """One real Kafka for all; tests have topics of their own."""
    with needs.kafka(tmp_path_factory.mktemp("kafka"), *support.SHORT_SESSIONS) as server:
        yield server


@pytest.fixture(scope="session")
def newest_librdkafka(tmp_path_factory):
    """The environment of a daemon that finds it."""
    return {"LD_LIBRARY_PATH": str(needs.newest_librdkafka(tmp_path_factory.mktemp("librdkafka")))}


@pytest.fixture
def topic(request):
    """A topic's name that no other test uses."""
    return f"{re.sub('[^a-zA-Z0-9]+', '-', request.node.name)[:40].strip('-')}-{os.urandom(3).hex()}"


@pytest.fixture
def redis(folder):
    server = support.Redis(folder / "redis")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    """Builds modules/NAME.c, once."""
    built = {}

    def build(name):
        if name not in built:
            built[name] = support.build_module(MODULES / f"{name}.c", tmp_path_factory.mktemp(name))
        return built[name]
    return build


@pytest.fixture
def daemon(folder, kafka, redis):
    """Makes daemons on the real Kafka and the private Redis: daemon([module, ...], key=setting)."""
    made = []

    def make(modules, env=None, **settings):
        made.append(support.Daemon(folder / f"daemon-{len(made)}", kafka, redis, modules, settings, env))
        ends.callback(made[-1].end)
        return made[-1].start()
    with contextlib.ExitStack() as ends:  # each is ended, also where the end of another fails
        yield make


@pytest.fixture
def dev(folder):
    """Makes a `stepd dev`: dev([module, ...], "--option", ...)."""
    made = []

    def make(modules=(), *words, env=None):
        made.append(support.Dev(folder / f"dev-{len(made)}", modules, *words, env=env))
        ends.callback(made[-1].stop)
        return made[-1].start()
    with contextlib.ExitStack() as ends:
        yield make
