"""The tutorial does what it says: its blocks are run in order, in a fresh environment, and print what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import Environment, build_wheel, make_environment
from pages import DOCS, agrees, blocks

PAGE = DOCS / "write_an_encoder.md"


@pytest.fixture
def own(tmp_path: Path) -> Environment:
    """An environment of its own: the tutorial installs into it."""
    return make_environment(tmp_path / "environment", build_wheel(tmp_path / "wheel"))


def test_every_block_runs_and_prints_what_is_shown(own: Environment, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    printed = ""
    for block in blocks(PAGE):
        text = block.text.replace("/tmp/acme-first", str(tmp_path / "first"))
        if block.note == "output":
            assert agrees(printed, text), f"shown:\n{text}\nprinted:\n{printed}"
        elif block.note.startswith("write: "):
            (here / block.note.removeprefix("write: ")).write_text(text, "utf-8")
        elif block.language == "bash":
            # Dependencies are here already; the build backend too, so that no network is needed.
            script = f"export PIP_NO_BUILD_ISOLATION=0 PIP_QUIET=1\n{text}\npwd > {tmp_path / 'where'}\n"
            printed = own.run("bash", "-e", "-o", "pipefail", "-c", script, cwd=here).stdout
            here = Path((tmp_path / "where").read_text().strip())
        else:
            assert block.language == "python", block
            printed = own.run(own.python, "-c", text, cwd=here).stdout
    assert "acme-max" in str(here)


def test_a_page_that_shows_something_else_would_be_noticed() -> None:
    assert agrees("one\ntwo\nthree\n", "one\n...\nthree\n")
    assert agrees("12 passed in 3 s", "... passed...")
    assert not agrees("one\ntwo\n", "one\n")
    assert not agrees("one\ntwo\nfour\n", "one\n...\nthree\n")
