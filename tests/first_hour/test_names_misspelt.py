"""Names that a person mistypes: the message names what is closest, or the command that was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.cli.foreign import WORDS
from metasiren.recipe.words import KEYS, all_words

Typed = Callable[..., Result]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("metasiren describe encodr cnn", "Did you mean 'encoder'?"),
        ("metasiren describe encoders cnn", "Did you mean 'encoder'?"),
        ("metasiren describe encoder mixtur", "Did you mean 'mixture'?"),
        ("metasiren describe recipe celeba_cn", "Did you mean 'celeba_cnn' or 'celeba_cnp'?"),
        ("metasiren describe recipe imag", "Did you mean 'image'?"),
        ("metasiren describe image", "To see that recipe: metasiren describe recipe image"),
        ("metasiren describe mixture encoder", "To see that encoder: metasiren describe encoder mixture"),
        ("metasiren describe encoder", "encoders: autodecoder, cavia, cnn"),
        ("metasiren describe recipe", "recipes: allen_cahn,"),
        ("metasiren new encodr mine", "Did you mean 'encoder'?"),
        ("metasiren run imag", "Did you mean 'image'?"),
        ("metasiren selfcheck --recipe imag", "Did you mean 'image'?"),
        ("metasiren zoo image -o faces.png", "name it faces.safetensors"),
        ("metasiren zoo image -o zoos/faces", "name it zoos/faces.safetensors"),
        (
            "metasiren solve helmholtz --set data.medium.name=disc --set data.medium.radios=1 -o out",
            "Did you mean 'radius'?",
        ),
        ("metasiren run image --preset quik", "Did you mean 'quick'?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_closest(typed: Typed, line: str, words: str) -> None:
    assert words in str(typed(line).exception)


@pytest.mark.parametrize(("begun", "offered"), [("inp", "plain,inpainting"), ("./mi", "file,./mi")])
def test_the_shell_completes_recipes_and_files(monkeypatch: pytest.MonkeyPatch, begun: str, offered: str) -> None:
    monkeypatch.setenv("COMP_WORDS", f"metasiren run {begun}")
    monkeypatch.setenv("COMP_CWORD", "2")
    asked = CliRunner().invoke(cli, env={"_METASIREN_COMPLETE": "bash_complete"}, prog_name="metasiren")
    assert asked.stdout.strip() == offered


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--epochs 5", "--set train.epochs=5"),
        ("--lr 1e-3", "--set train.optimizer.lr=1e-3"),
        ("--learnin-rate=1e-3", "--set train.optimizer.lr=1e-3"),
        ("--gpu 0", "--device cuda"),
        ("--batch-size 4", "--set train.batch=4"),
        ("--hidden-features 64", "--set siren.hidden_features=64"),
        ("--epochs", "--set train.epochs=VALUE"),
        ("-o here", "--out DIR"),
    ],
)
def test_an_option_of_another_program_is_answered_with_the_key_of_the_recipe(
    typed: Typed, option: str, words: str
) -> None:
    result = typed(f"metasiren run image {option}")
    assert result.exit_code == 2
    assert f"No such option '{option.split()[0].split('=')[0]}'. Here: {words}\n" in result.output


@pytest.mark.parametrize(("option", "words"), [("--max-tim 3", "'--max-time'"), ("--prest quick", "'--preset'")])
def test_a_misspelt_option_is_answered_with_the_command_s_own(typed: Typed, option: str, words: str) -> None:
    assert words in typed(f"metasiren run image {option}").output


def test_keys_for_options_of_other_programs_are_keys_of_a_recipe(typed: Typed) -> None:
    values = {"name": "adam", "path": "null", "nonlinearity": "relu"}
    for key in {*KEYS.values(), *WORDS.values()}:
        assert ms.load_recipe("image", preset="quick", overrides={key: values.get(key.split(".")[-1], 3)})
    for key in all_words().values():
        part, name = key.split(".")[:2]
        assert part == "data" or name in getattr(ms.load_recipe("image", preset="quick"), part).model_dump()


@pytest.mark.parametrize(
    ("pair", "key"),
    [
        ("lr=1e-3", "train.optimizer.lr"),
        ("train.lr=1e-3", "train.optimizer.lr"),
        ("path=me.jpg", "data.path"),
        ("siren.omega=30", "siren.first_omega"),
        ("train.learning-rate=1", "train.optimizer.lr"),
        ("epochs=3", "train.epochs"),
        ("siren.hiden_layers=3", "hidden_layers"),
        ("data.image=me.jpg", "path"),
        ("data.grays=true", "grey"),
        ("siren.nonlinearity=ReLU", "relu"),
    ],
)
def test_a_key_of_another_program_is_answered_with_the_recipe_s(typed: Typed, pair: str, key: str) -> None:
    assert f"Did you mean '{key}'?" in str(typed(f"metasiren run image --set {pair}").exception)


@pytest.mark.parametrize("recipe", ["image", "sdf", "audio_bach", "video_bikes", "volume"])
def test_a_path_that_is_no_file_is_answered_with_what_it_is(typed: Typed, tmp_path: Path, recipe: str) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "holiday.bin").write_bytes(b"x")
    folder = str(typed(f"metasiren run {recipe} --set data.path=things").exception)
    assert "things is a folder, not a file." in folder
    misspelt = str(typed(f"metasiren run {recipe} --set data.path=things/holidy.bin").exception)
    assert "things/holidy.bin is not there. Did you mean 'holiday.bin'?" in misspelt
    assert "is not there.\n" in str(typed(f"metasiren run {recipe} --set data.path=nowhere/a.bin").exception)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("metasiren run image me.jpg", "Here: --set data.path=me.jpg"),
        ("metasiren run image quick", "Here: --preset quick"),
        ("metasiren run image --set data.path me.jpg", "Here: --set data.path=me.jpg"),
        ("metasiren run image celeba_cnn", "unexpected extra argument"),
    ],
)
def test_an_argument_too_many_is_answered_with_the_option_for_it(
    typed: Typed, tmp_path: Path, line: str, words: str
) -> None:
    (tmp_path / "me.jpg").write_bytes(b"x")
    result = typed(line)
    assert result.exit_code == 2
    assert words in result.output


def test_data_in_place_of_a_recipe_is_answered_with_the_option_for_it(typed: Typed, tmp_path: Path) -> None:
    for name, content in (("me.jpg", b"\xff\xd8\xff"), ("me.obj", b"v 0 0 0")):
        (tmp_path / name).write_bytes(content)
        said = str(typed(f"metasiren run {name}").exception)
        assert "is no recipe" in said
        assert f"metasiren run RECIPE --set data.path={name}" in said


def test_no_name_is_suggested_where_none_is_close() -> None:
    assert ms.did_you_mean("zzz", ["cnn", "cnp"]) == ""
    assert ms.did_you_mean("first", ["filters", "first_omega"]) == "Did you mean 'first_omega'?"
    assert ms.did_you_mean("cnx", ["cnn", "cnp", "gaussian"]) == "Did you mean 'cnn' or 'cnp'?"


def test_faces_that_cannot_be_read_are_answered_once_with_the_reason(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    np.savez(tmp_path / "folder" / "faces.npz", images=np.zeros((3, 8, 8, 3), np.uint8))
    for path, words in (
        ("me.png", "celeba_cnn: data: me.png is one picture; a prior is trained on many."),
        ("folder", "celeba_cnn: data: folder is a folder without pictures; it holds faces.npz."),
        ("folder/face.npz", "celeba_cnn: data: folder/face.npz is not there. Did you mean 'faces.npz'?"),
        ("nowhere", "celeba_cnn: data: nowhere is not there."),
    ):
        said = str(typed(f"metasiren run celeba_cnn --set data.path={path}").exception)
        assert said.startswith(words)
        assert len(said.splitlines()) <= 4
