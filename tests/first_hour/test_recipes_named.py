"""Preset words mean one thing in every recipe, former names still work, and paper presets are the paper, key by key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

import metasiren as ms
from metasiren.recipe import aliases_of, presets_of, shipped_recipes

RECIPES = [path.stem for path in shipped_recipes()]
PAPER = [name for name in RECIPES if {"paper_text", "paper_code"} & set(presets_of(name))]


@pytest.mark.parametrize("name", RECIPES)
def test_preset_words_mean_one_thing(name: str) -> None:
    presets = presets_of(name)
    assert "quick" in presets
    assert not presets["quick"].get("needs"), "quick needs neither data nor a GPU"
    for word, entry in presets.items():
        needs = set(entry.get("needs") or [])
        if word.startswith("cpu"):
            assert "gpu" not in needs
        if word.startswith(("gpu", "paper_")):
            assert "gpu" in needs
    assert not {"fast", "laptop", "hour", "plain", "subset", "disc", "max", "paper"} & set(presets)


def test_a_title_is_the_first_sentence() -> None:
    from metasiren.registry.recipes import recipe_info

    titles = {name: recipe_info(name).title for name in RECIPES}
    assert titles["allen_cahn"].endswith("(Raissi et al. 2019, section 3.2)")
    assert titles["burgers"].endswith("(Raissi et al. 2019, section 2)")
    assert titles["celeba_mixture"].endswith("the output layer of a SIREN")
    assert all(title.count("(") == title.count(")") for title in titles.values())


FORMER = {
    "audio_bach": {"fast": "cpu", "paper": "paper_text"},
    "audio_counting": {"fast": "cpu", "paper": "paper_text"},
    "celeba_cnn": {"paper": "paper_text", "subset": "gpu", "laptop": "cpu"},
    "celeba_gaussian": {"paper": "gpu", "subset": "cpu"},
    "fwi": {"fast": "cpu", "paper": "paper_text"},
    "helmholtz": {"fast": "cpu", "disc": "cpu_disc", "paper": "paper_code"},
    "image": {"fast": "cpu", "paper": "paper_text"},
    "image_editing": {"fast": "cpu", "max": "cpu_max", "clone": "cpu_clone", "paper": "paper_text"},
    "poisson_gradient": {"fast": "cpu", "paper": "paper_code"},
    "sdf": {"fast": "gpu", "laptop": "cpu", "paper": "paper_text"},
    "video_bikes": {"fast": "gpu", "laptop": "cpu", "hour": "cpu_whole", "paper": "paper_text"},
    "wave": {"fast": "cpu", "plain": "cpu_plain", "paper": "paper_text"},
}


@pytest.mark.parametrize("name", sorted(FORMER))
def test_former_names_are_other_names_of_presets(name: str) -> None:
    assert aliases_of(name) == FORMER[name]
    for old, new in FORMER[name].items():
        assert ms.load_recipe(name, preset=old) == ms.load_recipe(name, preset=new)


def flat(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found


# (recipe, key): (value of the paper's text, value of the authors' code). S: the supplement; the code is that of
# vsitzmann/siren. Keys at which both agree are in `SHARED`.
SOURCES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("image", "train.steps"): (15000, 10000),                                  # S6.4; train_img.py
    ("audio_bach", "train.steps"): (5000, 9001),                               # Table 3; train_audio.py
    ("audio_bach", "train.optimizer.lr"): (5e-5, 1e-4),                        # S8; the script's default
    ("audio_counting", "train.steps"): (5000, 9001),
    ("audio_counting", "train.optimizer.lr"): (5e-5, 1e-4),
    ("video_cat", "data.points"): (160000, 38e-4),                             # S7; sample_fraction
    ("poisson_gradient", "data.crop"): ("square", "top_left"),                 # S3; the loader's crop
    ("poisson_laplacian", "data.crop"): ("square", "top_left"),
    ("inpainting", "train.steps"): (5000, 10000),                              # S6.4; the script's defaults
    ("inpainting", "train.optimizer.lr"): (5e-5, 1e-4),
    ("inpainting", "constraints.tv.weight"): (1e-4, 1.0),
    ("sdf", "constraints.normal_alignment.cosine"): (False, True),             # Eq. 6; cosine_similarity
    ("sdf", "constraints.sdf_zero.weight"): (3e3, 1.5e3),                      # S4; means over 2N points
    ("sdf", "constraints.off_surface.weight"): (3e3, 50),                      # S4; 1e2 halved
    ("sdf", "constraints.normal_alignment.weight"): (100, 50),
    ("sdf", "constraints.eikonal_surface.weight"): (50, 25),
    ("sdf", "constraints.eikonal_space.weight"): (50, 25),
    ("helmholtz", "constraints.helmholtz.source_lambda"): ("N/5000", "N/1000"),  # S5.1; loss_functions.py
    ("helmholtz", "data.points"): (13000, 52900),                              # "3,000 to 13,000 samples"; 230²
    ("fwi", "constraints.inversion.source_lambda"): ("N/10000", "N/1000"),     # S5.2; loss_functions.py
    ("celeba_cnn", "train.epochs"): (175, 401),                                # S9; train_neural_process.py
    ("celeba_cnn", "train.batch"): (200, 100),
    ("celeba_cnn", "train.clip"): (None, 1.0),
    ("celeba_cnn", "train.context"): ((10, 1000), (10, 200)),                  # S9; the script's default
    ("celeba_cnn", "data.resize"): ("bilinear", "nearest"),                    # not stated; Pillow 6.2.1's default
    ("celeba_cnn", "constraints.mse.channels"): ("sum", "mean"),               # Eq. 26; loss_functions.py
    ("celeba_cnn", "decoder.hidden_layers"): (1, 2),                           # S9; HyperNetwork
    ("celeba_cnn", "evaluate.protocol"): ("exact", "siren2020"),
    ("celeba_set_sine", "encoder.hidden_layers"): (1, 2),                      # S9: two hidden layers; SetEncoder
    ("celeba_set_relu", "encoder.hidden_layers"): (1, 2),
}  # fmt: skip

SHARED: dict[tuple[str, str], Any] = {
    ("image", "train.optimizer.lr"): 1e-4,
    ("video_bikes", "train.steps"): 100_000,
    ("video_bikes", "siren.hidden_features"): 1024,
    ("video_bikes", "data.points"): 38e-4,
    ("poisson_gradient", "train.steps"): 10_000,
    ("sdf", "constraints.off_surface.alpha"): 100,
    ("sdf", "train.clip"): 1.0,
    ("helmholtz", "constraints.helmholtz.norm"): "l1",
    ("helmholtz", "constraints.helmholtz.reduction"): "sum",
    ("helmholtz", "train.optimizer.lr"): 2e-5,
    ("helmholtz", "train.steps"): 50_000,
    ("fwi", "constraints.receivers.norm"): "l1",
    ("wave", "train.steps"): 100_000,
    ("wave", "train.optimizer.lr"): 2e-5,
    ("wave", "siren.hidden_features"): 512,
    ("wave", "constraints.initial_value.weight"): 115_600 / 10 * 2000,         # N/10 of a sum over 2,000 points
    ("wave", "constraints.initial_velocity.weight"): 115_600 / 100 * 2000,
    ("celeba_cnn", "encoder.mask_channel"): False,                             # neither shows which pixels were seen
    ("celeba_cnn", "constraints.latent_prior.weight"): 0.1,
    ("celeba_cnn", "constraints.weight_prior.weight"): 100,
    ("celeba_cnn", "train.optimizer.lr"): 5e-5,
    ("celeba_cnn", "decoder.start"): "paper",
}  # fmt: skip


@pytest.mark.parametrize(("name", "key"), sorted(SOURCES), ids=" ".join)
def test_paper_text_and_paper_code_differ_as_their_sources_do(name: str, key: str) -> None:
    text, code = (flat(ms.load_recipe(name, preset=f"paper_{kind}").model_dump()).get(key) for kind in ("text", "code"))
    assert (text, code) == SOURCES[name, key]


@pytest.mark.parametrize(("name", "key"), sorted(SHARED), ids=" ".join)
def test_what_paper_and_code_share_is_in_both(name: str, key: str) -> None:
    for kind in ("text", "code"):
        assert flat(ms.load_recipe(name, preset=f"paper_{kind}").model_dump())[key] == pytest.approx(SHARED[name, key])


def test_paper_presets_differ_in_no_key_that_the_table_leaves_out() -> None:
    quiet = ("gives", "train.stages", "data.near", "constraints.slowness_prior.", "evaluate.seeds", "evaluate.masks",
             "constraints.helmholtz.", "encoder.legacy_mask", "encoder.norm")  # fmt: skip
    for name in PAPER:
        if not {"paper_text", "paper_code"} <= set(presets_of(name)):
            continue
        text, code = (flat(ms.load_recipe(name, preset=f"paper_{kind}").model_dump()) for kind in ("text", "code"))
        keys = {key for key in {*text, *code} if text.get(key) != code.get(key) and not key.startswith(quiet)}
        family = "celeba_cnn" if name.startswith("celeba_") else "sdf" if name == "sdf_room" else name
        told = {key for recipe, key in SOURCES if recipe in (name, family)}
        assert keys <= told, f"{name}: {keys - told}"


def test_metasiren_recipes_lists_presets_with_needs_costs_and_gives(typed: Callable[..., Result]) -> None:
    lines = typed("metasiren recipes").stdout.splitlines()
    heads = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert heads == RECIPES
    start = next(i for i, line in enumerate(lines) if line.startswith("image:"))
    cpu = next(line for line in lines[start:] if line.startswith("  cpu"))
    assert "three minutes on two CPU cores" in cpu
    assert "formerly fast" in cpu
    listed = json.loads(typed("metasiren recipes --json").stdout)
    assert {each["name"] for each in listed} == set(RECIPES)


def test_the_short_list_is_one_line_a_recipe(typed: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    whole, short = typed("metasiren recipes"), typed("metasiren recipes --short")
    assert whole.stderr.startswith("Shorter: metasiren recipes --short")
    assert "metasiren describe recipe NAME" in short.stderr
    lines = short.stdout.splitlines()
    assert [line.split()[0] for line in lines] == RECIPES
    assert max(map(len, lines)) <= 100
    assert any(line.endswith("as a SIREN, with its gradient and Laplacian") for line in lines)
    monkeypatch.setattr("metasiren.cli.parts.terminal_width", lambda: 60)
    narrow = typed("metasiren recipes --short").stdout.splitlines()
    assert max(map(len, narrow)) <= 60
    assert all(line.endswith(" …") for line, full in zip(narrow, lines, strict=True) if len(full) > 60)


def test_a_word_chooses_among_the_recipes(typed: Callable[..., Result]) -> None:
    celeba = [name for name in RECIPES if "celeba" in name]
    heads = [line.partition(":")[0] for line in typed("metasiren recipes celeba").stdout.splitlines()]
    assert [head for head in heads if not head.startswith(" ")] == celeba
    assert [line.split()[0] for line in typed("metasiren recipes CelebA --short").stdout.splitlines()] == celeba
    assert [each["name"] for each in json.loads(typed("metasiren recipes celeba --json").stdout)] == celeba
    unknown = typed("metasiren recipes celbea_cnn")
    assert unknown.exit_code != 0
    said = str(unknown.exception)
    assert said.startswith("recipes celbea_cnn: no recipe's name contains 'celbea_cnn'.")
    assert "Did you mean 'celeba_cnn'" in said
    assert "recipes: allen_cahn" in said


def test_describe_recipe_shows_its_comment_and_presets(typed: Callable[..., Result]) -> None:
    shown = typed("metasiren describe recipe celeba_cnn").stdout
    assert "supplementary Table 4" in shown
    assert "paper_code" in shown
    assert "needs data and gpu" in shown
    assert "Did you mean 'celeba_cnn'" in str(typed("metasiren describe recipe celeba_cnnn").exception)


def test_the_celeba_recipes_share_one_file_and_say_only_what_differs() -> None:
    for path in shipped_recipes():
        if path.stem in ("celeba_cnn", "celeba_pconv", "celeba_set_relu", "celeba_set_sine"):
            text = path.read_text()
            assert "extends: shared/celeba.yaml" in text
            assert len(text.splitlines()) <= 20


def test_extends_stays_below_its_folder_and_ends(tmp_path: Any) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\ntrain: {steps: 3}\n")
    (tmp_path / "b.yaml").write_text("data: toy\nconstraints: {mse: 1}\ntrain: {epochs: 1, batch: 2}\n")
    made = ms.load_recipe(tmp_path / "a.yaml")
    assert (made.train.steps, made.train.epochs, made.train.batch) == (3, None, 2)
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ms.RecipeError, match="extends itself"):
        ms.load_recipe(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("extends: ../b.yaml\n")
    with pytest.raises(ms.RecipeError, match="leads out"):
        ms.load_recipe(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("extends: nothing\n")
    with pytest.raises(ms.RecipeError, match="no such recipe"):
        ms.load_recipe(tmp_path / "a.yaml")


def test_extends_follows_no_link_out_of_its_folder_and_no_long_chain(tmp_path: Any) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.yaml").write_text("extends: image\n")
    (inside / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (inside / "a.yaml").write_text("extends: link.yaml\n")
    with pytest.raises(ms.RecipeError, match=r"'link.yaml' leads out of the recipe's folder"):
        ms.load_recipe(inside / "a.yaml")
    # A recipe that is itself a link finds its neighbours in both folders.
    (inside / "copy.yaml").symlink_to(tmp_path / "whole.yaml")
    (tmp_path / "whole.yaml").write_text("extends: secret.yaml\n")
    (inside / "secret.yaml").symlink_to(tmp_path / "secret.yaml")
    assert ms.load_recipe(inside / "copy.yaml", preset="base").data.name == "picture"
    for number in range(30):
        (inside / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n" if number < 29 else "extends: image\n")
    with pytest.raises(ms.RecipeError, match="chain of more than 20 recipes"):
        ms.load_recipe(inside / "0.yaml")
