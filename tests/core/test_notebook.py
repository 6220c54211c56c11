"""What notebooks show of fields, runs and tables: true to the data, and escaped."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import metasiren as ms
from metasiren.runs.notebook import figures


def _linear(d_in: int, weights: list[list[float]]) -> ms.Field:
    """The field x -> weights @ x, without hidden layers' help: a relu network that is linear on [-1, 1]."""
    siren = ms.Siren(
        in_features=d_in, out_features=len(weights), hidden_features=2, hidden_layers=0, nonlinearity="relu"
    )
    params = {name: torch.zeros_like(value) for name, value in siren.init(instances=1).items()}
    for axis in range(2):
        params["0.weight"][0, axis, min(axis, d_in - 1)] = 1.0
    params["0.bias"][0] = 10.0  # positive everywhere, so that relu is the identity
    params["1.weight"][0] = torch.tensor(weights)
    return ms.Field(siren, params)


def _picture(html: str) -> np.ndarray:
    (data,) = re.findall(r"data:image/png;base64,([^\"]+)", html)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_field_of_two_coordinates_is_a_picture_with_rows_as_coordinate_0() -> None:
    pixels = _picture(_linear(2, [[1.0, 0.0]])._repr_html_()).astype(int)
    assert pixels.shape == (128, 128)
    assert (np.diff(pixels, axis=0) >= 0).all()
    assert (pixels == pixels[:, :1]).all()
    assert (pixels[0, 0], pixels[-1, 0]) == (0, 255)


def test_colours_are_shown() -> None:
    assert _picture(_linear(2, [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])._repr_html_()).shape == (128, 128, 3)


def test_a_field_of_one_coordinate_is_a_line() -> None:
    html = _linear(1, [[1.0, 0.0]])._repr_html_()
    (points,) = re.findall(r'points="([^"]+)"', html)
    heights = [float(pair.split(",")[1]) for pair in points.split()]
    straight = np.linspace(heights[0], heights[-1], len(heights))
    np.testing.assert_allclose(heights, straight, atol=0.06)
    assert heights[0] > heights[-1]


def test_a_fast_oscillation_is_drawn_with_all_its_periods() -> None:
    siren = ms.Siren(in_features=1, out_features=1, hidden_features=1, hidden_layers=0, first_omega=1.0)
    params = {name: torch.zeros_like(value) for name, value in siren.init(instances=1).items()}
    params["0.weight"].fill_(100 * math.pi)  # 100 periods over [-1, 1]
    params["1.weight"].fill_(1)
    (points,) = re.findall(r'points="([^"]+)"', ms.Field(siren, params)._repr_html_())
    heights = np.array([float(pair.split(",")[1]) for pair in points.split()])
    crossings = np.count_nonzero(np.diff(np.signbit(heights - 60)))
    assert crossings == pytest.approx(200, abs=3)


def test_outputs_of_one_coordinate_differ_in_their_dashes() -> None:
    html = _linear(1, [[1.0, 0.0], [0.5, 0.0], [0.2, 0.0]])._repr_html_()
    assert len(set(re.findall(r'stroke="currentColor"(.*?) points', html))) == 3


def test_other_fields_are_words() -> None:
    siren = ms.Siren(in_features=3, out_features=1, hidden_features=4, hidden_layers=0)
    html = ms.Field(siren, siren.init(instances=1))._repr_html_()
    assert "3 coordinates" in html
    assert "<img" not in html


def test_values_that_are_not_finite_are_said() -> None:
    field = _linear(2, [[float("nan"), 0.0]])
    assert "not finite" in field._repr_html_()


def test_the_first_picture_of_a_run_is_its_figure(tmp_path: Path) -> None:
    for name in ("preview.png", "shaded.png", "truth_value.png", "figure_nearest.png", "figure6.png", "figure.txt"):
        (tmp_path / name).write_bytes(b"")
    names = ["figure6.png", "figure_nearest.png", "shaded.png", "truth_value.png", "preview.png"]
    assert [file.name for file in figures(tmp_path)] == names
    assert figures(tmp_path / "none") == []


def test_a_run_shows_its_metrics_and_figure_escaped(tmp_path: Path) -> None:
    changes = {"data.size": 16, "siren.hidden_features": 8, "train.steps": 1}
    run = ms.run(ms.load_recipe("image", preset="quick", overrides=changes), tmp_path / "<b>run", device="cpu")
    html = run._repr_html_()
    assert "psnr_db" in html
    assert "data:image/png" in html
    assert "<b>run" not in html
    assert "step 1 of" not in html
    (run.path / "status.json").write_text(json.dumps({"state": "stopped early", "step": 1, "steps": 5}))
    assert "(stopped early, step 1 of 5)" in run._repr_html_()
    (run.results / "metrics.json").write_text("[")
    assert "psnr_db" not in run._repr_html_()


def test_a_table_shows_every_row_and_its_conditions(tmp_path: Path) -> None:
    table = {
        "dataset": "<i>faces", "protocol": "exact", "filter": "none", "images": 4, "seeds": 1,
        "rows": [
            {"name": "<u>net", "kind": "model", "mse": {"10": 0.03125}},
            {"name": "mean", "kind": "baseline", "mse": {}},
        ],
    }  # fmt: skip
    (tmp_path / "table.json").write_text(json.dumps(table))
    html = ms.read_table(tmp_path / "table.json")._repr_html_()
    assert "0.03125" in html
    assert "mean" in html
    assert "–" in html
    assert "<i>" not in html
    assert "<u>" not in html
    assert "4 items" in html
    assert "Mean squared error by observed points" in html


@pytest.mark.parametrize("count", [1, 6])
def test_at_most_four_instances_are_drawn(count: int) -> None:
    siren = ms.Siren(in_features=2, out_features=1, hidden_features=4, hidden_layers=0)
    assert ms.Field(siren, siren.init(instances=count))._repr_html_().count("<img") == min(count, 4)
