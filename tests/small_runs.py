"""Options that make a run tiny, as a person would type them, and where a command wrote it."""

from __future__ import annotations

from click.testing import Result


def small(*pairs: str, steps: int = 2) -> list[str]:
    """`--set` options that make any recipe of a single signal tiny: a narrow net, two steps."""
    changes = ("siren.hidden_features=16", f"train.steps={steps}", "train.log_every=1", *pairs)
    return [word for pair in changes for word in ("--set", pair)]


def faces() -> list[str]:
    """`--set` options that make a prior over cartoon faces tiny: 32 faces, two steps."""
    changes = (
        "data.train=32", "data.val=4", "data.test=0", "train.steps=2", "train.batch=4", "siren.hidden_features=8",
        "encoder.latent_dim=8", "decoder.hidden_features=8", "evaluate.seeds=1", "evaluate.baseline_images=2",
        "evaluate.pictures=1",
    )  # fmt: skip
    return [word for pair in changes for word in ("--set", pair)]


def path_of(result: Result) -> str:
    """The run, or the folder of results, whose path a command printed last; the command must have succeeded."""
    assert result.exit_code == 0, f"{result.output} {result.exception}"
    return str(result.stdout.splitlines()[-1])
