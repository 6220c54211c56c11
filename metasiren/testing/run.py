"""Run the checks of a part."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from metasiren.contracts import Dataset
from metasiren.errors import MetasirenError, RecipeError, did_you_mean
from metasiren.testing import activations, constraints, datasets, decoders, encoders, input_encodings, metrics
from metasiren.testing.part import Part, seeded
from metasiren.testing.report import ContractError, NotApplicable, Report, Result
from metasiren.testing.signals import Ripples

Check = Callable[[Part], None]

CHECKS: Mapping[str, Mapping[str, Check]] = {
    kind: {check.__name__: check for check in module.CHECKS}
    for kind, module in {
        "encoder": encoders,
        "decoder": decoders,
        "activation": activations,
        "input_encoding": input_encodings,
        "dataset": datasets,
        "constraint": constraints,
        "metric": metrics,
    }.items()
}
"""Kind -> name -> check. Each takes a Part, and raises where the part does not keep its contract."""


def run_check(part: Part, name: str) -> Result:
    """One check of one part.

    Raises:
        RecipeError: there is no such kind of part, or no such check.
    """
    check = checks_of(part)[name]
    reason = part.expected_failures.get(name, "")
    began = time.perf_counter()
    status: Literal["passed", "failed", "skipped"] = "passed"
    message = ""
    try:
        with seeded(0):
            check(part)
    except NotApplicable as why:
        status, message = "skipped", str(why)
    except ContractError as error:
        status, message = "failed", "\n".join(filter(None, (error.found, error.advice)))
    except Exception as error:
        text = str(error) if isinstance(error, MetasirenError) else f"{type(error).__name__}: {error}"
        status, message = "failed", text
    seconds = time.perf_counter() - began
    if reason and status == "failed":
        return Result(part.label, name, "expected", message, reason, seconds)
    if reason and status == "passed":
        return Result(part.label, name, "unexpected", "it passes; drop the declaration.", reason, seconds)
    return Result(part.label, name, status, message, reason, seconds)


def checks_of(part: Part) -> Mapping[str, Check]:
    """The checks of a part by name.

    Raises:
        RecipeError: no such kind of part, or a declared failure of a check that does not exist.
    """
    if part.kind not in CHECKS:
        advice = f"{did_you_mean(part.kind, CHECKS)}\nknown: {', '.join(CHECKS)}".strip()
        raise RecipeError("metasiren.testing", f"no kind of part is called {part.kind!r}.", advice)
    known = CHECKS[part.kind]
    for name in part.expected_failures:
        if name not in known:
            advice = f"{did_you_mean(name, known)}\nchecks: {', '.join(known)}".strip()
            raise RecipeError(f"{part.label}: expected_failures", f"no check is called {name!r}.", advice)
    return known


def check_part(part: Part, *, on_failure: Literal["raise", "return"] = "raise") -> Report:
    """All checks of a part; prints one line with their number.

    Raises:
        ContractError: a check failed that was not declared, or passed although declared; unless `on_failure` is
            `return`.
    """
    report = Report(part.label, tuple(run_check(part, name) for name in checks_of(part)))
    print(report.summary)
    if on_failure == "raise":
        report.raise_for_failures()
    return report


def check_encoder(
    factory: Callable[..., Any] | str,
    *,
    options: Mapping[str, Any] | None = None,
    dataset: Dataset | None = None,
    expected_failures: Mapping[str, str] | None = None,
    on_failure: Literal["raise", "return"] = "raise",
) -> Report:
    """Check an encoder: see `Part` for the arguments, `check_part` for what is raised and printed."""
    return _check("encoder", factory, options, dataset, expected_failures, on_failure)


def check_decoder(
    factory: Callable[..., Any] | str,
    *,
    options: Mapping[str, Any] | None = None,
    dataset: Dataset | None = None,
    latent_dim: int = 8,
    expected_failures: Mapping[str, str] | None = None,
    on_failure: Literal["raise", "return"] = "raise",
) -> Report:
    """Check a decoder: see `Part` for the arguments, `check_part` for what is raised and printed."""
    return _check("decoder", factory, options, dataset, expected_failures, on_failure, latent_dim)


def check_activation(
    factory: Callable[..., Any] | str,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    on_failure: Literal["raise", "return"] = "raise",
) -> Report:
    """Check an activation: see `Part` for the arguments, `check_part` for what is raised and printed."""
    return _check("activation", factory, options, None, expected_failures, on_failure)


def check_input_encoding(
    factory: Callable[..., Any] | str,
    *,
    options: Mapping[str, Any] | None = None,
    dataset: Dataset | None = None,
    expected_failures: Mapping[str, str] | None = None,
    on_failure: Literal["raise", "return"] = "raise",
) -> Report:
    """Check an input encoding: see `Part` for the arguments, `check_part` for what is raised and printed.

    It is made for the domain of `dataset`, by default of pictures.
    """
    return _check("input_encoding", factory, options, dataset, expected_failures, on_failure)


def check_dataset(
    factory: Callable[..., Any] | str,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failures: Mapping[str, str] | None = None,
    on_failure: Literal["raise", "return"] = "raise",
) -> Report:
    """Check a data set: see `Part` for the arguments, `check_part` for what is raised and printed."""
    return _check("dataset", factory, options, None, expected_failures, on_failure)


def check_constraint(
    factory: Callable[..., Any] | str,
    *,
    options: Mapping[str, Any] | None = None,
    dataset: Dataset | None = None,
    latent_dim: int = 8,
    expected_failures: Mapping[str, str] | None = None,
    on_failure: Literal["raise", "return"] = "raise",
) -> Report:
    """Check a constraint: see `Part` for the arguments, `check_part` for what is raised and printed.

    `dataset` must give the point set that the constraint names, with all that must be known there; a set of known
    values is given under any name.
    """
    return _check("constraint", factory, options, dataset, expected_failures, on_failure, latent_dim)


def check_metric(
    factory: Callable[..., Any] | str,
    *,
    options: Mapping[str, Any] | None = None,
    dataset: Dataset | None = None,
    latent_dim: int = 8,
    expected_failures: Mapping[str, str] | None = None,
    on_failure: Literal["raise", "return"] = "raise",
) -> Report:
    """Check a metric: see `Part` for the arguments, `check_part` for what is raised and printed."""
    return _check("metric", factory, options, dataset, expected_failures, on_failure, latent_dim)


def _check(
    kind: str,
    factory: Callable[..., Any] | str,
    options: Mapping[str, Any] | None,
    dataset: Dataset | None,
    expected_failures: Mapping[str, str] | None,
    on_failure: Literal["raise", "return"],
    latent_dim: int = 8,
) -> Report:
    part = Part(kind, factory, options or {}, dataset or Ripples(), latent_dim, expected_failures or {})
    return check_part(part, on_failure=on_failure)
