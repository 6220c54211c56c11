"""A hole in a person's own photograph: one meaning of masks in both commands, and errors instead of wrong pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from small_runs import faces, path_of, small

import metasiren as ms
from metasiren_priors.mask_files import MaskWarning
from metasiren_priors.photograph import transparency_words

Typed = Callable[..., Result]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """photo.jpg of 64 x 48 pixels (width x height), and hole.png of that size: a white square in black."""
    ramp = np.linspace(40, 220, 48 * 64 * 3).reshape(48, 64, 3).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "photo.jpg", quality=95)
    hole = np.zeros((48, 64), np.uint8)
    hole[16:32, 24:40] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    return tmp_path


SMALL = small("data.size=32", "data.prior_points=16", "evaluate.baselines=[]")


def test_run_inpainting_fills_the_hole_and_keeps_what_is_known(typed: Typed, photo: Path) -> None:
    result = typed("metasiren run inpainting --preset quick --set data.path=photo.jpg --set data.mask=hole.png", *SMALL)
    results = Path(path_of(result)) / "results"
    truth, made, field = (
        np.asarray(Image.open(results / name)).astype(int) for name in ("truth.png", "composite.png", "field.png")
    )
    hole = np.zeros((24, 32), bool)
    hole[8:16, 12:20] = True
    near = np.zeros_like(hole)
    near[7:17, 11:21] = True  # pixels that hold colours of the hole once the photograph is halved
    assert (made[~near] == truth[~near]).all(), "known pixels stay as they are"
    assert (made[hole] == field[hole]).all()
    assert (made[hole] != truth[hole]).any()
    assert "32 x 24 RGB (of 64 x 48)" in result.stderr.replace("\n", " ")


def test_inpaint_on_a_run_without_a_prior_is_refused(typed: Typed, photo: Path) -> None:
    run = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    result = typed(f"metasiren inpaint {run} photo.jpg --mask hole.png -o out.png")
    assert result.exit_code != 0
    assert isinstance(result.exception, ms.RunError)
    assert "holds no prior" in str(result.exception)
    assert "celeba_cnn" in str(result.exception)
    assert not (photo / "out.png").exists()


@pytest.fixture
def prior(typed: Typed) -> str:
    return path_of(typed("metasiren run celeba_pconv --preset quick --set encoder.features=8", *faces()))


def test_a_transparent_photograph_is_laid_on_white_with_a_word(typed: Typed, photo: Path, prior: str) -> None:
    opaque = np.full((48, 64), 255, np.uint8)
    opaque[:, 8:32] = 0  # within the centre square
    clear = np.dstack([np.zeros((48, 64, 3), np.uint8), opaque])  # black, as hidden colours usually are
    Image.fromarray(clear).save("clear.png")
    result = typed(f"metasiren inpaint {prior} clear.png --pixels 900 --panel -o row.png")
    words = "its transparent parts count as white; --mask clear.png makes them the hole"
    assert words in words_of(result)
    original = pixels_of(path_of(result))[:, -256:]  # the last panel is the photograph
    assert original[128, 60].min() > 250
    assert original[128, 200].max() < 5
    with pytest.warns(MaskWarning, match="its transparent parts are the hole"):
        masked = typed(f"metasiren inpaint {prior} clear.png --mask clear.png -o filled.png")
    assert path_of(masked) == "filled.png"
    assert "its transparent parts count as white\n" in masked.stderr
    assert "transparent" not in words_of(typed(f"metasiren inpaint {prior} photo.jpg --pixels 9 -o plain.png"))


def test_the_advice_for_a_transparent_photograph_can_be_typed(tmp_path: Path) -> None:
    path = tmp_path / "my photo.png"
    Image.new("RGBA", (8, 8)).save(path)
    assert transparency_words(path, masked=False).endswith(f"; --mask '{path}' makes them the hole")


def test_greys_of_sixteen_bits_are_not_cut_off(typed: Typed, photo: Path, prior: str) -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    Image.fromarray(ramp).save("deep.png")
    assert (pixels_of("deep.png") == ramp).all()
    row = pixels_of(path_of(typed(f"metasiren inpaint {prior} deep.png --pixels 900 --panel -o row.png")))
    original = row[:, -250:-10]  # of the last panel
    assert original[20].max() < 60, "the upper edge is dark"
    assert original[-20].min() > 200


def words_of(result: Result) -> str:
    return " ".join(result.stderr.split())


def pixels_of(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture).astype(int)


def test_inpaint_says_how_a_photograph_is_shrunk_and_how_large_the_result_is(
    typed: Typed, photo: Path, prior: str
) -> None:
    plain = typed(f"metasiren inpaint {prior} photo.jpg --mask hole.png -o out.png")
    assert pixels_of(path_of(plain)).shape == (32, 32, 3)
    assert (
        "photo.jpg: 64 x 48 pixels (width x height); its centre square of 48 x 48 is shrunk to 32 x 32, the size of "
        "this prior" in words_of(plain)
    )
    assert (
        "out.png: the reconstruction, 32 x 32 pixels, the size of the prior; --composite puts it into the photograph "
        "at its own size" in words_of(plain)
    )
    wide = typed(f"metasiren inpaint {prior} photo.jpg --mask hole.png --size 40x80 -o wide.png")
    assert pixels_of(path_of(wide)).shape == (40, 80, 3)
    assert "--size 40x80 has other proportions: the reconstruction is drawn stretched, 80 x 40 pixels" in words_of(wide)
    boxed = typed(f"metasiren inpaint {prior} photo.jpg --mask hole.png --box 10,0,30,40 -o boxed.png")
    assert "the box of 30 x 40 is shrunk to 32 x 32" in words_of(boxed)
    assert "the box of 30 x 40 pixels is stretched to 32 x 32 (width x height)" in words_of(boxed)


@pytest.mark.parametrize(
    ("options", "said"),
    [("", True), ("--size 40x40", True), ("--pixels 102", False), ("--box=-8,0,48,48", False)],
)
def test_what_is_seen_is_said_where_nothing_says_it(
    typed: Typed, photo: Path, prior: str, options: str, said: bool
) -> None:
    words = words_of(typed(f"metasiren inpaint {prior} photo.jpg {options} -o out.png"))
    line = "photo.jpg: 102 random pixels of 1,024 are kept and the others hidden, as neither --mask nor --pixels says"
    assert (line in words) is said


def test_a_prior_of_drawings_says_so(typed: Typed, photo: Path, prior: str) -> None:
    words = words_of(typed(f"metasiren inpaint {prior} photo.jpg --pixels 9 -o out.png"))
    assert "celeba_pconv (quick" in words
    assert "a prior of drawn faces (sketch_faces), so that what it fills in looks drawn" in words
    drawn = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    np.savez("mine.npz", images=drawn)
    few = small("encoder.latent_dim=4", "evaluate.protocol=null", "train.steps=1", "siren.hidden_features=8")
    made = typed("metasiren run celeba_gaussian --preset cpu --set data.path=mine.npz", *few)
    other = words_of(typed(f"metasiren inpaint {path_of(made)} photo.jpg --pixels 9 -o other.png"))
    assert "drawn faces" not in other


@pytest.mark.parametrize(("size", "larger"), [("", True), ("--size 40x40", False)])
def test_a_larger_size_is_advised_where_none_is_given(
    typed: Typed, photo: Path, prior: str, size: str, larger: bool
) -> None:
    words = words_of(typed(f"metasiren inpaint {prior} photo.jpg --pixels 9 --panel {size} -o row.png"))
    assert "the composite and the original" in words
    assert ("--size 512x512 draws it larger" in words) is larger


def test_a_mask_of_other_proportions_is_refused(typed: Typed, photo: Path, prior: str) -> None:
    mask = np.zeros((45, 50), np.uint8)
    mask[10:20] = 255
    Image.fromarray(mask).save("small.png")
    result = typed(f"metasiren inpaint {prior} photo.jpg --mask small.png -o out.png")
    assert isinstance(result.exception, ms.DataError)
    said = str(result.exception)
    assert "small.png: the mask has 50 x 45 pixels, the photograph" in said
    assert "Give a mask of its proportions, or a square for its centre square." in said
    assert not Path("out.png").exists()


def test_a_composite_is_the_photograph_at_its_own_size(typed: Typed, photo: Path, prior: str) -> None:
    made = typed(f"metasiren inpaint {prior} photo.jpg --mask hole.png --composite -o out.png")
    assert "out.png: 64 x 48 pixels, the photograph with its hidden pixels reconstructed" in words_of(made)
    before, after = pixels_of("photo.jpg"), pixels_of(path_of(made))
    hidden = pixels_of("hole.png") > 0
    assert after.shape == before.shape
    assert np.abs(after - before)[~hidden].max() <= 1, "known pixels stay, those beside the centre square too"
    assert np.abs(after - before)[hidden].max() > 5
    random = path_of(typed(f"metasiren inpaint {prior} photo.jpg --pixels 100 --composite --panel -o random.png"))
    assert random == "random_panel.png"
    assert pixels_of("random.png").shape == (48, 64, 3)


def test_a_mask_that_reaches_beyond_what_the_prior_sees_is_named(typed: Typed, photo: Path, prior: str) -> None:
    hole = np.zeros((48, 64), np.uint8)
    hole[16:32, :16] = 255  # the centre square begins at column 8
    Image.fromarray(hole).save(photo / "beside.png")
    with pytest.warns(MaskWarning, match=r"beside.png: 50 % of the hole lies outside the centre square") as said:
        typed(f"metasiren inpaint {prior} photo.jpg --mask beside.png --composite -o out.png")
    assert len(said) == 1
    Image.fromarray(hole[:, :48]).save(photo / "square.png")
    with pytest.warns(MaskWarning, match=r"square.png: 48 x 48 pixels, the photograph 64 x 48 \(width x height\)"):
        typed(f"metasiren inpaint {prior} photo.jpg --mask square.png -o other.png")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("nowhere/out.png", "nowhere/out.png: there is no folder nowhere."),
        ("out", "out: the name has no ending."),
        ("out.pngg", "out.pngg: the ending is '.pngg'."),
        ("out.mp4", "out.mp4: the ending is '.mp4'."),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_the_run_is_read(typed: Typed, out: str, words: str) -> None:
    assert str(typed(f"metasiren inpaint RUN photo.jpg -o {out}").exception).startswith(words)


def test_a_photograph_or_mask_that_is_not_there_is_answered_with_the_closest(
    typed: Typed, photo: Path, prior: str
) -> None:
    for words, said in (
        ("phto.jpg --pixels 9", "phto.jpg: is not there. Did you mean 'photo.jpg'?"),
        ("photo.jpg --mask hol.png", "hol.png: is not there. Did you mean 'hole.png'?"),
        (". --pixels 9", ".: is a folder, not a file."),
    ):
        assert str(typed(f"metasiren inpaint {prior} {words} -o out.png").exception).startswith(said)


def test_a_path_that_is_no_run_is_answered_with_the_run_that_is_meant(typed: Typed, photo: Path, prior: str) -> None:
    def said(line: str) -> str:
        return str(typed(line).exception)

    assert said(f"metasiren inpaint photo.jpg {prior} -o out.png").startswith("photo.jpg: not a run: it is a file.")
    assert f"It lies inside the run {prior}.\n" in said(f"metasiren render {prior}/results -o out.png")
    misspelt = said(f"metasiren evaluate {prior[:-2]}x")
    assert f"Did you mean '{Path(prior).name}'?" in misspelt
    assert "Give the path that metasiren run printed last." in misspelt
