"""Words of other programs for the keys of a recipe, such as `lr`: which key a person means."""

from __future__ import annotations

from metasiren.recipe.model import Recipe, SirenOptions, Train

KEYS = {
    "lr": "train.optimizer.lr",
    "learning_rate": "train.optimizer.lr",
    "iterations": "train.steps",
    "iters": "train.steps",
    "num_steps": "train.steps",
    "max_steps": "train.steps",
    "num_epochs": "train.epochs",
    "max_epochs": "train.epochs",
    "batch_size": "train.batch",
    "bs": "train.batch",
    "dataset": "data.path",
    "data_path": "data.path",
    "path": "data.path",
    "file": "data.path",
    "image": "data.path",
    "input": "data.path",
    "size": "data.size",
    "resolution": "data.size",
    "width": "siren.hidden_features",
    "depth": "siren.hidden_layers",
    "layers": "siren.hidden_layers",
    "omega": "siren.first_omega",
    "omega_0": "siren.first_omega",
    "w0": "siren.first_omega",
    "activation": "siren.nonlinearity",
}
"""A word of other programs -> the recipe's key."""


def all_words() -> dict[str, str]:
    """Every word that has one meaning in a recipe -> its dotted key: the last words of keys, and `KEYS`."""
    words = {name: f"siren.{name}" for name in SirenOptions.model_fields}
    words |= {name: f"train.{name}" for name in Train.model_fields}
    return {name: key for name, key in words.items() if name not in Recipe.model_fields} | KEYS


def key_meant(word: str) -> str:
    """The key that a person means by a word, such as `train.optimizer.lr` by `lr`; empty where that is unknown."""
    return all_words().get(word.lower().replace("-", "_"), "")
