"""Activations at initialisation as a table, and as the figure of the SIREN paper's supplement (its Figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from metasiren import RecipeError, Sine, Siren, grid, load_extra
from metasiren_studies.initialisation import (
    LayerStatistics,
    Prediction,
    activation_statistics,
    arcsine_density,
    arcsine_distribution,
    kolmogorov_distance,
    normal_density,
    normal_distribution,
    predicted_statistics,
    sine_of_normal_density,
    spectrum,
)

MOST_PARAMETERS = 10**9
SHOWN = 6
THEOREM, REFINED = "tab:orange", "black"


@dataclass(frozen=True)
class Initialisation:
    """A net before training, looked at along a line.

    Attributes:
        siren: with one input and one output.
        layers: what passes through each layer that has an activation.
        predictions: for each of them; none for other nonlinearities than the sine.
    """

    siren: Siren
    layers: tuple[LayerStatistics, ...]
    predictions: tuple[Prediction, ...]

    def rows(self) -> list[dict[str, float | None]]:
        """One mapping for each layer: measured and predicted standard deviations, and distances to Theorem 1.8's laws.

        Distances are Kolmogorov-Smirnov's, over all points and features, to N(0, 1) and to the arcsine law; other
        nonlinearities than the sine have none.
        """
        found: list[dict[str, float | None]] = []
        for number, layer in enumerate(self.layers):
            row: dict[str, float | None] = {"layer": number + 1}
            for name in ("pre_activation", "activation", "gradient"):
                row[f"{name}_std"] = float(getattr(layer, name).double().std())
                row[f"{name}_std_predicted"] = getattr(self.predictions[number], name) if self.predictions else None
            if self.predictions:
                row["distance_to_normal"] = kolmogorov_distance(layer.pre_activation, normal_distribution)
                row["distance_to_arcsine"] = kolmogorov_distance(layer.activation, arcsine_distribution)
            found.append(row)
        return found


def initialise(siren: Siren, *, points: int = 256, bias: bool = True, seed: int = 0) -> Initialisation:
    """Draw a net and follow evenly spaced points of [-1, 1] through it.

    Args:
        siren: with one input.
        points: their number; 256 in the paper.
        bias: False sets all biases to zero, as the theorem has it.
        seed: of the weights.

    Raises:
        RecipeError: more than `MOST_PARAMETERS` parameters.
    """
    if siren.parameter_count > MOST_PARAMETERS:
        found = f"{siren.parameter_count:,} parameters, {4 * siren.parameter_count / 1e9:.0f} GB."
        raise RecipeError("inspect init", found, "Choose fewer layers or a smaller width.")
    params = siren.init(generator=torch.Generator().manual_seed(seed))
    if not bias:
        params = {name: p if name.endswith("weight") else torch.zeros_like(p) for name, p in params.items()}
    coords = grid((points,))
    predictions = predicted_statistics(siren, coords, bias=bias) if isinstance(siren.activation, Sine) else ()
    return Initialisation(siren, activation_statistics(siren, params, coords), predictions)


def table(made: Initialisation) -> str:
    """The rows for a terminal: measured, and in brackets predicted."""
    heads = {
        "layer": "layer",
        "pre_activation": "before: std",
        "distance_to_normal": "from N(0,1)",
        "activation": "after: std",
        "distance_to_arcsine": "from arcsine",
        "gradient": "gradient: std",
    }
    rows = made.rows()
    shown = [name for name in heads if name in rows[0] or f"{name}_std" in rows[0]]
    lines = [[heads[name] for name in shown], *([_cell(row, name) for name in shown] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(shown))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cell(row: dict[str, float | None], name: str) -> str:
    if name in row:
        return f"{row[name]:.3g}" if name == "layer" else f"{row[name]:.3f}"
    predicted = row[f"{name}_std_predicted"]
    return f"{row[f'{name}_std']:.3g}" + ("" if predicted is None else f" ({predicted:.3g})")


def shown_layers(count: int, most: int = SHOWN) -> list[int]:
    """At most so many of `count` layers, evenly spread, the first two and the last included."""
    if count <= most:
        return list(range(count))
    return [0, *(round(1 + (count - 2) * i / (most - 2)) for i in range(most - 1))]


def draw(made: Initialisation, path: Path, title: str) -> None:
    """Draw histograms with the predicted densities, and spectra: a row for each of at most six layers.

    Raises:
        PluginError: matplotlib is not installed.
    """
    chosen = shown_layers(len(made.layers))
    figure = load_extra("matplotlib.figure", extra="plots", where="inspect init").Figure(
        figsize=(13, 1.55 * len(chosen) + 1.5), dpi=110, layout="constrained"
    )
    panels = figure.subplots(len(chosen), 4, squeeze=False)
    heads = ("before the activation", "after the activation", "gradient of the output", "spectrum after the activation")
    for panel, head in zip(panels[0], heads, strict=True):
        panel.set_title(head, fontsize=12)
    spreads = [float(made.layers[i].gradient.std()) for i in chosen]
    # One scale for all gradients, unless some would be no more than a needle on it.
    common = max(spreads) < 5 * min(spreads)
    reach = 4 * max([1.0, *(float(made.layers[i].pre_activation.std()) for i in chosen[1:])])
    for line, number, spread in zip(panels, chosen, spreads, strict=True):
        layer = made.layers[number]
        prediction = made.predictions[number] if made.predictions and number else None
        line[0].set_ylabel(f"layer {number + 1}", fontsize=12)
        _before(line[0], layer, reach if number else 3 * float(layer.pre_activation.std()), prediction)
        _after(line[1], layer, prediction, sine=bool(made.predictions))
        _histogram(line[2], layer.gradient, 4 * (max(spreads) if common else spread))
        line[2].locator_params(axis="x", nbins=4)
        line[2].ticklabel_format(axis="x", scilimits=(-3, 3))
        _spectrum(line[3], layer)
        for panel, samples in zip(line, (layer.pre_activation, layer.activation, layer.gradient), strict=False):
            x, align = (0.5, "center") if panel is line[1] and made.predictions else (0.98, "right")
            _note(panel, samples, x, align)
        for column, panel in enumerate(line):
            own = (column == 0 and number == 0) or (column == 2 and not common) or number == chosen[-1]
            panel.tick_params(labelbottom=own)
    panels[-1][3].set_xlabel("periods over [-1, 1]")
    _legend(figure, made)
    figure.suptitle(title, fontsize=13)
    figure.savefig(path)


def _histogram(panel: Any, samples: torch.Tensor, reach: float, bins: int = 80) -> None:
    reach = max(reach, 1e-30)
    counts, edges = torch.histogram(samples.flatten().double().cpu(), bins, range=(-reach, reach))
    density = counts / (samples.numel() * (edges[1] - edges[0]))
    panel.stairs(density.tolist(), edges.tolist(), fill=True, color="tab:blue", alpha=0.55)
    panel.set_xlim(-reach, reach)
    panel.set_ylim(bottom=0)
    panel.margins(y=0.12)
    panel.set_yticks([])


def _note(panel: Any, samples: torch.Tensor, x: float, align: str) -> None:
    note = f"std {float(samples.double().std()):.3g}"
    panel.text(x, 0.92, note, transform=panel.transAxes, ha=align, va="top", fontsize=10)


def _before(panel: Any, layer: LayerStatistics, reach: float, prediction: Prediction | None) -> None:
    _histogram(panel, layer.pre_activation, reach)
    if prediction is not None:
        z = torch.linspace(-reach, reach, 201)
        panel.set_ylim(0, 1.15 * max(panel.get_ylim()[1] / 1.12, float(normal_density(z).max())))
        panel.plot(z, normal_density(z), "--", color=THEOREM, lw=1.8)
        panel.plot(z, normal_density(z, prediction.pre_activation), color=REFINED, lw=1)


def _after(panel: Any, layer: LayerStatistics, prediction: Prediction | None, *, sine: bool) -> None:
    if not sine:
        _histogram(panel, layer.activation, 4 * float(layer.activation.std()) + abs(float(layer.activation.mean())))
        return
    _histogram(panel, layer.activation, 1.05, 84)
    a = torch.linspace(-0.999, 0.999, 401)
    panel.plot(a, arcsine_density(a), "--", color=THEOREM, lw=1.8)
    if prediction is not None:
        panel.plot(a, sine_of_normal_density(a, prediction.pre_activation), color=REFINED, lw=1)
    panel.set_ylim(0, 2.4)


def _spectrum(panel: Any, layer: LayerStatistics) -> None:
    amplitudes = spectrum(layer.activation)
    panel.plot(range(len(amplitudes)), amplitudes, color="tab:green", lw=1.5)
    panel.set_yscale("log")
    panel.set_ylim(1e-5, 1)
    panel.set_xlim(0, len(amplitudes) - 1)
    panel.grid(alpha=0.3)


def _legend(figure: Any, made: Initialisation) -> None:
    if not made.predictions:
        return
    lines = load_extra("matplotlib.lines", extra="plots", where="inspect init")
    handles = [
        lines.Line2D([], [], color=THEOREM, ls="--", lw=1.8, label="Theorem 1.8: N(0, 1) before, arcsine after"),
        lines.Line2D([], [], color=REFINED, lw=1, label="with the bias's variance and the sine of a normal variable"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=11)


def files(out: Path, depths: Sequence[int]) -> list[Path]:
    """The picture of each depth: `out` itself, beside it, or in the folder of that name."""
    if out.suffix.lower() != ".png":
        return [out / f"init-{depth}.png" for depth in depths]
    return [out] if len(depths) == 1 else [out.with_stem(f"{out.stem}-{depth}") for depth in depths]
