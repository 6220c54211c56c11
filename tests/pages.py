"""Code blocks of documentation pages, to be executed.

<!-- write: PATH -->   the next block is the file's new content
<!-- output -->        the next block is what the last one prints; `...` stands for anything
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>]*?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the note before it (`output`, `write: PATH` or nothing)."""

    language: str
    text: str
    note: str


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page in order."""
    found = _BLOCK.finditer(page.read_text("utf-8"))
    return [Block(match["language"], match["text"], match["note"] or "") for match in found]


def agrees(printed: str, shown: str) -> bool:
    """Whether what was printed is what the page shows, `...` standing for anything."""
    pattern = ".*".join(re.escape(part.strip("\n")) for part in re.split(r"\.\.\.\n?", shown.strip("\n")))
    return re.fullmatch(pattern + r"\s*", printed.strip("\n"), re.DOTALL) is not None
