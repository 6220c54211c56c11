"""Rows that a comparison carries beside the model's own."""

from __future__ import annotations

from collections.abc import Mapping

from metasiren import ComparisonRow, RecipeError

Paper = Mapping[str, Mapping[str, float]]
"""What a paper reports: method -> metric -> number, such as {"SIREN": {"mse": 1.101e-5}}."""


def paper_rows(paper: Paper | None, metrics: Mapping[str, float | None]) -> list[ComparisonRow]:
    """A paper's numbers as rows.

    Args:
        paper: from the recipe; None for none.
        metrics: those that the model is evaluated by: a paper's number can only stand beside one of them.

    Raises:
        RecipeError: a metric that the protocol does not measure.
    """
    rows = []
    for method, numbers in (paper or {}).items():
        for metric in numbers:
            if metric not in metrics:
                found = f"{method} has a number for {metric!r}, which is not measured."
                raise RecipeError("evaluate: paper", found, f"measured: {', '.join(metrics)}")
        rows.append(ComparisonRow(name=f"{method} (paper)", kind="paper", metrics=dict(numbers)))
    return rows
