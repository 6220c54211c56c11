"""Every metasiren command on the pages is one: its options exist, its recipe, preset and changed keys load."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pages import DOCS, blocks

from metasiren.cli.commands import cli
from metasiren.recipe import load_recipe, read_overrides

PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
# Placeholders of a person's own, and names made on the page itself.
OWN = re.compile(r"[A-Z]{3,}|\$|acme|recipe\.yaml")


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command line in the page's fenced blocks and tables."""
    text = [block.text for block in blocks(page) if block.language in ("", "sh", "bash", "console")]
    text += re.findall(r"^    (metasiren .*(?:(?<=\\)\n.*)*)$", page.read_text("utf-8"), re.MULTILINE)
    for line in "\n".join(text).replace("\\\n", " ").splitlines():
        for part in line.split("&&"):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:
                continue
            if words[:1] == ["metasiren"]:
                yield words[1:]


def parsed(words: list[str]) -> tuple[str, dict[str, object]]:
    """The command's path and its parameters; click's error where a word is unknown."""
    context = cli.make_context("metasiren", list(words))
    command: click.Command = cli
    rest, path = list(context._protected_args) + list(context.args), []
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        assert name is not None
        path.append(name)
        command = found
        context = command.make_context(name, list(rest), parent=context)
        if isinstance(command, click.Group):
            rest = list(context._protected_args) + list(context.args)
    return " ".join(path), context.params


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_on_the_page_exist(page: Path) -> None:
    for words in commands(page):
        line = " ".join(words)
        if line in ("", "schema -o recipe.schema.json") or "…" in line or "..." in line:
            continue
        try:
            name, given = parsed(words)
        except click.UsageError as error:
            pytest.fail(f"{page.name}: metasiren {line}: {error.message}")
        recipe = given.get("recipe")
        if name in ("run", "compare", "solve") and recipe and not OWN.search(str(recipe)):
            load_recipe(str(recipe), preset=given.get("preset"), overrides=read_overrides(given["pairs"]))  # type: ignore[arg-type]


def test_pages_with_commands_are_found() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 60
