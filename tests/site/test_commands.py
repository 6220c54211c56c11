"""Every command on the pages is one: its options, files and extras exist, its recipe loads, its `--set` keys count."""

from __future__ import annotations

import ast
import configparser
import importlib
import importlib.util
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import click.shell_completion
import pytest
from page_commands import PAGES, ROOT, Command, commands
from pages import blocks
from stand_ins import make_stand_ins

import metasiren as ms
from metasiren.assembly.parts import check_options
from metasiren.cli.commands import cli
from metasiren.recipe import read_overrides
from metasiren.registry.catalogue import Catalogue, options_model

# What a page leaves to its reader: a run, a folder, a name.
BLANK = re.compile(r"^(?:[A-Z]{2,}…?|K|…|FILE\.\w+|\S*acme\S*|\$p)$")
NUMBERS = {"K": "3", "N": "3"}
KINDS = {"KIND": "encoder"}


@pytest.fixture(scope="module", autouse=True)
def _files_of_a_reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The folder that commands are checked in holds the files that pages speak of."""
    folder, before = tmp_path_factory.mktemp("reader"), Path.cwd()
    make_stand_ins(folder)
    os.chdir(folder)
    yield
    os.chdir(before)


@cache
def catalogue() -> Catalogue:
    return ms.load_catalogue()


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's path and its parameters; click's error where a word is unknown."""
    context = cli.make_context("metasiren", list(words))
    command: click.Command = cli
    rest, path = list(context._protected_args) + list(context.args), []
    while isinstance(command, click.Group) and rest:
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        assert name is not None
        path.append(name)
        command = found
        context = command.make_context(name, list(rest), parent=context)
        rest = list(context._protected_args) + list(context.args) if isinstance(command, click.Group) else []
    return " ".join(path), context.params


def check_metasiren(words: list[str], *, whole: bool) -> None:
    """Check one command line of metasiren; in a sentence (not `whole`) arguments may be left out."""
    if not words:
        return
    if any(symbol in word for word in words for symbol in "…|") and not whole:
        words = [re.sub(r"…|\|.*", "", word) for word in words]
    for word in words:
        if word.startswith("runs/") and Path(word).suffix:  # a file that an earlier command of the page writes
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).write_text("{}", "utf-8")
    filled = [NUMBERS.get(word, KINDS.get(word, word)) for word in words if word]
    try:
        name, given = parsed(filled)
    except click.exceptions.Exit:  # what --help ends with
        return
    except click.UsageError as error:
        incomplete = isinstance(error, click.MissingParameter) or "Missing command" in error.message
        if not whole and (incomplete or words[0].startswith("--")):
            return
        raise
    recipe = given.get("recipe")
    named = recipe and recipe != "recipe.yaml" and not BLANK.match(str(recipe))
    if name in ("run", "compare", "solve", "zoo") and named:
        load = {"preset": given.get("preset"), "overrides": read_overrides(given.get("pairs", ()))}
        check_options(ms.load_recipe(str(recipe), **load), catalogue())
    if name == "describe" and not BLANK.match(str(given["name"])):
        catalogue().offer(given["kind"], given["name"], "page")
    if name == "render":
        check_renderer(given)


def check_renderer(given: dict[str, Any]) -> None:
    """Options of a renderer belong to at least one of them."""
    options = read_overrides(given["pairs"])
    names = [given["renderer"]] if given.get("renderer") else catalogue().names("renderer")
    known = [options_model("renderer", catalogue().factory("renderer", name, "page")).model_fields for name in names]
    assert not options or any(options.keys() <= fields.keys() for fields in known), options


def check_python(words: list[str]) -> None:
    """Check `python …`: the file and its options, or the module, or what pip is asked for."""
    if words[:3] == ["-m", "pip", "install"]:
        with (ROOT / "pyproject.toml").open("rb") as file:
            extras = tomllib.load(file)["project"]["optional-dependencies"]
        asked = [part for word in words[3:] for part in re.findall(r"(?:metasiren|\.)\[([^\]]+)\]", word)]
        assert {name for part in asked for name in part.split(",")} <= extras.keys(), asked
    elif words[0] == "-m":
        assert importlib.util.find_spec(words[1]) is not None, words[1]
    else:
        text = (ROOT / words[0]).read_text("utf-8")
        assert [word for word in words[1:] if word.startswith("--") and f'{word.lstrip("-")}"' not in text] == []


def check_tox(words: list[str]) -> None:
    """Check that tox has the environment, and that it takes what comes after `--`."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "tox.ini")
    named = [words[number + 1] for number, word in enumerate(words) if word == "-e"]
    for name in named:
        assert name == "py" or f"testenv:{name}" in settings, name


def check(command: Command) -> None:
    """Check any command of a page."""
    text = command.text
    if text.startswith("for "):
        inner = re.search(r"do (.*?); done", text)
        assert inner, text
        words = shlex.split(inner[1])
    elif "_METASIREN_COMPLETE=" in text:
        found = re.search(r"_METASIREN_COMPLETE=(\w+)_source metasiren", text)
        assert found, text
        assert found[1] in click.shell_completion._available_shells
        return
    else:
        words = command.words
    program, rest = words[0], words[1:]
    if program == "torchrun":
        start = rest.index("metasiren")
        assert rest[start - 1] == "-m", text
        program, rest = "metasiren", rest[start + 1 :]
    if program == "metasiren":
        check_metasiren(rest, whole=command.where != "sentence")
    elif program == "python":
        check_python(rest)
    elif program == "tox":
        check_tox(rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_on_the_page_exist(page: Path) -> None:
    wrong = []
    for command in commands(page):
        try:
            check(command)
        except (click.UsageError, ms.MetasirenError, AssertionError, OSError) as error:
            message = error.format_message() if isinstance(error, click.ClickException) else str(error)
            wrong.append(f"{command}\n    {message}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_on_the_page_compiles_and_its_imports_exist(page: Path) -> None:
    for block in blocks(page):
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("metasiren"):
                module = importlib.import_module(node.module or "")
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []


def test_commands_are_found() -> None:
    found = [command for page in PAGES for command in commands(page)]
    assert len(found) > 200
    assert sum(command.where == "table" for command in found) > 25


@pytest.mark.parametrize(
    "text",
    [
        "metasiren run imag",
        "metasiren run image --preset quik",
        "metasiren run image --stepz 3",
        "metasiren run image --set data.sise=3",
        "metasiren run image --set siren.hidden=3",
        "metasiren describe encoder cn",
        "metasiren render RUN -o a.png --set kernl=bilinear",
        "metasiren wander",
        "python -m pip install '.[everything]'",
        "python benchmarks/none.py",
        "python benchmarks/derivatives.py --wrong",
        "tox -e none",
        "for p in a; do metasiren run imag --set data.photograph=$p; done",
        "torchrun --nproc_per_node=2 -m metasiren run imag",
    ],
)
def test_a_command_that_does_not_exist_is_found(text: str) -> None:
    with pytest.raises((click.UsageError, ms.MetasirenError, AssertionError, OSError)):
        check(Command(ROOT / "README.md", 1, text, "block"))
