# SPDX-License-Identifier: Apache-2.0
"""What tests need from elsewhere: one that can't have it is skipped, and in CI, which skips nothing, has failed."""
import contextlib
import os

import pytest

import support


def skip(why):
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI skips nothing: {why}")
    pytest.skip(why)


@contextlib.contextmanager
def kafka(folder, *properties):
    """A real broker, until the tests that need it are over."""
    try:
        server = support.Kafka(folder, *properties)
    except support.KafkaCantBeHad as why:
        skip(str(why))
    yield server
    server.stop()
