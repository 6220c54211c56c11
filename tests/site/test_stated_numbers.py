"""Numbers that pages state of a command are what the command gives, run to its end with the wheel: `-m slow`.

Each entry reads its numbers from the page, so that a page and its test cannot part. Tolerances leave room for other
processors and other versions of torch: rounding grows in training. Numbers of commands that a page's reader needs data
or a GPU for, that take more than five minutes of one core, or that depend on the machine's speed (`--max-time`,
seconds) are not held here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from environments import Environment, build_wheel, make_environment
from page_commands import ROOT

from metasiren import load_recipe

RESULTS, MEASURED, PRIORS = "docs/results.md", "docs/measured.md", "docs/priors.md"
PERCENT = 0.01
FLAT = "one colour, no derivative"


@dataclass(frozen=True)
class Stated:
    """What a page says of a run.

    Attributes:
        page: its path in the repository.
        pattern: a regular expression that occurs once in the page, its groups named by metrics.
        within: metric -> how far the run may be from the page, in the page's unit.
        row: a row of the run's comparison in place of its own metrics; `table` for the columns of a prior's table,
            whose groups are named mse_10, mse_half and so on.
        share: `within` are shares of the page's numbers.
        unit: the page's unit in that of the metrics, such as 0.01 for percents.
        keys: group -> metric, where a metric's name cannot name a group.
    """

    page: str
    pattern: str
    within: dict[str, float]
    row: str = ""
    share: bool = False
    unit: float = 1.0
    keys: dict[str, str] = field(default_factory=dict)

    def numbers(self) -> dict[str, float]:
        """Metric -> what the page says, in its unit."""
        # A sentence may be broken anywhere.
        pattern = self.pattern.replace(" ", r"\s+")
        (found,) = re.finditer(pattern, (ROOT / self.page).read_text("utf-8"))
        return {name: float(text) for name, text in found.groupdict().items()}

    def wrong(self, results: Path) -> list[str]:
        """What the page says otherwise than a run's results."""
        held = self._held(results)
        faults = []
        for name, stated in self.numbers().items():
            got = held[self.keys.get(name, name)] / self.unit
            within = self.within[name] * (stated if self.share else 1)
            if not abs(got - stated) <= within:
                faults.append(f"{self.page}: {name} {stated:g}, the run has {got:.5g} (within {within:g})")
        return faults

    def _held(self, results: Path) -> dict[str, float]:
        if not self.row:
            return dict(json.loads((results / "metrics.json").read_text("utf-8")))
        name = "table.json" if self.row == "table" else "comparison.json"
        rows = json.loads((results / name).read_text("utf-8"))["rows"]
        if self.row == "table":
            return {f"mse_{key}": value for key, value in rows[0]["mse"].items()}
        (row,) = [row for row in rows if row["name"] == self.row]
        return dict(row["metrics"])


def picture(page: str, pattern: str, row: str = "") -> Stated:
    """PSNR of values, gradient and Laplacian."""
    within = {"psnr_db": 0.3, "gradient_psnr_db": 0.3, "laplacian_psnr_db": 0.3, "ssim": 0.01}
    return Stated(page, pattern, within, row=row)


def equation(name: str) -> Stated:
    """A row of the table of equations; where the last digits are, rounding decides."""
    pattern = rf"\| `{name}`, [\d,]+ steps[^|]*\| [\d,]+ \| (?P<relative_l2>[\d.e-]+) \| \d+ \|\n"
    return Stated(RESULTS, pattern, {"relative_l2": 0.6}, share=True)


QUICK = "--preset quick --seed 0 --device cpu"
RUNS: dict[str, list[Stated]] = {
    f"image {QUICK}": [
        picture("docs/start.md", r"\| values \| (?P<psnr_db>[\d.]+) dB \| [\d.]+ dB \| \| gradient \| "
                                 r"(?P<gradient_psnr_db>[\d.]+) dB \| [\d.]+ dB \| \| "
                                 r"Laplacian \| (?P<laplacian_psnr_db>[\d.]+) dB"),
        picture("docs/start.md", r"\| gradient \| [\d.]+ dB \| (?P<gradient_psnr_db>[\d.]+) dB \| \| Laplacian "
                                 r"\| [\d.]+ dB \| (?P<laplacian_psnr_db>[\d.]+) dB", row=FLAT),
        picture("docs/pictures.md", r"gradient of zero has (?P<gradient_psnr_db>[\d.]+) dB, and a Laplacian of zero "
                                    r"(?P<laplacian_psnr_db>[\d.]+) dB", row=FLAT),
        picture("docs/pictures.md", r"result \| sine (?P<psnr_db>[\d.]+) dB"),
        picture(RESULTS, r"\| sine \| \*\*(?P<psnr_db>[\d.]+) dB\*\* \| (?P<ssim>[\d.]+) \| "
                         r"\*\*(?P<gradient_psnr_db>[\d.]+) dB\*\* \| \*\*(?P<laplacian_psnr_db>[\d.]+) dB\*\*"),
    ],
    f"image {QUICK} --set siren.nonlinearity=relu --set siren.init_scale=1": [
        picture(RESULTS, r"\| ReLU \| (?P<psnr_db>20[\d.]+) dB \| (?P<ssim>[\d.]+) \| (?P<gradient_psnr_db>[\d.]+) dB "
                         r"\| (?P<laplacian_psnr_db>[\d.]+) dB"),
    ],
    f"tomography {QUICK}": [
        Stated(MEASURED, r"noise of 1 % \| \d+ † \| \*\*(?P<psnr_db>[\d.]+)\*\* \(\*\*(?P<ssim>[\d.]+)",
               {"psnr_db": 0.3, "ssim": 0.02}),
        Stated(MEASURED, r"SART (?P<psnr_db>[\d.]+) \((?P<ssim>[\d.]+)", {"psnr_db": 0.1, "ssim": 0.01},
               row="SART, 2 passes"),
    ],
    f"denoise {QUICK}": [
        Stated(MEASURED, r"sigma 0.1 \([\d.]+ dB\) \| \d+ \| (?P<psnr_db>[\d.]+) \((?P<ssim>[\d.]+)\)",
               {"psnr_db": 0.2, "ssim": 0.01}),
        Stated(MEASURED, r"non-local means \*\*(?P<psnr_db>[\d.]+)\*\* \(\*\*(?P<ssim>[\d.]+)",
               {"psnr_db": 0.1, "ssim": 0.01}, row="non-local means"),
    ],
    f"super_resolution {QUICK}": [
        Stated(MEASURED, r"from 32 × 32 \| \d+ \| \*\*(?P<psnr_db>[\d.]+)\*\* \(\*\*(?P<ssim>[\d.]+)",
               {"psnr_db": 0.2, "ssim": 0.01}),
        Stated(MEASURED, r"cubic (?P<psnr_db>24[\d.]+) \((?P<ssim>[\d.]+)\)", {"psnr_db": 0.1, "ssim": 0.01},
               row="cubic"),
    ],
    f"volume {QUICK}": [
        Stated(MEASURED, r"samples of 40³ \| \d+ \| \*\*(?P<psnr_db>[\d.]+)\*\*", {"psnr_db": 0.5},
               keys={"psnr_db": "between_psnr_db"}),
    ],
    f"occupancy {QUICK}": [
        Stated(MEASURED, r"chamfer distance of (?P<chamfer_share>[\d.]+) %", {"chamfer_share": 0.05}, unit=PERCENT),
    ],
    f"sdf {QUICK}": [
        Stated(RESULTS, r"`quick` \| 31 s \| (?P<chamfer_share>[\d.]+) % \| (?P<hausdorff_share>[\d.]+) %",
               {"chamfer_share": 0.03, "hausdorff_share": 0.2}, unit=PERCENT),
        Stated("docs/shapes.md", r"Chamfer distance (?P<chamfer_share>[\d.]+) % of its", {"chamfer_share": 0.03},
               unit=PERCENT),
    ],
    f"sdf_room {QUICK}": [
        Stated(RESULTS, r"Chamfer (?P<chamfer_share>[\d.]+) % and Hausdorff (?P<hausdorff_share>[\d.]+) % of the",
               {"chamfer_share": 0.05, "hausdorff_share": 0.4}, unit=PERCENT),
    ],
    f"helmholtz {QUICK}": [
        Stated(RESULTS, r"\| `quick` \| \| (?P<relative_l2>[\d.]+) % \| 15 % in 5 min \| 31 s",
               {"relative_l2": 0.1}, unit=PERCENT),
        Stated("docs/waves.md", r"error (?P<relative_l2>[\d.]+) % \(Helmholtz\)", {"relative_l2": 0.1}, unit=PERCENT),
        Stated(RESULTS, r"5-point grid, 257 × 257 \| \| (?P<relative_l2>[\d.]+) %", {"relative_l2": 0.01},
               row="5-point grid, 257 x 257", unit=PERCENT),
    ],
    f"wave {QUICK}": [
        Stated("docs/waves.md", r"(?P<worst_relative_l2>[\d.]+) % \(wave\)", {"worst_relative_l2": 2.0}, unit=PERCENT),
    ],
    f"fwi {QUICK}": [
        Stated(RESULTS, r"(?P<speed_relative_l2>[\d.]+) / (?P<waves_relative_l2>[\d.]+) % \| 15 %",
               {"speed_relative_l2": 0.3, "waves_relative_l2": 0.5}, unit=PERCENT),
    ],
    **{f"{name} {QUICK}": [equation(name)] for name in ("poisson_2d", "burgers", "allen_cahn", "kdv")},
    f"heat_inverse {QUICK}": [
        equation("heat_inverse"),
        Stated(RESULTS, r"the unknown κ is off by (?P<relative_l2_1>[\d.e-]+)", {"relative_l2_1": 3e-4}),
    ],
    "inpainting --preset cpu --seed 0 --device cpu": [
        Stated(RESULTS, r"with 10 at seed 0 [\d.]+, (?P<hidden_psnr_db>[\d.]+) and", {"hidden_psnr_db": 0.2}),
        Stated(RESULTS, r"Telea \(OpenCV\) \| (?P<hidden_psnr_db>[\d.]+) dB", {"hidden_psnr_db": 0.1},
               row="Telea (OpenCV)"),
        Stated(RESULTS, r"biharmonic \(scikit-image\) \| (?P<hidden_psnr_db>[\d.]+) dB", {"hidden_psnr_db": 0.1},
               row="biharmonic (scikit-image)"),
    ],
    f"poisson_gradient {QUICK}": [
        Stated(RESULTS, r"camera from its gradient (?P<psnr_db>[\d.]+) and", {"psnr_db": 1.0}),
    ],
    f"image_editing {QUICK}": [
        Stated(RESULTS, r"handwriting over bricks (?P<psnr_to_exact_db>[\d.]+) and", {"psnr_to_exact_db": 1.0}),
    ],
    f"meta_start {QUICK}": [
        Stated("docs/starts.md", r"at a rate of 1e-3: (?P<psnr_db_after_10>[\d.]+) dB after 10 steps, "
                                 r"(?P<psnr_db_after_50>[\d.]+) after 50, (?P<psnr_db_after_100>[\d.]+) after 100",
               {f"psnr_db_after_{steps}": 1.0 for steps in (10, 50, 100)}),
    ],
    f"celeba_mixture {QUICK}": [
        Stated(PRIORS, r"1,024 images\): (?P<mse_10>[\d.]+) / (?P<mse_100>[\d.]+) / [\d.]+ / (?P<mse_512>[\d.]+)",
               {"mse_10": 2e-4, "mse_100": 1e-4, "mse_512": 2e-4}, row="table"),
    ],
    f"celeba_cnn {QUICK}": [
        Stated(RESULTS, r"\| `celeba_cnn \(quick\)` \| 1,024 \| (?P<mse_10>[\d.]+) \| (?P<mse_100>[\d.]+) \| [\d.]+ \| "
                        r"(?P<mse_512>[\d.]+)",
               {"mse_10": 3e-4, "mse_100": 1e-4, "mse_512": 3e-4}, row="table"),
    ],
    "helmholtz_family --preset quick --set train.steps=1500 --set evaluate.items=4 --set evaluate.most=400": [
        Stated(PRIORS, r"`helmholtz_family`, relative L2 error \| (?P<one_pass>[\d.]+) \| (?P<refined>[\d.]+)",
               {"one_pass": 0.04, "refined": 0.03},
               keys={"one_pass": "one_pass_relative_l2", "refined": "refined_relative_l2"}),
    ],
    "sdf_family --preset quick --set train.steps=1000 --set evaluate.items=4 --set evaluate.most=300": [
        Stated(PRIORS, r"`sdf_family`, relative L2 error \| (?P<one_pass>[\d.]+) \| (?P<refined>[\d.]+)",
               {"one_pass": 0.02, "refined": 0.02},
               keys={"one_pass": "one_pass_relative_l2", "refined": "refined_relative_l2"}),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    return make_environment(folder / "venv", build_wheel(folder))


@pytest.mark.slow
@pytest.mark.parametrize("words", RUNS)
def test_pages_state_what_the_command_gives(words: str, environment: Environment, tmp_path: Path) -> None:
    done = environment.run("metasiren", "run", *words.split(), "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0
    faults = [fault for stated in RUNS[words] for fault in stated.wrong(tmp_path / "run" / "results")]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("words", RUNS)
def test_numbers_are_read_from_their_pages(words: str) -> None:
    recipe, _, preset, *_ = words.split()
    assert load_recipe(recipe, preset=preset).preset == preset
    for stated in RUNS[words]:
        numbers = stated.numbers()
        assert set(numbers) <= set(stated.within)
        assert all(number > 0 for number in numbers.values())


def test_a_number_that_is_off_is_found(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"psnr_db": 34.6, "gradient_psnr_db": 32.8,
                                                       "laplacian_psnr_db": 25.6}))  # fmt: skip
    first = RUNS[f"image {QUICK}"][0]
    (fault,) = first.wrong(tmp_path)
    assert fault.startswith("docs/start.md: laplacian_psnr_db")
    (tmp_path / "metrics.json").write_text(json.dumps(first.numbers()))
    assert first.wrong(tmp_path) == []
