"""Which preset runs: overrides count, a person's file wins, and Python follows the same rule."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from click.testing import Result
from PIL import Image
from scipy.io import wavfile
from small_runs import path_of, small

import metasiren as ms

Typed = Callable[..., Result]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """knot.ply, sound.wav and photo files of a person."""
    trimesh.creation.torus(0.6, 0.2).export(tmp_path / "knot.ply")
    wave = np.sin(np.arange(4000) / 8).astype(np.float32)
    wavfile.write(tmp_path / "sound.wav", 8000, wave)
    return tmp_path


def run_of(result: Result) -> ms.Run:
    return ms.open_run(path_of(result))


SDF = ("evaluate.resolution=16", "evaluate.samples=500", "evaluate.size=16", "data.samples=2000", "data.points=64")


def test_run_sdf_with_a_person_s_mesh_trains_on_it(typed: Typed, files: Path) -> None:
    run = run_of(typed("metasiren run sdf --set data.path=knot.ply", *small(*SDF)))
    assert run.recipe.preset != "quick", "quick is for runs without data"
    assert (run.recipe.data.options["path"], run.recipe.data.options.get("solid")) == ("knot.ply", None)


def test_a_person_s_mesh_displaces_the_solid_of_quick(typed: Typed, files: Path) -> None:
    run = run_of(typed("metasiren run sdf --preset quick --set data.path=knot.ply", *small(*SDF)))
    assert run.recipe.preset == "quick"
    assert (run.recipe.data.options["path"], run.recipe.data.options["solid"]) == ("knot.ply", None)


def test_run_audio_with_a_person_s_sound_trains_on_it(typed: Typed, files: Path) -> None:
    run = run_of(typed("metasiren run audio_bach --set data.path=sound.wav", *small("data.points=256")))
    assert run.recipe.data.options["path"] == "sound.wav"
    assert run.recipe.preset != "quick"


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        ("metasiren run audio_bach --preset quick --set data.path=sound.wav", ("data.points=256",), ""),
        ("metasiren run sdf --preset quick --set data.path=knot.ply", SDF, ""),
        ("metasiren run image --preset quick --set data.points=null", ("data.size=16",), "points=null"),
    ],
)
def test_what_a_person_s_file_displaces_is_no_part_of_the_run_s_name(
    typed: Typed, files: Path, command: str, options: tuple[str, ...], named: str
) -> None:
    label = run_of(typed(command, *small(*options))).label
    assert "source" not in label
    assert "solid" not in label
    assert named in label


def test_a_run_by_python_m_keeps_its_command_as_a_person_types_it(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/packages/metasiren/__main__.py", "run", "image"])
    run = run_of(typed("metasiren run image --preset quick", *small("data.size=8", "data.points=9")))
    assert run.environment["command"] == ["metasiren", "run", "image"]


def test_the_cost_of_a_preset_names_the_changes_that_it_does_not_count(typed: Typed) -> None:
    plain = typed("metasiren run image --preset quick --dry-run --set train.seed=3", "--set", "train.log_every=7")
    assert "yours differs" not in plain.output
    same = ms.load_recipe("image", preset="quick").train.steps
    done = typed(
        "metasiren run image --preset quick --dry-run", "--set", f"train.steps={same}", "--set", "data.size=16"
    )
    cost = "as the preset stands; yours differs in data.size\n"
    assert re.search(rf"# image, preset quick; its stated cost: .*, {cost}# data", done.stdout)
    assert "as the preset stands; yours differs in data.size)" in " ".join(done.stderr.split())
    wider = typed("metasiren run image --dry-run --preset quick", *small("data.size=16"), "--device", "cpu")
    assert "yours differs in siren.hidden_features, train.steps, data.size" in " ".join(wider.output.split())
    stage = typed("metasiren run burgers --preset quick --dry-run --set train.stages.0.steps=7")
    assert "yours differs in train.stages.0.steps" in " ".join(stage.output.split())


def test_the_choice_is_one_line_with_its_cost(typed: Typed) -> None:
    result = typed("metasiren run image", *small("data.size=16", "data.points=64"))
    line = next(each for each in result.stderr.splitlines() if each.startswith("image: preset"))
    assert "minutes" in line


def test_a_file_that_is_not_there_is_named_and_nothing_else_runs(typed: Typed, tmp_path: Path) -> None:
    result = typed("metasiren run audio_bach --set data.path=nowhere.wav")
    assert "nowhere.wav" in str(result.exception)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("command", "options", "kept", "dropped"),
    [
        ("sdf --preset quick", ("path=knot.ply", "solid=torus"), "torus", "path"),
        ("audio_bach", ("path=sound.wav", "source=chord"), "chord", "path"),
        ("video_bikes", ("path=clip.mp4", "source=drift"), "drift", "path"),
        ("image --preset quick", ("path=me.jpg", "photograph=cat"), "me.jpg", "photograph"),
        ("denoise", ("path=me.jpg", "photograph=cat"), "cat", "path"),
        ("super_resolution", ("path=me.jpg", "photograph=cat"), "cat", "path"),
        ("poisson_gradient", ("path=me.jpg", "photograph=cat"), "cat", "path"),
        ("inpainting", ("path=me.jpg", "photograph=cat"), "cat", "path"),
        ("inpainting", ("mask=hole.png", "fraction=0.2"), "hole.png", "fraction"),
        ("image_editing", ("second_path=me.jpg", "second_photograph=cat"), "cat", "second_path"),
    ],
)
def test_two_signals_given_by_a_person_are_refused_with_the_word_to_drop(
    typed: Typed, files: Path, command: str, options: tuple[str, ...], kept: str, dropped: str
) -> None:
    result = typed(f"metasiren run {command}", *[word for each in options for word in ("--set", f"data.{each}")])
    said = str(result.exception)
    assert "give one of them" in said
    assert f"data.{dropped} for {kept}" in said
    assert not (files / "runs").exists()


PHOTO = ("data.size=16", "data.points=64")


def test_a_person_s_second_picture_is_no_part_of_the_run_s_name(typed: Typed, files: Path) -> None:
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(files / "me.png")
    command = "metasiren run image_editing --preset quick --set data.second_path=me.png"
    second = run_of(typed(command, *small("data.size=64", "data.points=64")))
    assert second.recipe.data.options["second_path"] == "me.png"
    assert "me.png" not in second.label


def test_a_person_s_photograph_or_path_displaces_that_of_the_preset(typed: Typed, files: Path) -> None:
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(files / "me.png")
    own = run_of(typed("metasiren run image --preset quick --set data.path=me.png", *small(*PHOTO)))
    assert (own.recipe.data.options["path"], own.recipe.data.options["photograph"]) == ("me.png", None)
    assert "photograph" not in own.label
    options = (*PHOTO, "data.pixel_pairs=null", "constraints.difference_mse=null", "data.photograph=cat")
    named = run_of(typed("metasiren run poisson_gradient --preset cpu", *small(*options)))
    assert (named.recipe.data.options["path"], named.recipe.data.options["photograph"]) == (None, "cat")
    assert named.environment["dataset"]["source"] == "cat"


def test_a_person_s_mask_displaces_the_fraction_of_the_preset(typed: Typed, files: Path) -> None:
    hole = np.zeros((16, 16), np.uint8)
    hole[:4, :4] = 255
    Image.fromarray(hole).save(files / "hole.png")
    options = ("data.size=[16, 16]", "data.prior_points=64", "data.mask=hole.png")
    run = run_of(typed("metasiren run inpainting --preset quick", *small(*options)))
    assert run.recipe.data.options["fraction"] is None
    assert "93.8 % of the pixels seen" in run.environment["dataset"]["title"]


def test_neither_a_path_nor_a_photograph_is_an_error_that_names_photographs(typed: Typed) -> None:
    result = typed("metasiren run image --preset quick --set data.photograph=null", *small("data.size=16"))
    assert "neither a path nor a photograph" in str(result.exception)
    assert "cat" in str(result.exception)


def test_base_is_the_recipe_without_a_preset(typed: Typed) -> None:
    run = run_of(typed("metasiren run image --preset base", *small("data.size=16")))
    assert run.environment["preset"] == "base"
    assert run.recipe.train.optimizer.options["lr"] == 1e-4


@pytest.mark.parametrize("name", ["image", "helmholtz", "wave", "fwi", "celeba_cnn"])
def test_python_and_the_command_line_choose_alike(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from metasiren.engine.choosing import choose_preset

    monkeypatch.setenv("METASIREN_DATA", str(tmp_path))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    choice = choose_preset(name, ms.load_catalogue())
    assert ms.load_recipe(name).preset == choice.preset is not None
    assert ms.load_recipe(name, preset="base").preset == "base"


def test_an_alias_is_the_preset_that_it_names(tmp_path: Path) -> None:
    text = "data: waves\nconstraints: {mse: 1}\ntrain: {steps: 1}\npresets: {cpu: {train: {steps: 5}}, fast: cpu}\n"
    (tmp_path / "r.yaml").write_text(text)
    old, new = (ms.load_recipe(tmp_path / "r.yaml", preset=word) for word in ("fast", "cpu"))
    assert old == new
    assert (old.preset, old.train.steps) == ("cpu", 5)
    (tmp_path / "r.yaml").write_text(text.replace("fast: cpu", "fast: cpuu"))
    with pytest.raises(ms.RecipeError, match="no preset of this recipe"):
        ms.load_recipe(tmp_path / "r.yaml")


def test_a_rival_starts_from_its_own_defaults() -> None:
    """`init_scale` of a preset is tuned for the sine; a rival does not inherit it, unless a person says so."""
    from metasiren_studies.comparing import variants

    over, small = ["nonlinearity=sine,relu,tanh,relu_pe"], {"data.size": 16}

    def scales(**overrides: object) -> dict[str, float]:
        made = variants("image", over, preset="cpu", overrides={**small, **overrides}, catalogue=ms.load_catalogue())
        return {variant.title: recipe.siren.init_scale for variant, recipe in made}

    own = {"relu": 1.0, "tanh": 1.0, "relu_pe": 1.0}
    assert scales() == {"sine": ms.load_recipe("image", preset="cpu").siren.init_scale, **own}
    assert scales()["sine"] != 1
    assert set(scales(**{"siren.init_scale": 2.0}).values()) == {2.0}


@pytest.mark.slow
def test_the_quick_picture_learns_value_gradient_and_laplacian(tmp_path: Path) -> None:
    made = ms.run(ms.load_recipe("image", preset="quick"), tmp_path / "run", device="cpu", seed=0)
    numbers = json.loads((made.results / "metrics.json").read_text())
    assert numbers["psnr_db"] > 33
    assert numbers["gradient_psnr_db"] > 31
    assert numbers["laplacian_psnr_db"] > 28


def test_each_reason_why_presets_cannot_run_is_said_once(typed: Typed) -> None:
    said = " ".join(typed("metasiren run celeba_cnn --set train.optimizer.name=none").stderr.split())
    assert said.count("CelebA is not found") == 1
    assert "paper_text, paper_code, gpu, cpu cannot run here: CelebA is not found" in said
    assert "paper_text, paper_code, gpu cannot run here: there is no GPU that torch can use" in said


def test_a_preset_made_for_a_gpu_says_so_where_there_is_none(typed: Typed) -> None:
    words = "is made for a GPU, and torch finds none: --dry-run tells how long it takes here"
    said = typed("metasiren run image --preset paper_text", *small("data.size=16", "evaluate.paper=null"))
    assert f"paper_text {words}" in " ".join(said.stderr.split())
    assert words not in " ".join(typed("metasiren run image --preset quick", *small("data.size=16")).stderr.split())


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("volume", ("path=volume.npy", "size=20"), "size is 20, which has no effect beside path volume.npy."),
        ("volume", ("path=volume.npy", "frequency=3"), "frequency is 3, which has no effect beside path volume.npy."),
        ("volume", ("every=3",), "every is 3, which has no effect without path."),
        ("tomography", ("path=scan.npy", "angles=90"), "angles is 90, which has no effect beside path scan.npy."),
        ("tomography", ("path=scan.npy", "size=65"), "size is 65, which has no effect beside path scan.npy."),
        ("tomography", ("path=scan.npy", "noise=0"), "noise is 0, which has no effect beside path scan.npy."),
        ("tomography", ("path=me.jpg", "white=2"), "white is 2, which has no effect beside path me.jpg."),
        ("celeba_cnn --preset cpu", ("path=f.npz", "size=16"), "size is 16, which has no effect beside path f.npz."),
        ("trunk_start --preset base", ("resize=bicubic",), "resize is bicubic, which has no effect without path."),
        ("inpainting", ("mask=hole.png", "mask_seed=4"), "mask_seed is 4, which has no effect beside mask hole.png."),
        ("inpainting", ("mask_polarity=white_seen",), "mask_polarity is white_seen, which has no effect without mask."),
        ("sdf", ("path=scan.xyz", "samples=9"), "samples is 9, which has no effect beside path scan.xyz."),
        ("sdf", ("path=scan.obj", "most=9"), "most is 9, which has no effect beside path scan.obj."),
    ],
)
def test_an_option_without_effect_beside_a_person_s_file_is_refused(
    typed: Typed, files: Path, command: str, options: tuple[str, ...], said: str
) -> None:
    result = typed(f"metasiren run {command}", *[word for each in options for word in ("--set", f"data.{each}")])
    assert said in str(result.exception)
    assert f"Leave out data.{said.split()[0]}." in str(result.exception)
    assert not (files / "runs").exists()


@pytest.mark.parametrize(
    ("name", "faces", "option", "refused"),
    [
        ("scan.ply", 0, "samples=9", True),
        ("scan.ply", 0, "normals=vertex", True),
        ("scan.PLY", 4, "most=9", True),
        ("scan.ply", 4, "samples=9", False),
        ("scan.ply", 0, "most=9", False),
    ],
)
def test_the_header_of_a_ply_file_says_which_options_it_takes(
    typed: Typed, files: Path, name: str, faces: int, option: str, refused: bool
) -> None:
    vertices = "element vertex 4\n" + "".join(f"property float {c}\n" for c in ("x", "y", "z", "nx", "ny", "nz"))
    lists = f"element face {faces}\nproperty list uchar int vertex_indices\n"
    header = f"ply\nformat binary_little_endian 1.0\n{vertices}{lists}end_header\n"
    (files / name).write_bytes(header.encode() + bytes(96 + 13 * faces))
    result = typed(f"metasiren run sdf --set data.path={name} --set data.{option}")
    key, value = option.split("=")
    assert (f"{key} is {value}, which has no effect beside path {name}." in str(result.exception)) is refused
    assert isinstance(result.exception, ms.RecipeError if refused else ms.DataError)
    assert not list((files / "runs").glob("*/results/*"))


def test_a_person_s_volume_displaces_the_size_of_the_recipe(typed: Typed, files: Path) -> None:
    np.save(files / "volume.npy", np.random.default_rng(0).random((6, 7, 8)))
    run = run_of(typed("metasiren run volume --preset quick --set data.path=volume.npy", *small()))
    assert run.recipe.data.options["size"] is None
    assert "size" not in run.label


def test_a_person_s_sinogram_displaces_the_angles_of_the_recipe(typed: Typed, files: Path) -> None:
    np.save(files / "scan.npy", np.random.default_rng(0).random((33, 16)))
    small_scan = small("data.lines=16", "data.samples=8", "data.prior_points=32")
    run = run_of(typed("metasiren run tomography --preset quick --set data.path=scan.npy", *small_scan))
    assert [run.recipe.data.options[each] for each in ("size", "angles", "noise")] == [None, None, None]
    assert "angles" not in run.label


@pytest.mark.parametrize("key", ["constraints.tv.weight", "constraints.tv"])
def test_a_negative_weight_of_a_constraint_is_refused(typed: Typed, files: Path, key: str) -> None:
    result = typed(f"metasiren run denoise --set {key}=-1")
    said = str(result.exception)
    assert "constraints.tv.weight: Input should be greater than or equal to 0. Found -1." in said
    assert not (files / "runs").exists()


def test_a_person_s_faces_are_not_called_unprepared_celeba(typed: Typed, files: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), np.uint8)
    np.savez(files / "faces.npz", images=faces)
    pairs = small("train.batch=4", "encoder.features=8", "evaluate.protocol=null")
    result = typed("metasiren run celeba_cnn --set data.path=faces.npz", *pairs)
    said = " ".join(result.stderr.split())
    assert "celeba_cnn: preset cpu" in said
    assert "paper_text, paper_code cannot run here: faces.npz is not CelebA." in said
    assert "metasiren data celeba" not in said
