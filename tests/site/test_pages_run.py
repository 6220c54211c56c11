"""Every command of the README and the pages, run with the wheel in a fresh environment; trainings stop after 20 s."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import Environment, build_wheel, make_environment
from page_commands import PAGES, ROOT, Command, commands
from run_pages import completed, lacking, run_page, starts_app

LIMIT = "20s"
# test_tutorial.py runs this page, and compares what it prints.
RUN = [page for page in PAGES if page.name != "write_an_encoder.md" and commands(page)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    return make_environment(folder / "venv", build_wheel(folder))


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands_run(page: Path, environment: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = []
    for outcome in run_page(page, environment.folder, tmp_path / "page", LIMIT):
        if outcome.state == "skipped":
            with capsys.disabled():
                print(f"\nSKIPPED {outcome.command}: {outcome.words}")
        elif outcome.state == "failed":
            failed.append(f"{outcome.command}\n{outcome.words[-2000:]}")
    assert not failed, "\n\n".join(failed)


def command(text: str, *needs: str) -> Command:
    return Command(ROOT / "README.md", 1, text, "block", frozenset(needs))


def test_blanks_are_filled_and_times_are_limited() -> None:
    assert completed("metasiren table RUN RUN", ["a", "b", "c"], None) == "metasiren table b c"
    assert completed("metasiren runs DIR", [], None) == "metasiren runs runs"
    assert completed("metasiren run wave --max-time 170", [], "5s") == "metasiren run --max-time 5s wave"
    assert completed("metasiren reproduce --time 2h", [], "5s") == "metasiren reproduce --time 5s"
    assert completed("metasiren reproduce --list", [], "5s") == "metasiren reproduce --list"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metasiren app", True),
        ("metasiren app runs", True),
        ("metasiren run celeba_gaussian --preset app", False),
        ("metasiren apples", False),
        ("python -m metasiren_report.app.packing RUN FILE", False),
    ],
)
def test_only_the_command_app_starts_the_app(text: str, expected: bool) -> None:
    assert starts_app(text) is expected


@pytest.mark.parametrize(
    ("made", "lacks"),
    [
        (command("metasiren run image"), ""),
        (command("metasiren run image --preset paper_text", "gpu"), "gpu"),
        (command("metasiren table RUN RUN"), "a run"),
        (command("python -m pip install '.[all]'"), "checkout"),
        (command("metasiren describe dataset NAME"), "a name"),
    ],
)
def test_what_a_command_lacks_is_named(made: Command, lacks: str) -> None:
    assert lacking(made, ["only one"]) == lacks


def test_marks_of_blocks_lines_and_tables_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "| `metasiren run image` <!-- needs: celeba --> |\n\n<!-- needs: gpu -->\n```\nmetasiren run wave\n```\n"
        "<!-- first: metasiren run sdf -->\n```\nmetasiren run image  # needs a GPU\n"
        "metasiren run fwi \\\n  --seed 1\n```\n",
        "utf-8",
    )
    found = [(one.line, one.text, set(one.needs)) for one in commands(page)]
    assert found == [
        (1, "metasiren run image", {"celeba"}),
        (5, "metasiren run wave", {"gpu"}),
        (7, "metasiren run sdf", set()),
        (9, "metasiren run image", {"gpu"}),
        (10, "metasiren run fwi   --seed 1", set()),
    ]
