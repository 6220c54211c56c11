"""The paper's results are planned within the time, run once, resumed, and laid beside the paper's numbers."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from browser import browser
from click.testing import CliRunner

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.runs.lock import locked
from metasiren_report.reproduction import running
from metasiren_report.reproduction.page import entries_of, write_page
from metasiren_report.reproduction.planning import Result, Step, Way, all_results, plan
from metasiren_report.reproduction.running import DONE, FAILED, LEFT, command_of, is_done, run_all

TINY = {
    "data.size": 16,
    "siren.hidden_features": 8,
    "train.steps": 3,
    "train.log_every": 1,
    "train.checkpoint_every": 1,
}


def _step(name: str = "tiny", **change: object) -> Step:
    way = Way(preset="quick", minutes=1, set={**TINY, **change}, like_the_paper=True)
    return Step(name, Result(title="A picture", recipe="image", numbers={"psnr_db": 12.5}, ways=[way]), way, ())


@pytest.mark.parametrize("name", list(all_results()))
def test_every_way_s_recipe_loads_with_its_changes(name: str) -> None:
    result = all_results()[name]
    for way in result.ways:
        ms.load_recipe(result.recipe, preset=way.preset, overrides=way.set)
    minutes = [way.minutes for way in result.ways if not way.gpu]
    assert minutes, "something can run without a GPU"


def test_the_paper_s_table_of_faces_is_whole() -> None:
    rows = {name: result.numbers for name, result in all_results().items() if name.startswith("faces")}
    assert set(rows) == {"faces_cnn", "faces_set_sine", "faces_set_relu", "faces_pconv"}
    assert all(len(numbers) == 5 and None not in numbers.values() for numbers in rows.values())
    assert rows["faces_cnn"]["mse at 100"] == 0.009


@pytest.mark.parametrize("minutes", [0.5, 3, 20, 60, 10_000])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_plan_fits_into_its_time(minutes: float, workers: int) -> None:
    steps = plan((), minutes, {}, workers=workers)
    assert [step.name for step in steps] == list(all_results())
    assert sum(step.way.minutes for step in steps if step.way) <= minutes * workers


def test_more_time_never_plans_fewer_results() -> None:
    counts = [sum(step.way is not None for step in plan((), minutes, {})) for minutes in (1, 5, 10, 20, 40, 80)]
    assert counts == sorted(counts)
    assert counts[-1] == len(all_results())


def test_spare_time_buys_better_ways(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    short, long = (plan(("bach",), minutes, {"bach": tmp_path / "a.wav"})[0] for minutes in (2, 30))
    assert short.way is not None
    assert long.way is not None
    assert (short.way.preset, long.way.preset) == ("quick", "fast")
    assert "takes 8 min" in short.lacking[0]
    without = plan(("bach",), 30, {})[0]
    assert "--data bach=PATH" in without.lacking[0]


def test_presets_are_listed_by_their_present_names_and_folders_keep_theirs() -> None:
    done = CliRunner().invoke(cli, ["reproduce", "--list", "--time", "30m", "--devices", "cpu", "photograph", "bikes"])
    assert done.exit_code == 0, done.exception
    words = done.stdout.replace("(", " ").replace(":", " ").split()
    assert {"cpu", "cpu_whole", "paper_text"} <= set(words)
    assert not {"fast", "hour", "laptop", "paper"} & set(words)
    assert plan(("photograph",), 30, {})[0].folder == "photograph-fast"


def test_unknown_names_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ms.RunError, match="Did you mean 'wave'"):
        plan(("wawe",), 10, {})
    with pytest.raises(ms.RunError, match="no data of these"):
        plan((), 10, {"cello": tmp_path})
    with pytest.raises(ms.RunError, match="no file"):
        plan((), 10, {"bach": tmp_path / "none.wav"})


def test_a_result_is_run_once_and_shown_beside_the_paper_s(tmp_path: Path) -> None:
    step = _step()
    (outcome,) = run_all([step], tmp_path, devices=["cpu"], seconds=300, files={})
    assert outcome.state == DONE, outcome.reason
    (entry,) = entries_of([step], tmp_path)
    ours = json.loads((tmp_path / "tiny-quick" / "results" / "metrics.json").read_text())["psnr_db"]
    assert (entry.lines[0].paper, entry.lines[0].ours) == ("12.5", f"{ours:.4g}")
    assert entry.comparable
    page = write_page([step], tmp_path).read_text("utf-8")
    assert "12.5" in page
    assert f"{ours:.4g}" in page
    assert "<td>PSNR (dB)</td>" in page
    assert "true ones above, those of the field below" in page
    written = (tmp_path / "tiny-quick" / "metrics.jsonl").stat().st_mtime_ns
    assert run_all([step], tmp_path, devices=["cpu"], seconds=0, files={})[0].state == DONE
    assert (tmp_path / "tiny-quick" / "metrics.jsonl").stat().st_mtime_ns == written


def test_every_link_of_the_page_leads_somewhere(tmp_path: Path) -> None:
    made, waiting = _step(), _step("other")
    run_all([made], tmp_path, devices=["cpu"], seconds=300, files={})
    page = write_page([made, waiting, *plan((), 0.5, {})], tmp_path).read_text("utf-8")
    places = re.findall(r'href="([^"]*)"', page)
    assert "#tiny" in places
    for place in places:
        assert place == "data:," or f'id="{place[1:]}"' in page or (tmp_path / place).is_file(), place


@pytest.mark.parametrize("width", [360, 1440])
def test_the_table_of_all_results_fits_a_telephone(tmp_path: Path, width: int) -> None:
    page = write_page(plan((), 0.5, {}), tmp_path)
    with browser() as opened:
        tab = opened.new_page(viewport={"width": width, "height": 800})
        tab.goto(page.as_uri())
        assert tab.evaluate("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
        assert tab.locator(".results td.n").first.is_visible()


def test_a_run_with_a_checkpoint_goes_on(tmp_path: Path) -> None:
    step = _step()
    recipe = ms.load_recipe("image", preset="quick", overrides=TINY)
    folder = ms.run(recipe, tmp_path / step.folder, device="cpu").path
    (folder / "results" / "training.json").unlink()
    assert not is_done(folder)
    assert "--resume" in command_of(step, folder, "cpu", 60, {})
    assert run_all([step], tmp_path, devices=["cpu"], seconds=300, files={})[0].state == DONE


def test_a_training_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    step = _step(**{"train.steps": 3})
    folder = ms.run(ms.load_recipe("image", preset="quick", overrides=TINY), tmp_path / step.folder, device="cpu").path
    training = json.loads((folder / "results" / "training.json").read_text())
    (folder / "results" / "training.json").write_text(json.dumps({**training, "stopped": "the time is up"}))
    assert entries_of([step], tmp_path)[0].state == "cut short"
    assert not entries_of([step], tmp_path)[0].comparable
    assert "--resume" in command_of(step, folder, "cpu", 60, {})
    assert run_all([step], tmp_path, devices=["cpu"], seconds=300, files={})[0].state == DONE
    assert entries_of([step], tmp_path)[0].comparable


def test_a_run_that_stopped_before_its_first_checkpoint_is_set_aside(tmp_path: Path) -> None:
    step = _step()
    (tmp_path / step.folder).mkdir()
    (tmp_path / step.folder / "recipe.yaml").write_text("data: none\n")
    assert run_all([step], tmp_path, devices=["cpu"], seconds=300, files={})[0].state == DONE
    assert (tmp_path / f"{step.folder}.stopped-1" / "recipe.yaml").is_file()


def test_a_failure_is_told_with_its_reason_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [_step("bad", **{"data.path": "nowhere.png"}), _step("good")]
    started = []
    original = running.command_of
    monkeypatch.setattr(running, "command_of", lambda step, *rest: started.append(step.name) or original(step, *rest))
    bad, good = run_all(steps, tmp_path, devices=["cpu", "cpu"], seconds=300, files={})
    assert (bad.state, good.state) == (FAILED, DONE)
    assert "nowhere.png" in bad.reason
    assert sorted(started) == ["bad", "good"]
    assert "nowhere.png" in (tmp_path / "logs" / "bad-quick.log").read_text()


def test_each_step_says_where_it_began_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [sys.executable, "-c", "print('nowhere.png: no file.'); exit(1)"]
    monkeypatch.setattr(running, "command_of", lambda *_: words)
    steps, said = [_step(f"step{i}") for i in range(2)], list[str]()
    outcomes = run_all(
        steps, tmp_path, devices=["cpu", "cpu"], seconds=300, files={},
        begun=lambda step, device: said.append(f"{step.name} begins on {device}"),
        watch=lambda outcome: said.append(f"{outcome.step.name} {outcome.state} on {outcome.device}"),
    )  # fmt: skip
    assert [outcome.step.name for outcome in outcomes] == ["step0", "step1"]
    assert sorted(said[:2]) == ["step0 begins on cpu", "step1 begins on cpu"]
    assert sorted(said[2:]) == ["step0 failed on cpu", "step1 failed on cpu"]
    assert {outcome.reason for outcome in outcomes} == {"nowhere.png: no file."}


def test_a_run_that_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    step = _step()
    (tmp_path / step.folder).mkdir()
    with locked(tmp_path / step.folder):
        (outcome,) = run_all([step], tmp_path, devices=["cpu"], seconds=300, files={})
    assert outcome.state == FAILED
    assert "in use by process" in outcome.reason
    assert [path.name for path in tmp_path.iterdir() if path.is_dir() and path.name != "logs"] == [step.folder]


def test_nothing_starts_after_the_time(tmp_path: Path) -> None:
    (outcome,) = run_all([_step()], tmp_path, devices=["cpu"], seconds=0, files={})
    assert outcome.state == LEFT
    assert outcome.device == "", "no process ran"
    assert not (tmp_path / "tiny-quick").exists()


def test_the_list_says_what_takes_how_long(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["reproduce", "helmholtz", "--list", "--time", "10m", "-o", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "Figure 5" in done.stdout
    assert "2 min" in done.stdout
    short = CliRunner().invoke(cli, ["reproduce", "bach", "--list", "--time", "1m"])
    assert "about 1 minute on" in short.stderr
    assert not (tmp_path / "out").exists()


def test_a_run_says_how_long_it_takes_and_where_its_progress_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin_all(steps: list[Step], *_: Any, begun: Any, **__: Any) -> list[Any]:
        for step in steps:
            begun(step, "cpu")
        return []

    monkeypatch.setattr("metasiren_report.reproduction.running.run_all", begin_all)
    done = CliRunner().invoke(cli, ["reproduce", "helmholtz", "--time", "10m", "-o", str(tmp_path)])
    log = tmp_path / "logs" / "helmholtz-fast.log"
    assert f"helmholtz: begins on cpu, about 2 min; it writes {log}\n" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--time", "soon"], "no duration"), (["--data", "bach"], "NAME=PATH"), (["--devices", ","], "no device")],
)
def test_wrong_options_are_errors(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(cli, ["reproduce", "--list", *arguments])
    assert isinstance(done.exception, ms.MetasirenError)
    assert words in str(done.exception)
