"""Names of numbers, values and runs on pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

WORDS = {
    "psnr": "PSNR", "snr": "SNR", "ssim": "SSIM", "mse": "MSE", "rmse": "RMSE", "iou": "IoU", "nll": "NLL",
    "crps": "CRPS", "l1": "L1", "l2": "L2", "laplacian": "Laplacian", "db": "(dB)", "hz": "(Hz)",
}  # fmt: skip


def metric_title(name: str) -> str:
    """A metric's name in words: `gradient_psnr_db` is "gradient PSNR (dB)", `t0.1_mse` is "MSE at t = 0.1"."""
    moment = re.match(r"t([0-9.]+)_(.+)$", name)
    if moment:
        return f"{metric_title(moment[2])} at t = {moment[1]}"
    return " ".join(WORDS.get(word.lower(), word) for word in name.replace("_", " ").split(" "))


def value_text(value: Any) -> str:
    """A value of a recipe as YAML on one line; fractions with six significant digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None or isinstance(value, bool | list | dict):
        text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
        return text.removesuffix("...\n").strip()
    return str(value)


def run_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of each path: one, or as many as tell all of them apart."""
    whole = [path.resolve() for path in paths]
    for count in range(1, max((len(path.parts) for path in whole), default=1) + 1):
        names = ["/".join(path.parts[-count:]) for path in whole]
        if len(set(names)) == len(set(whole)):
            return names
    return [str(path) for path in whole]


def page_title(labels: Sequence[str], names: Sequence[str]) -> str:
    """The heading of a page: the label of one run, or the recipes of several."""
    if len(labels) == 1:
        return labels[0]
    recipes = list(dict.fromkeys(names))
    shown = ", ".join(recipes[:6]) + (f" and {len(recipes) - 6} more" if len(recipes) > 6 else "")
    return f"{len(labels)} runs: {shown}"
