"""Options that make a run tiny, as a person would type them."""

from __future__ import annotations


def small(*pairs: str, steps: int = 2) -> list[str]:
    """`--set` options that make any recipe of a single signal tiny: a narrow net, two steps."""
    changes = ("siren.hidden_features=16", f"train.steps={steps}", "train.log_every=1", *pairs)
    return [word for pair in changes for word in ("--set", pair)]
