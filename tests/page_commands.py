"""Command lines of the README and the documentation pages, and what each of them needs.

A command stands in a fenced or indented block, in a table, or in a sentence. A comment before a block, or in the line
of a table, says what its commands need beyond a processor and files that a test can make (in a block, `# needs a GPU`
after a command does, too):

<!-- needs: gpu -->       a GPU
<!-- needs: celeba -->    a data set that is not shipped; or another word for it
<!-- needs: checkout -->  changes the environment or the copy of the repository: it is the reader's own
<!-- first: COMMAND -->   makes the runs that a page takes from another one
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pages import DOCS

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PROGRAMS = ("metasiren", "python", "tox", "torchrun", "tensorboard", "pip", "mkdocs", "eval", "for", "cd")
_NEEDS = re.compile(r"<!-- needs: ([^>]*?) -->")
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
        where: a command of a sentence may be only the beginning of one.
        needs: what a test cannot make.
    """

    page: Path
    line: int
    text: str
    where: Where
    needs: frozenset[str] = frozenset()

    @property
    def words(self) -> list[str]:
        """As a shell splits it."""
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text}"


def commands(page: Path) -> list[Command]:
    """The commands of a page in its order."""
    return list(_commands(page))


def _commands(page: Path) -> Iterator[Command]:
    lines = page.read_text("utf-8").splitlines()
    fence, needs, number = "", frozenset[str](), 0
    while number < len(lines):
        first, line = number + 1, lines[number]
        number += 1
        said, setup = _NEEDS.search(line), _FIRST.match(line)
        if setup and not fence:
            yield Command(page, first, setup[1], "block")
            continue
        if line.startswith("```"):
            fence = "" if fence else line
            needs = needs if fence else frozenset()
            continue
        if said and not line.startswith("|") and not fence:
            needs = frozenset(re.split(r",\s*", said[1]))
            continue
        shell = fence in ("```", "```sh", "```bash", "```console")
        if shell or (not fence and line.startswith("    ")):
            while line.endswith("\\") and number < len(lines):
                line = line[:-1] + lines[number]
                number += 1
            for text in _split(line):
                own = needs | {"gpu"} if "needs a GPU" in line else needs
                yield Command(page, first, text, "block", own)
        elif not fence:
            # A comment before an indented block counts for all of it, blank lines included.
            needs = needs if not line else frozenset()
            own = frozenset(re.split(r",\s*", said[1])) if said else needs
            for text in re.findall(r"`([^`]+)`", line):
                for part in _split(text):
                    yield Command(page, first, part, "table" if line.startswith("|") else "sentence", own)


def _split(line: str) -> list[str]:
    """The commands of a line of shell; nothing where it is something else."""
    text = line.strip()
    if not _START.match(text):
        return []
    text = re.sub(r"\s{2,}#.*|\s# .*", "", text)
    return [text] if text.startswith(("for ", "eval ")) else [part.strip() for part in text.split(" && ")]
