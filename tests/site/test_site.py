"""The documentation site builds without a warning, and describes every public name."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browser import browser

import metasiren as ms

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("mkdocs", "material", "mkdocstrings")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    lacking = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if lacking:
        pytest.skip(f"NO {', '.join(lacking).upper()}: python -m pip install mkdocs-material 'mkdocstrings[python]'")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def test_the_reference_holds_every_public_name(site: Path) -> None:
    page = (site / "reference" / "index.html").read_text("utf-8")
    assert [name for name in ms.__all__ if f'id="metasiren.{name}"' not in page] == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r'<(?:script|img|link rel="stylesheet")[^>]*?(?:src|href)="(https?:)?//')
    assert [str(page) for page in site.rglob("*.html") if loaded.search(page.read_text("utf-8"))] == []


def test_pages_fit_a_phone_and_names_in_tables_stay_whole(site: Path) -> None:
    # Names of options and recipes, not commands or paths, which may break.
    broken = """() => [...document.querySelectorAll('.md-typeset__table code')]
        .filter(c => /^\\w+$/.test(c.innerText) && c.getClientRects().length > 1).map(c => c.innerText)"""
    with browser() as opened:
        tab = opened.new_page(viewport={"width": 390, "height": 800})
        for page in ("index.html", "start/index.html", "faces/index.html", "priors/index.html", "results/index.html"):
            tab.goto((site / page).as_uri())
            assert tab.evaluate(broken) == [], page
            assert tab.evaluate("document.documentElement.scrollWidth") == 390, page
            wide = "[...document.querySelectorAll('.md-content img')].filter(i => i.clientWidth > innerWidth).length"
            assert tab.evaluate(wide) == 0, page


def test_the_pages_can_be_searched(site: Path) -> None:
    assert "Helmholtz" in (site / "search" / "search_index.json").read_text("utf-8")
