"""A real Chromium for tests of pages: they skip, loudly, where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "METASIREN_CHROMIUM"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def chromium() -> str:
    """The browser that METASIREN_CHROMIUM names, or one on the path."""
    found = os.environ.get(VARIABLE) or shutil.which("chromium") or shutil.which("google-chrome")
    if not found or not Path(found).is_file():
        pytest.skip(f"NO CHROMIUM: install it (apt-get install chromium), or name one in {VARIABLE}")
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """Playwright's browser object."""
    playwright = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: python -m pip install playwright")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()
