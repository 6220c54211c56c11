"""The cost of starting: wall time and imported modules of `metasiren plugins` and `metasiren --help`.

python benchmarks/startup.py [--repeats 15] [--json]

Every command is run in a fresh interpreter, the commands taking turns so that other work on the machine disturbs all
alike; the table gives medians. Beside them: Python alone, and Python with click, below which no command can be.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from statistics import median

MAIN = """
import sys
sys.argv = ["metasiren", {words}]
from metasiren.cli.commands import main
try:
    main()
except SystemExit:
    pass
"""
PROGRAMS = {
    "python": "pass",
    "python + click": "import click",
    "metasiren --version": MAIN.format(words="'--version'"),
    "metasiren --help": MAIN.format(words="'--help'"),
    "metasiren plugins": MAIN.format(words="'plugins'"),
    "metasiren new --help": MAIN.format(words="'new', '--help'"),
    "metasiren describe encoder cnn": MAIN.format(words="'describe', 'encoder', 'cnn'"),
}
COUNT = "\nimport sys, json\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
HEAVY = ("torch", "numpy", "pandas", "scipy", "PIL", "skimage", "tensorboard", "pydantic", "rich")


def modules(program: str) -> list[str]:
    """The names of all modules that a program has imported when it ends."""
    done = subprocess.run([sys.executable, "-c", program + COUNT], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stderr.splitlines()[-1])
    return found


def seconds(program: str) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for program in PROGRAMS.values():
        seconds(program)
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(arguments.repeats):
        for name, program in PROGRAMS.items():
            times[name].append(seconds(program))
    rows = []
    for name, program in PROGRAMS.items():
        imported = modules(program)
        own = [module for module in imported if module.split(".")[0].startswith("metasiren")]
        heavy = [module for module in HEAVY if module in imported]
        rows.append(
            {
                "command": name,
                "median_ms": round(1000 * median(times[name]), 1),
                "fastest_ms": round(1000 * min(times[name]), 1),
                "modules": len(imported),
                "metasiren_modules": len(own),
                "heavy": heavy,
            }
        )
    if arguments.json:
        print(json.dumps({"python": sys.version.split()[0], "cpus": os.cpu_count(), "rows": rows}, indent=2))
        return
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, {arguments.repeats} repeats\n")
    print("| command | median ms | fastest ms | modules | of metasiren | heavy among them |")
    print("|---|--:|--:|--:|--:|---|")
    for row in rows:
        cells = [row["command"], row["median_ms"], row["fastest_ms"], row["modules"], row["metasiren_modules"]]
        print("|", " | ".join(map(str, cells)), "|", ", ".join(row["heavy"]) or "none", "|")


if __name__ == "__main__":
    main()
