"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

# Examples are the same in every run, and a busy machine is not a fault of the code under test.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

SHARED = "METASIREN_SHARED_DATA"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder with real data (faces, sounds, scans) that is not part of the project.

    It is named by METASIREN_SHARED_DATA, or lies beside the checkout; without it, tests of real data skip.
    """
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get(SHARED, default))
    if not folder.is_dir():
        pytest.skip(f"NO REAL DATA: {folder} is not there; set {SHARED} to test on real faces")
    return folder


@pytest.fixture
def faces_npz(shared_data: Path) -> Path:
    """9,018 real faces of 32x32 pixels."""
    path = shared_data / "faces" / "celeba_10k_32.npz"
    if not path.is_file():
        pytest.skip(f"NO REAL FACES: {path} is not there")
    return path


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """A seed, and the processor as it was: commands set it for their whole process."""
    torch.manual_seed(0)
    yield
    torch.set_flush_denormal(False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `gpu` skip without CUDA, tests marked `slow` run when they are asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cuda = torch.cuda.is_available()
    asked = "slow" in (config.getoption("-m") or "")
    for item in items:
        if item.get_closest_marker("gpu") and not cuda:
            item.add_marker(pytest.mark.skip(reason="NO GPU: this test needs CUDA"))
        if item.get_closest_marker("slow") and not asked:
            item.add_marker(pytest.mark.skip(reason="SLOW: run with -m slow"))


def heed_signals() -> None:
    """Signals that were ignored when the tests began, as a shell sets SIGINT for what it starts with &, act again."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    for each, handler in usual.items():
        if signal.getsignal(each) is signal.SIG_IGN:
            signal.signal(each, handler)


def pytest_configure() -> None:
    """Before any test."""
    heed_signals()
