"""The page of a run stands alone, escapes what it prints, stays small, and never makes a run fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import wave
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import browser
from click.testing import CliRunner
from PIL import Image

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren_report import at_the_end, page


class _Addresses(HTMLParser):
    """Collects every address that a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def _copy(run: ms.Run, folder: Path) -> ms.Run:
    shutil.copytree(run.path, folder)
    return ms.open_run(folder)


def test_every_finished_run_has_a_report(pictures: tuple[ms.Run, ms.Run]) -> None:
    text = (pictures[0].results / "report.html").read_text("utf-8")
    assert "PSNR (dB)" in text
    assert "camera" in text


def test_a_report_names_no_address_but_its_own(pictures: tuple[ms.Run, ms.Run], prior: ms.Run) -> None:
    parser = _Addresses()
    parser.feed(page.render_report([*pictures, prior]))
    assert parser.found
    assert all(address.startswith(("data:", "#")) for address in parser.found)
    assert not {"iframe", "object", "embed", "form"} & set(parser.tags)


def test_runs_of_one_name_in_two_folders_keep_their_curves(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    one, two = (_copy(run, tmp_path / folder / "run") for run, folder in zip(pictures, "ab", strict=True))
    text = page.render_report([one, two])
    together = re.search(r"Total loss by step(.*?)Total loss by seconds", text, re.DOTALL)
    assert together is not None
    assert re.findall(r"<polyline[^>]*><title>(.*?)</title>", together[1]) == ["a/run", "b/run"]


def test_the_heading_of_many_runs_names_each_recipe_once(pictures: tuple[ms.Run, ms.Run], prior: ms.Run) -> None:
    heading = re.search(r"<h1>(.*?)</h1>", page.render_report([*pictures, prior]))
    assert heading is not None
    assert heading[1] == "3 runs: image, celeba_gaussian"


def test_losses_of_different_recipes_are_not_set_beside_without_a_word(
    pictures: tuple[ms.Run, ms.Run], prior: ms.Run
) -> None:
    words = "Losses of different recipes have different terms"
    assert words in page.render_report([pictures[0], prior])
    assert words not in page.render_report(pictures)


def test_pictures_say_what_they_show(pictures: tuple[ms.Run, ms.Run]) -> None:
    text = page.render_report([pictures[0]])
    assert "true ones above, those of the field below" in text
    assert "<figcaption>figure</figcaption>" not in text


def test_a_table_with_few_rows_has_a_line_for_each_number(
    pictures: tuple[ms.Run, ms.Run], prior: ms.Run, tmp_path: Path
) -> None:
    tall = page.render_report([pictures[0]])
    assert "<tr><td>Laplacian PSNR (dB)</td>" in tall
    assert 'class="tall"' not in page.render_report([prior])
    run = _copy(pictures[0], tmp_path / "run")
    known = json.loads((run.results / "comparison.json").read_text())
    known["rows"][0]["note"] = "71,632 faces"
    (run.results / "comparison.json").write_text(json.dumps(known))
    assert "71,632 faces" in page.render_report([run])


def test_files_among_the_runs_are_left_out_with_a_word(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    (tmp_path / "comparison.csv").write_text("a,b\n")
    arguments = ["report", str(tmp_path / "comparison.csv"), str(pictures[0].path), "-o", str(tmp_path / "page.html")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.exception
    assert "comparison.csv: a file, not a run; left out" in done.stderr
    assert (tmp_path / "page.html").is_file()
    alone = CliRunner().invoke(cli, ["report", arguments[1], "-o", str(tmp_path / "other.html")])
    assert "not a run" in str(alone.exception)


def test_the_recipe_is_compared_with_the_one_that_ships(pictures: tuple[ms.Run, ms.Run]) -> None:
    text = page.render_report([pictures[1]])
    row = re.search(r"<code>train\.<wbr>optimizer\.<wbr>lr</code></td><td>(.*?)</td><td>(.*?)</td>", text)
    assert row is not None
    assert (float(row[1]), float(row[2])) == (
        ms.load_recipe("image", preset="base").train.optimizer.options["lr"],
        2e-3,
    )


def test_text_from_a_run_is_escaped(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    evil = "<script>alert(1)</script>"
    known = {**json.loads((run.path / "environment.json").read_text()), "device": evil}
    known["dataset"]["title"] = evil
    (run.path / "environment.json").write_text(json.dumps(known))
    (run.path / "metrics.jsonl").write_text(
        "".join(
            json.dumps({"step": i, "seconds": i, "loss": 1.0 / (i + 1), evil: 1.0, "b": 2.0}) + "\n" for i in range(4)
        )
    )
    text = page.render_report([ms.open_run(run.path)])
    assert evil not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_damaged_run_still_has_a_page(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    (run.results / "value.png").write_bytes(b"no picture")
    (run.results / "metrics.json").write_text("[")
    (run.results / "comparison.json").write_text("{")
    (run.results / "sound.wav").write_bytes(b"no sound")
    (run.path / "metrics.jsonl").write_text('{"step": 1')
    text = page.render_report([run])
    assert "Not shown" in text
    assert "value.png" in text


def test_a_report_with_too_many_bytes_is_written_smaller(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    noise = np.random.default_rng(0)
    for number in range(6):
        picture = Image.fromarray(noise.integers(0, 255, (1200, 1200, 3), dtype=np.uint8))
        picture.save(run.results / f"noise{number}.png", compress_level=0)
    assert len(page.render_report([run]).encode()) < page.MOST_BYTES


def test_a_long_sound_is_cut_and_the_page_says_so(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    with wave.open(str(run.results / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 8000 * 100))
    text = page.render_report([run])
    assert "the first 75.0 s" in text
    assert 'src="data:audio/wav' in text


def test_links_out_of_the_run_are_not_followed(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    Image.new("RGB", (9, 7)).save(tmp_path / "secret.png")
    (run.results / "secret.png").symlink_to(tmp_path / "secret.png")
    assert "secret" not in page.render_report([run])


def test_a_report_that_fails_does_not_make_a_run_fail(
    pictures: tuple[ms.Run, ms.Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(page, "write_page", fail)
    at_the_end.write_quietly(pictures[0])
    assert "no report: OSError: the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize("before", [None, "0"])
def test_the_option_of_one_command_is_none_of_the_next(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(at_the_end.SWITCH, raising=False)
    if before is not None:
        monkeypatch.setenv(at_the_end.SWITCH, before)
    done = CliRunner().invoke(cli, ["run", "image", "--preset", "quick", "--no-report", "--set", "siren.widht=3"])
    assert done.exit_code != 0
    assert os.environ.get(at_the_end.SWITCH) == before


def test_the_switch_turns_reports_off(
    pictures: tuple[ms.Run, ms.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    (run.results / "report.html").unlink()
    monkeypatch.setenv(at_the_end.SWITCH, "1")
    at_the_end.write_quietly(run)
    assert not (run.results / "report.html").exists()
    monkeypatch.setenv(at_the_end.SWITCH, "0")
    at_the_end.write_quietly(run)
    assert (run.results / "report.html").exists()


def test_the_command_writes_one_page_and_overwrites_none(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    arguments = ["report", str(pictures[0].path), str(pictures[1].path), "-o", str(out)]
    assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert "Total loss by seconds" in out.read_text("utf-8")
    again = CliRunner().invoke(cli, arguments)
    assert isinstance(again.exception, ms.RunError)
    assert "exists" in str(again.exception)


def test_no_run_and_too_many_runs_are_errors(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    with pytest.raises(ms.RunError, match="0 runs"):
        page.write_report([], tmp_path / "page.html")
    with pytest.raises(ms.RunError, match="31 runs"):
        page.write_report([pictures[0]] * 31, tmp_path / "page.html")


def test_the_page_of_a_prior_in_a_browser_without_network(prior: ms.Run, tmp_path: Path) -> None:
    out = page.write_report([prior], tmp_path / "page.html")
    with browser() as opened:
        for width, scheme in ((390, "dark"), (1440, "light")):
            context = opened.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
            tab, said = context.new_page(), []
            tab.on("console", lambda message: said.append(message.text))  # noqa: B023
            tab.on("pageerror", lambda error: said.append(str(error)))  # noqa: B023
            tab.goto(out.as_uri())
            broken = tab.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length")
            assert tab.evaluate("document.images.length") >= 20
            assert broken == 0
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
            slider = tab.locator(".contexts")
            assert tab.locator(".contextrow:visible").count() == 1
            slider.evaluate("e => { e.value = 1; e.dispatchEvent(new Event('input')); }")
            assert tab.locator(".slide output").inner_text() == "100"
            assert tab.locator(".contextrow").nth(1).is_visible()
            assert not tab.locator(".contextrow").nth(0).is_visible()
            edge = tab.locator(".contextrow:visible .wipe").first
            edge.locator("xpath=following-sibling::input").evaluate(
                "e => { e.value = 25; e.dispatchEvent(new Event('input')); }"
            )
            assert edge.evaluate("e => e.style.getPropertyValue('--at')") == "25%"
            assert said == []
            context.close()


def test_a_mesh_turns_and_an_animation_plays_in_a_browser(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh", reason="NO TRIMESH: python -m pip install 'metasiren[shapes]'")
    run = _copy(pictures[0], tmp_path / "run")
    trimesh.creation.icosphere(subdivisions=3).export(run.results / "mesh.ply")
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in range(0, 250, 25)]
    frames[0].save(run.results / "wave.webp", save_all=True, append_images=frames[1:], duration=80, lossless=True)
    out = page.write_report([run], tmp_path / "page.html")
    shot = "c => c.toDataURL()"
    with browser() as opened:
        tab, said = opened.new_page(reduced_motion="reduce"), []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.goto(out.as_uri())
        mesh, player = tab.locator(".mesh"), tab.locator(".frames")
        before = mesh.evaluate(shot)
        seen = "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 == 3)"
        drawn = np.array(mesh.evaluate(seen)).reshape(mesh.evaluate("c => [c.height, c.width]")) > 0
        assert drawn.any(0).sum() > 0.4 * drawn.shape[1], "the mesh fills the view"
        edge = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
        assert not edge.any(), "the whole mesh is in view"
        mesh.press("ArrowLeft")
        tab.wait_for_timeout(200)
        assert mesh.evaluate(shot) != before
        still = player.evaluate(shot)
        tab.wait_for_timeout(200)
        assert player.evaluate(shot) == still
        tab.locator(".player button").click()
        tab.wait_for_timeout(400)
        assert player.evaluate(shot) != still
        assert said == []


def test_an_exact_solution_lies_under_a_movable_edge_with_the_field(
    pictures: tuple[ms.Run, ms.Run], tmp_path: Path
) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    for path in run.results.glob("*.png"):
        path.unlink()
    for name, shade in (("exact", 10), ("result", 200), ("paste", 90)):
        Image.new("L", (24, 16), shade).save(run.results / f"{name}.png")
    text = page.render_report([run])
    assert text.count('<div class="wipe">') == 1, "what was pasted is no field"
    assert "exact solution | field" in text
    assert "truth | field" not in text


def test_what_was_measured_is_not_called_the_field(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    for path in run.results.glob("*.png"):
        path.unlink()
    for name, shade in (("truth", 10), ("field", 20), ("seen", 200)):
        Image.new("L", (24, 16), shade).save(run.results / f"{name}.png")
    text = page.render_report([run])
    assert [text.count(f"truth | {word}") for word in ("field", "seen")] == [1, 1]


def test_the_true_sound_is_played_first(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    run = _copy(pictures[0], tmp_path / "run")
    for name in ("sound", "truth_sound"):
        with wave.open(str(run.results / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(800))
    (run.results / "captions.json").write_text(json.dumps({"sound.wav": "The field.", "truth_sound.wav": "The truth."}))
    text = page.render_report([run])
    assert 0 < text.index("The truth.") < text.index("The field.")


@pytest.mark.parametrize("name", ["page.pdf", "page"])
def test_a_report_is_a_page_by_its_name(pictures: tuple[ms.Run, ms.Run], tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(cli, ["report", str(pictures[0].path), "-o", str(tmp_path / name)])
    assert "name it FILE.html" in str(result.exception)
    assert not (tmp_path / name).exists()
