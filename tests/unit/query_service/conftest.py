"""A database without a server, and what the service records of itself."""

import pytest
from tests.support.query_parts import FakeDatabase

from orgtrail.testing import Recorder


@pytest.fixture
def database():
    return FakeDatabase()


@pytest.fixture
def audit():
    with Recorder() as recorder:
        yield recorder
