"""Curves of trainings side by side, over steps and over seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metasiren import load_extra

COLOURS = 10  # of matplotlib's own cycle, C0 to C9; further curves change their dashes
STYLES = ("-", "--", ":", "-.")
PANEL_INCHES = (5.4, 4.0)
MOST_COLUMNS = 4
KEY_INCHES, LETTER_INCHES = 0.8, 0.09
"""Of a legend's column: the key with its spaces, and a letter of its longest title."""


@dataclass(frozen=True)
class Curve:
    """One line of a legend.

    Attributes:
        title: its name.
        histories: logged steps of each of its trainings, as metrics.jsonl holds them.
    """

    title: str
    histories: Sequence[Sequence[Mapping[str, float]]]


def plotting() -> Any:
    """The module `matplotlib.figure`, whose figures need no display and keep no global state.

    Raises:
        PluginError: matplotlib is not installed.
    """
    return load_extra("matplotlib.figure", extra="plots", where="plots")


def draw_curves(curves: Sequence[Curve], path: Path, *, psnr: bool) -> None:
    """Draw losses, or PSNR, over steps and over seconds.

    Args:
        curves: those without any logged step are left out.
        path: of the picture.
        psnr: the losses hold `mse` of values in [-1, 1]: show 10 log10(4 / mse) in dB in its place.
    """
    drawn = [curve for curve in curves if any(list(_points(history, "step", psnr)) for history in curve.histories)]
    if not drawn:
        return
    width, height = PANEL_INCHES
    columns = legend_columns([curve.title for curve in drawn], 2 * width)
    rows = -(-len(drawn) // columns)
    figure = plotting().Figure(figsize=(2 * width, height + 0.28 * rows), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for number, curve in enumerate(drawn):
        look = {"color": f"C{number % COLOURS}", "linestyle": STYLES[number // COLOURS % len(STYLES)]}
        for panel, across in zip(panels, ("step", "seconds"), strict=True):
            for nth, history in enumerate(curve.histories):
                points = list(_points(history, across, psnr))
                label = curve.title if nth == 0 else None
                marker = "o" if len(points) == 1 else None
                panel.plot([x for x, _ in points], [y for _, y in points], label=label, marker=marker, lw=1.6, **look)
    for panel, across in zip(panels, ("steps", "seconds of training"), strict=True):
        panel.set_xlabel(across)
        panel.grid(alpha=0.3)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_xlim(left=0)
    ends = [history[-1]["seconds"] for curve in drawn for history in curve.histories if history]
    if min(ends) > 0 and max(ends) > 10 * min(ends):
        panels[1].set_xscale("log")  # else the quick ones would be lines straight up
    else:
        panels[1].set_xlim(left=0)
    panels[0].set_ylabel("PSNR in dB, on the points trained on" if psnr else "loss")
    if not psnr and all(y > 0 for c in drawn for h in c.histories for _, y in _points(h, "step", psnr)):
        panels[0].set_yscale("log")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=10)
    figure.savefig(path)


def legend_columns(titles: Sequence[str], width: float) -> int:
    """The most columns, up to `MOST_COLUMNS`, of a legend of these titles that is no wider than `width` inches."""
    for columns in range(min(MOST_COLUMNS, len(titles)), 1, -1):
        # A legend is filled column by column; the first ones have one title more where they cannot be equal.
        sizes = [len(titles) // columns + (nth < len(titles) % columns) for nth in range(columns)]
        ends = [sum(sizes[: nth + 1]) for nth in range(columns)]
        longest = [max(map(len, titles[end - size : end])) for end, size in zip(ends, sizes, strict=True)]
        if columns * KEY_INCHES + LETTER_INCHES * sum(longest) <= width:
            return columns
    return 1


def _points(history: Sequence[Mapping[str, float]], across: str, psnr: bool) -> Iterator[tuple[float, float]]:
    for line in history:
        value = line.get("mse" if psnr else "loss", math.nan)
        if math.isfinite(value) and (value > 0 or not psnr):
            yield line[across], 10 * math.log10(4 / value) if psnr else value
