"""Text on a terminal: lines and tables that fit its width. Files and pipes get tables as plain Markdown."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from itertools import groupby
from textwrap import fill, wrap

import click


def terminal_width() -> int | None:
    """Columns of the terminal that shows the output; None where the output goes to a file or to a program."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def show_markdown(text: str) -> None:
    """Print Markdown with tables: fitted to a terminal, unchanged to anything else."""
    width = terminal_width()
    click.echo(text if width is None else fitted(text, width))


def shorten_line(line: str, width: int) -> str:
    """A line of at most `width` characters: cut after a word, with a sign of the cut, where it is longer."""
    if len(line) <= width:
        return line
    words = line[: width - 1].rpartition(" ")[0].rstrip(" ,;:(")
    return f"{words} …" if words else f"{line[: width - 1]}…"


def fitted(text: str, width: int) -> str:
    """Markdown whose paragraphs and tables are at most `width` characters wide, where their words allow it.

    Tables that are too wide become several, one below the other. Each repeats the row names.
    """
    parts: list[str] = []
    for is_table, lines in groupby(text.rstrip("\n").split("\n"), lambda line: line.startswith("| ")):
        if is_table:
            parts.append(_table([_cells(line) for line in lines], width))
        else:
            parts += [_paragraph(line, width) for line in lines]
    return "\n".join(parts) + "\n"


def _paragraph(line: str, width: int) -> str:
    indent = "  " if line.startswith("- ") else ""
    return line and fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\) \| ", line[2:-2])


def _table(lines: Sequence[Sequence[str]], width: int) -> str:
    heads, rows = lines[0], lines[2:]
    columns = [[head, *(row[i] for row in rows)] for i, head in enumerate(heads)]
    if _width(columns) > width:
        names = [_wrapped(cell, max(2 * width // 5, 8)) for cell in columns[0]]
        room = max(width - max(map(_longest, names)) - 7, 8)  # 7: the borders of two columns
        others = [[_wrapped(cell, room) for cell in column] for column in columns[1:]]
    else:
        names = [[cell] for cell in columns[0]]
        others = [[[cell] for cell in column] for column in columns[1:]]
    blocks = [[names]]
    for column in others:
        if len(blocks[-1]) > 1 and _width([*blocks[-1], column]) > width:
            blocks.append([names])
        blocks[-1].append(column)
    return "\n\n".join(_drawn(block) for block in blocks)


def _wrapped(cell: str, width: int) -> list[str]:
    return wrap(cell, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) or [""]


def _longest(cell: Sequence[str] | str) -> int:
    return len(cell) if isinstance(cell, str) else max(map(len, cell))


def _width(columns: Sequence[Sequence[Sequence[str] | str]]) -> int:
    return sum(3 + max(3, *map(_longest, column)) for column in columns) + 1


def _drawn(columns: Sequence[Sequence[Sequence[str]]]) -> str:
    """Aligned Markdown: the first column to the left, others to the right. A cell is a list of lines."""
    sizes = [max(3, *map(_longest, column)) for column in columns]
    lines = []
    for row in zip(*columns, strict=True):
        for i in range(max(map(len, row))):
            texts = [cell[i] if i < len(cell) else "" for cell in row]
            padded = [
                texts[0].ljust(sizes[0]),
                *(text.rjust(size) for text, size in zip(texts[1:], sizes[1:], strict=True)),
            ]
            lines.append(f"| {' | '.join(padded)} |")
    head = max(len(column[0]) for column in columns)
    rule = ["-" * sizes[0], *("-" * (size - 1) + ":" for size in sizes[1:])]
    return "\n".join([*lines[:head], f"| {' | '.join(rule)} |", *lines[head:]])
