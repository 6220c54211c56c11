"""Check a quick run of celeba_cnn: `python tests/quick_job.py RUN`. Exits with 1 where a check fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(run: Path) -> int:
    """Print each demand with what was found."""
    results = run / "results"
    table = json.loads((results / "table.json").read_text("utf-8"))
    rows = {row["kind"] if row["kind"] == "model" else row["name"]: row["mse"] for row in table["rows"]}
    model, mean, nearest = rows["model"], rows["mean"], rows["nearest pixel"]
    gaussian = rows["Gaussian conditional"]
    written = [p for p in results.iterdir() if p.name.startswith("table.")]
    demands = {
        f"100 pixels: model {model['100']:.4f} below half of the mean row's {mean['100']:.4f}": (
            model["100"] < 0.5 * mean["100"]
        ),
        f"10 pixels: model {model['10']:.4f} below the nearest pixel's {nearest['10']:.4f}": (
            model["10"] < nearest["10"]
        ),
        f"where almost all is seen: model {model['1000']:.5f} and {model['1024']:.5f} below 0.0003": (
            max(model["1000"], model["1024"]) < 3e-4
        ),
        "10, 100, half: model at most 1.25 of the Gaussian's: "
        + ", ".join(f"{model[key]:.4f} to {gaussian[key]:.4f}" for key in ("10", "100", "512")): (
            all(model[key] <= 1.25 * gaussian[key] for key in ("10", "100", "512"))
        ),
        f"{len(written)} table files never say CelebA": (
            len(written) >= 4 and not any("celeba-" in p.read_text().lower().replace("celeba_cnn", "") for p in written)
            and "celeba" not in table["dataset"].lower() and not any(r["kind"] == "paper" for r in table["rows"])
        ),
        "the picture grid is there": (results / "figure6.png").stat().st_size > 10_000,
    }  # fmt: skip
    for demand, met in demands.items():
        print(f"{'met  ' if met else 'UNMET'}  {demand}")
    unmet = sum(not met for met in demands.values())
    print(f"{len(demands) - unmet} passed, {unmet} failed")
    return 1 if unmet else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
