"""Command lines of the README and the documentation pages, and what becomes of each in the tests.

A command stands in a fenced or indented block, in a table, or in a sentence. The comment `<!-- first: COMMAND -->`
makes the runs that a page takes from another one. `not_run.py` lists what no test runs.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from not_run import REASONS
from pages import DOCS

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PROGRAMS = ("metasiren", "python", "tox", "torchrun", "tensorboard", "pip", "mkdocs", "eval", "for", "cd")
_FIRST = re.compile(r"<!-- first: (.*?) -->")
_START = re.compile(rf"(?:_METASIREN_COMPLETE=\w+ )?(?:{'|'.join(PROGRAMS)})(?: |$)")

Where = Literal["block", "table", "sentence"]


@dataclass(frozen=True)
class Command:
    """A command line of a page.

    Attributes:
        page: its file.
        line: its first line there.
        text: without comments, continued lines joined.
        where: in a block, a table or a sentence.
    """

    page: Path
    line: int
    text: str
    where: Where

    @property
    def words(self) -> list[str]:
        """As a shell splits it."""
        return shlex.split(self.text)

    @property
    def name(self) -> str:
        """The text with single spaces, by which `not_run.py` names it."""
        return " ".join(self.text.split())

    @property
    def reason(self) -> str:
        """Why no test runs it; empty where one does."""
        return REASONS.get(self.name, "")

    @property
    def quick(self) -> bool:
        """Whether it neither trains nor looks at a run, and is run by default."""
        light = r"metasiren (?:plugins|recipes|describe|new|schema|reproduce --list|--help)\b|.*_METASIREN_COMPLETE="
        return not self.reason and re.match(light, self.name) is not None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text}"


def commands(page: Path) -> list[Command]:
    """The commands of a page in its order."""
    return list(_commands(page))


def _commands(page: Path) -> Iterator[Command]:
    lines = page.read_text("utf-8").splitlines()
    fence, number = "", 0
    while number < len(lines):
        first, line = number + 1, lines[number]
        number += 1
        setup = _FIRST.match(line)
        if setup and not fence:
            yield Command(page, first, setup[1], "block")
            continue
        if line.startswith("```"):
            fence = "" if fence else line
            continue
        shell = fence in ("```", "```sh", "```bash", "```console")
        if shell or (not fence and line.startswith("    ")):
            while line.endswith("\\") and number < len(lines):
                line = line[:-1] + lines[number]
                number += 1
            for text in _split(line):
                yield Command(page, first, text, "block")
        elif not fence:
            # A command may go on in the next line of its sentence.
            while line.count("`") % 2 and number < len(lines) and lines[number].strip():
                line = f"{line} {lines[number].strip()}"
                number += 1
            for text in re.findall(r"`([^`]+)`", line):
                for part in _split(text):
                    yield Command(page, first, part, "table" if line.startswith("|") else "sentence")


def _split(line: str) -> list[str]:
    """The commands of a line of shell; nothing where it is something else."""
    text = line.strip()
    if not _START.match(text):
        return []
    text = re.sub(r"\s{2,}#.*|\s# .*", "", text)
    return [text] if text.startswith(("for ", "eval ")) else [part.strip() for part in text.split(" && ")]
