"""Fresh virtual environments, with metasiren from a freshly built wheel.

Its dependencies are seen, not installed anew: they are gigabytes, and the same as here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")


def lay_distribution(site: Path, distribution: str, version: str, source: str, *, entry: str | None = None) -> str:
    """Lay a distribution of one module out as pip does: the module, and metadata with an entry point; its name."""
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[metasiren]\n{entry or module} = {module}\n")
    return module


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, *command: str | Path, cwd: Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, or any other; its output is shown where it fails."""
        # Nothing of the surrounding test run may leak in: neither its sources nor its choice of plugins.
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "METASIREN", "PIP", "COV", "PYTEST"))
        }
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**kept, "PATH": path, "OMP_NUM_THREADS": "1", "VIRTUAL_ENV": str(self.folder)}
        environment["PIP_NO_INDEX"] = environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
        if ok and done.returncode:
            shown = " ".join(map(str, command))
            raise AssertionError(f"{shown} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def install(self, *packages: str | Path) -> None:
        """Install packages from disk, without a network."""
        self.run(self.python, "-m", "pip", "install", *OFFLINE, "--ignore-installed", *packages, cwd=self.folder)


def build_wheel(folder: Path) -> Path:
    """metasiren's wheel, built from this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", *OFFLINE, "--wheel-dir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("metasiren-*.whl")
    return wheel


def make_environment(folder: Path, *packages: Path) -> Environment:
    """A fresh environment that holds these packages, and sees what is installed here behind them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    made = Environment(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    # All of them: the tests' own environment may see packages of another one behind its own.
    behind = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    here = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *behind])
    # Lines of a .pth file come after the environment's own packages; .pth files found through them are not read,
    # so that an editable metasiren stays out of sight.
    (site / "behind.pth").write_text("\n".join(here) + "\n", "utf-8")
    made.install(*packages)
    return made
