"""How every test of this folder runs, and what the tests of deployments share."""

import sys

# Nothing is left beside the sources.
sys.dont_write_bytecode = True

import pytest  # noqa: E402
from deployment import build  # noqa: E402
from emulator import Emulator  # noqa: E402


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    with Emulator(tmp_path_factory.mktemp("ministack")) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def built():
    """The functions as they are deployed; minutes of work, done once."""
    build()
