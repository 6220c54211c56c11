"""Names that a person mistypes: the message names what is closest, or the command that was meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import metasiren as ms
from metasiren.cli.foreign import KEYS

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
        ("metasiren run image --preset quik", "Did you mean 'quick'?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_closest(typed: Typed, line: str, words: str) -> None:
    assert words in str(typed(line).exception)


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
    for key in set(KEYS.values()):
        assert ms.load_recipe("image", preset="quick", overrides={key: values.get(key.split(".")[-1], 3)})


@pytest.mark.parametrize("recipe", ["image", "sdf", "audio_bach", "video_bikes", "volume"])
def test_a_path_that_is_no_file_is_answered_with_what_it_is(typed: Typed, tmp_path: Path, recipe: str) -> None:
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "holiday.bin").write_bytes(b"x")
    folder = str(typed(f"metasiren run {recipe} --set data.path=things").exception)
    assert "things is a folder, not a file." in folder
    misspelt = str(typed(f"metasiren run {recipe} --set data.path=things/holidy.bin").exception)
    assert "things/holidy.bin is not there. Did you mean 'holiday.bin'?" in misspelt
    assert "is not there.\n" in str(typed(f"metasiren run {recipe} --set data.path=nowhere/a.bin").exception)


def test_no_name_is_suggested_where_none_is_close() -> None:
    assert ms.did_you_mean("zzz", ["cnn", "cnp"]) == ""
    assert ms.did_you_mean("cnx", ["cnn", "cnp", "gaussian"]) == "Did you mean 'cnn' or 'cnp'?"
