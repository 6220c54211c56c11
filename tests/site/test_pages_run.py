"""Every command of the README and the pages, run with the wheel in a fresh environment; trainings stop after 20 s.

What takes no training is run by default. `not_run.py` names the commands that are not run at all.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from environments import Environment, build_wheel, make_environment
from not_run import NOT_RUN, REASONS
from page_commands import PAGES, ROOT, Command, commands
from run_pages import chosen, completed, main, run_page, starts_app, suitable, wanted

LIMIT = "20s"
ALL = [command for page in PAGES for command in commands(page)]
RUN = [page for page in PAGES if any(not command.quick for command in chosen(page))]
QUICK = list({command.name: command for page in PAGES for command in chosen(page) if command.quick}.values())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    return make_environment(folder / "venv", build_wheel(folder))


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands_run(page: Path, environment: Environment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = []
    for outcome in run_page(page, environment.folder, tmp_path / "page", LIMIT, quick=False):
        if outcome.state == "skipped":
            with capsys.disabled():
                print(f"\nSKIPPED {outcome.command}: {outcome.words}")
        elif outcome.state == "failed":
            failed.append(f"{outcome.command}\n{outcome.words[-2000:]}")
    assert not failed, "\n\n".join(failed)


def test_commands_without_training_run(environment: Environment, tmp_path: Path) -> None:
    failed = []
    for number, command in enumerate(QUICK):
        folder = tmp_path / str(number)
        folder.mkdir()
        # Of a line of completion, what the shell is given to read: not every shell is here.
        script = re.search(r"_METASIREN_COMPLETE=\w+ metasiren", command.text)
        text = script[0] if script else completed(command.text, [], None)
        done = environment.run("bash", "-c", text, cwd=folder, ok=False)
        if done.returncode or not (done.stdout + done.stderr).strip():
            failed.append(f"{command}\n{done.stderr[-2000:]}")
    assert not failed, "\n\n".join(failed)


def test_every_command_is_run_by_default_or_slowly_or_has_a_reason() -> None:
    run = {command.name for page in PAGES for command in chosen(page)}
    assert {command.name for command in ALL} == run | set(REASONS)
    assert not run & set(REASONS)
    assert len(QUICK) > 20
    assert sum(not command.quick for page in RUN for command in chosen(page)) > 200


def test_reasons_have_no_stale_and_no_double_entry() -> None:
    assert set(REASONS) - {command.name for command in ALL} == set()
    named = Counter(command for listed in NOT_RUN.values() for command in listed)
    assert [command for command, count in named.items() if count > 1] == []


def command(text: str) -> Command:
    return Command(ROOT / "README.md", 1, text, "block")


def test_blanks_are_filled_and_times_are_limited() -> None:
    assert completed("metasiren table RUN RUN", ["a", "b", "c"], None) == "metasiren table b c"
    assert completed("metasiren table RUN RUN/results/on-holiday", ["a", "b"], None) == (
        "metasiren table b b/results/on-holiday"
    )
    assert completed("metasiren runs DIR", [], None) == "metasiren runs runs"
    assert completed("metasiren describe dataset NAME", [], None) == "metasiren describe dataset picture"
    assert completed("metasiren render RUN -o FILE", ["a"], None) == "metasiren render a -o file.png"
    assert completed("metasiren evaluate RUN --refine K", ["a"], None) == "metasiren evaluate a --refine 3"
    assert completed("metasiren run wave --max-time 170", [], "5s") == "metasiren run --max-time 5s wave"
    assert completed("metasiren reproduce --time 2h", [], "5s") == "metasiren reproduce --time 5s"
    assert completed("metasiren reproduce --list", [], "5s") == "metasiren reproduce --list"
    assert completed("metasiren compare image --tune", [], "5s") == (
        "metasiren compare --max-time 5s image --tune --tune-steps 64"
    )
    few = " --set data.train=256 --set data.val=32 --set data.test=0"
    assert completed("metasiren run celeba_cnp", [], "5s") == f"metasiren run --max-time 5s celeba_cnp{few}"
    own = "metasiren run celeba_cnp --set data.path=faces.npz"
    assert completed(own, [], "5s") == own.replace("run", "run --max-time 5s")
    assert completed("python benchmarks/optimizers.py --tune 2", [], "5s") == "python benchmarks/optimizers.py --tune 2"


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
    ("text", "expected"),
    [("metasiren run image", 0), ("metasiren table RUN RUN", 2), ("metasiren table RUN RUN/results/on-holiday", 1)],
)
def test_runs_that_a_command_looks_at_are_counted(text: str, expected: int) -> None:
    assert wanted(text) == expected


def test_priors_are_looked_at_by_commands_for_priors() -> None:
    runs = ["runs/celeba_cnn-quick-1", "runs/image-quick-1"]
    assert suitable(runs, True) == runs[:1]
    assert suitable(runs, False) == runs


@pytest.mark.parametrize(
    ("text", "quick"),
    [
        ("metasiren describe encoder cnn", True),
        ("metasiren reproduce --list", True),
        ("metasiren reproduce --time 2h", False),
        ("metasiren new encoder NAME", True),
        ("metasiren run image", False),
        ("python -m pip install .", False),
    ],
)
def test_what_takes_no_training_is_quick(text: str, quick: bool) -> None:
    assert command(text).quick is quick


def test_blocks_lines_tables_and_sentences_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "| `metasiren run image` |\n\n```\nmetasiren run wave\n```\n"
        "<!-- first: metasiren run sdf -->\n```\nmetasiren run image  # needs a GPU\n"
        "metasiren run fwi \\\n  --seed 1\n```\nA sentence has `metasiren run kdv\n--seed 2` in two lines.\n",
        "utf-8",
    )
    found = [(one.line, one.where, one.name) for one in commands(page)]
    assert found == [
        (1, "table", "metasiren run image"),
        (4, "block", "metasiren run wave"),
        (6, "block", "metasiren run sdf"),
        (8, "block", "metasiren run image"),
        (9, "block", "metasiren run fwi --seed 1"),
        (12, "sentence", "metasiren run kdv --seed 2"),
    ]


def test_a_page_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["run_pages.py", "ENVIRONMENT", "--page", "docs/priors.md"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "no page is called docs/priors.md; there are README.md, " in said
    assert " priors.md," in said
