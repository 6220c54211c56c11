"""Send the numbers of metasiren runs to Weights & Biases.

Nothing leaves the machine unless it is asked for: the mode is `offline` where WANDB_MODE is not set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import wandb

from metasiren import Run, hookimpl

METASIREN_API = 1
_watched: dict[Path, Any] = {}


def watch(run: Run) -> Any:
    """The wandb run of a metasiren run; opened when it is first needed, since a resumed run does not start again.

    Its files go to `wandb/` in the run directory. WANDB_PROJECT names the project, `metasiren` by default.
    """
    path = run.path.resolve()
    if path not in _watched:
        # A resumed run keeps both; another run of the same name has another directory or was started at another time.
        digest = sha256(f"{path} {run.environment['started']}".encode()).hexdigest()[:8]
        _watched[path] = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "metasiren"),
            mode=os.environ.get("WANDB_MODE", "offline"),
            name=path.name,
            id=f"{path.name}-{digest}",
            resume="allow",
            dir=str(path),
            config={**run.recipe.model_dump(mode="json"), "label": run.label},
        )
    return _watched[path]


@hookimpl
def metasiren_run_started(run: Run) -> None:
    """Open a wandb run with the recipe as its configuration."""
    watch(run)


@hookimpl
def metasiren_step_ended(run: Run, step: int, losses: Mapping[str, float]) -> None:
    """Log the losses of a step under the names that TensorBoard has: `loss/loss`, `loss/mse`."""
    watch(run).log({f"loss/{name}": value for name, value in losses.items()}, step=step)


@hookimpl
def metasiren_run_ended(run: Run) -> None:
    """Put the numbers of results/metrics.json into the summary, and close the wandb run."""
    watched, file = watch(run), run.results / "metrics.json"
    if file.is_file():
        numbers = json.loads(file.read_text("utf-8"))
        watched.summary.update({f"result/{name}": value for name, value in numbers.items()})
    watched.finish()
    del _watched[run.path.resolve()]
