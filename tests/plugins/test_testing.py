"""Contract checks: the built-in parts pass them, and every check fails for a part that violates it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import broken_parts
import numpy as np
import pytest
from PIL import Image

from metasiren import Dataset, Domain, RecipeError
from metasiren.registry.catalogue import load_catalogue
from metasiren.testing import (
    CHECKS,
    ContractError,
    Part,
    Report,
    Ripples,
    check_constraint,
    check_dataset,
    check_decoder,
    check_encoder,
    check_metric,
    check_part,
    common,
    parametrize_with_checks,
    run_check,
)


def data(name: str, **options: Any) -> Dataset:
    """A small installed data set, for the parts that ask for what only such data know."""
    made: Dataset = load_catalogue().make("dataset", name, where="a test", options=options)
    return made


SHAPE = {"dataset": data("shape", solid="sphere", points=32, samples=1000)}
PHOTOGRAPH = {"dataset": data("poisson", photograph="camera", size=16)}
HELMHOLTZ = {"dataset": data("helmholtz", points=32)}
JOINED = {"dataset": data("wave", medium="disc", interface=16, points=32, initial=16)}
WAVE = {"dataset": data("wave", border="neumann", points=32, initial=16, boundary=16)}

NUMBERS = ("per_item", "context_sizes", "float64", "independence", "determinism", "autocast")
DOUBLE = {"batches": "coefficients of equations are float64, which the trainer casts; receivers know no medium"}

# Small where the defaults are the paper's; every other part is checked with its defaults.
PLACE = {"centre": [0.2, -0.1], "width": 0.2}
BOX = data("box", axes={"x": [-1, 1], "y": [-1, 1]}, points={"interior": 32, "boundary": 32}, targets={"boundary": 0})
SMALL: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("encoder", "cnn"): {"options": {"features": 8, "latent_dim": 16, "blocks": 2}},
    ("encoder", "partial_conv"): {"options": {"features": 8, "latent_dim": 16, "blocks": 2}},
    ("encoder", "set"): {"options": {"hidden_features": 32, "latent_dim": 16}},
    ("encoder", "fixed"): {"expected_failures": {"gradients": "it has no parameters"}},
    ("encoder", "gaussian"): {
        "options": {"latent_dim": 7},
        "dataset": Ripples(Domain(2, 3, (8, 8), 8)),
        "expected_failures": {"gradients": "it is computed in closed form, not trained"},
    },
    ("encoder", "cavia"): {
        "options": {"latent_dim": 8},
        "expected_failures": {"gradients": "it has no parameters"},
    },
    ("encoder", "autodecoder"): {"options": {"latent_dim": 8, "steps": 10}},
    ("encoder", "mixture"): {
        "options": {"components": 2, "coordinates": 6, "pooled": 20.0},
        "dataset": Ripples(Domain(2, 3, (8, 8), 40)),
        "expected_failures": {"gradients": "it is computed in closed form, not trained"},
    },
    ("encoder", "mixture_correction"): {
        "options": {"components": 2, "coordinates": 6, "pooled": 20.0, "features": 8, "blocks": 1},
        "dataset": Ripples(Domain(2, 3, (8, 8), 40)),
        "expected_failures": {"overfit": "its latent is a signal whose hidden values alone can be learnt"},
    },
    ("decoder", "last_layer"): {
        "latent_dim": 3 * 144,
        "options": {"trunk": "trained"},
        "expected_failures": {
            "zero_latent": "a latent of size zero is no signal",
        },
    },
    ("decoder", "hypernetwork"): {"options": {"hidden_features": 32}},
    ("decoder", "free"): {"latent_dim": 0},
    ("dataset", "sketch_faces"): {"options": {"train": 12, "val": 4, "test": 4}},
    ("dataset", "audio"): {"options": {"source": "chord", "points": 256}},
    ("dataset", "video"): {"options": {"source": "drift", "points": 256}},
    ("dataset", "solid_family"): {"options": {"train": 12, "test": 4, "points": 32, "observed": 9}},
    ("dataset", "shape"): {"options": {"solid": "sphere", "points": 32, "samples": 1000}},
    ("constraint", "gradient_mse"): PHOTOGRAPH,
    ("constraint", "laplacian_mse"): PHOTOGRAPH,
    ("constraint", "difference_mse"): {"dataset": data("poisson", photograph="camera", size=16, pixel_pairs=24)},
    ("constraint", "growth_mse"): {"dataset": data("poisson", photograph="camera", size=16, pixel_pairs=24)},
    ("constraint", "normal_alignment"): SHAPE,
    ("metric", "normal_consistency"): SHAPE,
    ("metric", "sdf_error"): {**SHAPE, "expected_failures": dict.fromkeys(NUMBERS, "distances are known in `test`")},
    ("metric", "iou"): {**SHAPE, "expected_failures": dict.fromkeys(NUMBERS, "distances are known in `test`")},
    ("constraint", "occupancy"): {"dataset": data("shape", solid="sphere", points=32, samples=1000, labelled=64)},
    ("constraint", "measurements"): {"dataset": data("larger_pixels", photograph="camera", size=16)},
    # With such a decoder: tests/priors/test_uncertain_fields.py.
    ("constraint", "gaussian_nll"): {
        "expected_failures": dict.fromkeys(
            ("scalar", "context_sizes", "float64", "batch_mean", "determinism", "gradients", "autocast", "overfit"),
            "it needs a decoder whose fields have a standard deviation",
        )
    },
    ("dataset", "helmholtz"): {"options": {"points": 32}, "expected_failures": DOUBLE},
    ("dataset", "helmholtz_family"): {
        "options": {"train": 12, "test": 2, "points": 32},
        "expected_failures": {"context_sizes": "a context is one pair, the source and the medium"},
    },
    ("dataset", "wave"): {"options": {"points": 32, "initial": 16}, "expected_failures": DOUBLE},
    ("dataset", "fwi"): {
        "options": {"points": 32},
        "expected_failures": {**DOUBLE, "overfit": "receivers hear ten of eleven channels: the last is the medium"},
    },
    ("constraint", "helmholtz"): HELMHOLTZ,
    ("constraint", "wave_equation"): WAVE,
    ("constraint", "neumann"): WAVE,
    ("constraint", "continuous_value"): JOINED,
    ("constraint", "continuous_slope"): JOINED,
    ("dataset", "box"): {
        "options": {"axes": {"x": [-1, 1], "y": [-1, 1]}, "points": {"interior": 32}},
        "expected_failures": DOUBLE,
    },
    ("constraint", "prescribed_flux"): {"dataset": BOX},
    ("input_encoding", "positional_encoding"): {"options": {"frequencies": 3}},
    ("input_encoding", "rbf_gaussian"): {"options": {"centres": 24}},
    ("input_encoding", "rbf_quartic"): {"options": {"centres": 6}},
    ("input_encoding", "mapped_coordinates"): {"options": {"places": [PLACE]}},
    ("input_encoding", "magnifier"): {"options": {"places": [PLACE]}},
}
VARIANTS = (
    Part("encoder", "set", {"hidden_features": 32, "latent_dim": 16, "nonlinearity": "relu"}),
    Part("encoder", "cnn", {"features": 8, "latent_dim": 8, "blocks": 1, "downsample": 2, "pooling": "dense"}),
    Part("encoder", "partial_conv", {"features": 8, "latent_dim": 8, "blocks": 1, "norm": "batch"}),
    Part("encoder", "set", {"hidden_features": 32, "latent_dim": 16}, Ripples(Domain(1, 1, None, 6))),
    Part("decoder", "hypernetwork", {"hidden_features": 32, "start": "siren"}),
    Part("dataset", "poisson", {"size": 16, "points": 20, "pixel_pairs": 12}),
)
# Data sets that read files are checked on files made for them, below; CelebA with its own tests.
FROM_FILES = {"folder", "npz", "celeba", "faces", "weights"}


def built_ins() -> list[Part]:
    parts = []
    for kind in CHECKS:
        for name, offers in load_catalogue().offers[kind].items():
            if offers[0].plugin.distribution == "metasiren" and not (kind == "dataset" and name in FROM_FILES):
                parts.append(Part(kind, name, **SMALL.get((kind, name), {})))
    return parts


@parametrize_with_checks(*built_ins())
def test_the_built_ins_keep_their_contract(check: Callable[[], None]) -> None:
    check()


@parametrize_with_checks(*VARIANTS)
def test_variants_of_the_built_ins_keep_their_contract(check: Callable[[], None]) -> None:
    check()


def test_a_folder_of_images_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METASIREN_DATA", str(tmp_path / "data"))
    (tmp_path / "images").mkdir()
    for i, image in enumerate(_images(20)):
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
    check_dataset("folder", options={"path": str(tmp_path / "images"), "size": 16})


def test_an_npz_file_keeps_the_contract(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", images=_images(20))
    check_dataset("npz", options={"path": str(tmp_path / "images.npz")})


def _images(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Smooth colour gradients."""
    axis = np.linspace(0, 1, 16)
    slopes = np.random.default_rng(0).uniform(0, 1, (count, 2, 3))
    images = axis[:, None, None] * slopes[:, None, None, 0] + axis[None, :, None] * slopes[:, None, None, 1]
    return (127 * images).astype(np.uint8)


@pytest.mark.parametrize("kind", CHECKS)
def test_a_part_that_keeps_its_contract_passes_every_check(kind: str) -> None:
    report = check_part(Part(kind, broken_parts.GOOD[kind]))
    assert {r.status for r in report if r.check != "device"} == {"passed"}


@pytest.mark.parametrize(
    ("kind", "check", "broken"),
    [
        (kind, check, each)
        for kind, named in broken_parts.BROKEN.items()
        for check, some in named.items()
        for each in some
    ],
)
def test_a_broken_promise_is_caught_by_its_check(kind: str, check: str, broken: Any) -> None:
    result = run_check(Part(kind, broken), check)
    assert result.status == "failed", result
    assert result.message


def test_every_check_is_known_to_catch_something() -> None:
    shared = {check.__name__ for check in vars(common).values() if callable(check)}
    covered = set(broken_parts.ENCODERS)
    assert set(CHECKS["encoder"]) - covered == {"device"}
    for kind in ("decoder", "dataset", "constraint", "metric"):
        assert set(CHECKS[kind]) - set(broken_parts.BROKEN[kind]) <= shared | {"device"}


def test_an_invariance_that_is_not_stated_is_not_checked() -> None:
    class Sequence(broken_parts.Ordered):
        invariances = frozenset({"padding"})

    report = check_encoder(Sequence)
    assert (report["permutation"].status, report["padding"].status) == ("skipped", "passed")
    assert "not stated" in report["permutation"].message


def test_the_number_of_checks_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    report = check_encoder(broken_parts.Idle, on_failure="return")
    printed = capsys.readouterr().out.strip()
    assert printed == report.summary
    assert printed.startswith(f"encoder Idle: {len(CHECKS['encoder'])} checks: ")
    assert "1 failed" in printed


def test_a_failure_is_raised_with_check_reason_and_advice() -> None:
    with pytest.raises(ContractError, match="no gradient reaches: spare") as caught:
        check_encoder(broken_parts.Idle)
    assert "encoder Idle: 1 of 19 checks failed" in str(caught.value)


def test_a_declared_failure_is_expected_and_told() -> None:
    report = check_encoder(broken_parts.Idle, expected_failures={"gradients": "spare is for later"})
    assert report["gradients"].status == "expected"
    assert "spare is for later" in str(report)
    assert "1 failed as declared" in report.summary


def test_a_declared_failure_that_does_not_happen_is_a_failure() -> None:
    with pytest.raises(ContractError, match="drop the declaration"):
        check_encoder(broken_parts.Good, expected_failures={"gradients": "once it had idle parameters"})


def test_declaring_an_unknown_check_is_refused() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'gradients'"):
        check_decoder(broken_parts.GoodDecoder, expected_failures={"gradient": "?"})


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'encoder'"):
        check_part(Part("encodr", broken_parts.Good))


def test_results_are_structured() -> None:
    report = check_metric(broken_parts.Scalar, on_failure="return")
    row = next(row for row in report.rows() if row["check"] == "per_item")
    assert (row["part"], row["status"]) == ("metric Scalar", "failed")
    assert row["seconds"] > 0
    assert next(r.check for r in report.failures) == "per_item"


def test_an_installed_part_is_checked_by_its_name() -> None:
    assert isinstance(check_constraint("mse", options={"channels": "sum"}), Report)
    with pytest.raises(RecipeError, match="no constraint is called 'mes'"):
        Part("constraint", "mes").make()


def test_the_parametriser_makes_a_test_of_every_check() -> None:
    mark = parametrize_with_checks(Part("encoder", broken_parts.Idle, expected_failures={"gradients": "why not"})).mark
    cases = mark.args[1]
    assert [case.id for case in cases] == [f"encoder-Idle-{name}" for name in CHECKS["encoder"]]
    (marked,) = [case for case in cases if case.marks]
    assert marked.marks[0].kwargs == {"reason": "why not", "strict": True}
    with pytest.raises(ContractError, match="encoder Idle: gradients: no gradient"):
        marked.values[0]()


def test_the_parametriser_skips_what_does_not_concern_a_part() -> None:
    class Sequence(broken_parts.Good):
        invariances = frozenset({"padding"})

    cases = parametrize_with_checks(Part("encoder", Sequence)).mark.args[1]
    permutation = next(case.values[0] for case in cases if case.values[0].name == "permutation")
    with pytest.raises(pytest.skip.Exception, match="not stated"):
        permutation()


def test_checks_leave_the_random_state_alone() -> None:
    import torch

    before = torch.get_rng_state()
    check_dataset(broken_parts.GoodData)
    assert torch.equal(before, torch.get_rng_state())
