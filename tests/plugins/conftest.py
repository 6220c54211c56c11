"""An environment with metasiren's wheel, shared by the tests that install plugins."""

from __future__ import annotations

import pytest
from environments import Environment, build_wheel, make_environment


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """metasiren from a wheel of this checkout, in a fresh virtual environment."""
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    return make_environment(tmp_path_factory.mktemp("environment"), wheel)
