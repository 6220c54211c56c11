"""Write a plugin package: packaging, a part that works, its tests, a recipe, a README."""

from __future__ import annotations

import keyword
import re
import shutil
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources, util
from pathlib import Path
from string import Template

import metasiren
from metasiren.errors import PluginError
from metasiren.registry.hookspecs import API_VERSION

KINDS = (
    "encoder", "decoder", "activation", "input_encoding", "dataset", "constraint", "optimizer", "metric", "protocol",
    "renderer", "equation",
)  # fmt: skip
ALIASES = {"encoding": "input_encoding"}
"""Short words for kinds."""
UNCHECKED = ("optimizer", "protocol", "renderer", "equation")
"""Kinds whose packages have tests of their own."""
SPECIAL = {"equation": "constraint"}
"""Kinds of packages -> the kind of part that they offer, where the words differ."""
_CHECKED_BY = {**dict.fromkeys(UNCHECKED, ""), "equation": "a manufactured solution, and "}
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")

# Overrides under which the generated test trains two steps in a second, and options under which checks are quick.
_TINY = {"train.steps": 2, "train.batch": 4}
_FACES = {**_TINY, "data.train": 16, "data.val": 4, "data.test": 4}
_JUDGED = {**_FACES, "evaluate.contexts": [10], "evaluate.baselines": False}
_PICTURE = {"train.steps": 2, "data.size": 16}
_SMALL: dict[str, Mapping[str, object]] = {
    "dataset": {**_TINY, "data.count": 16},
    "metric": _FACES,
    **dict.fromkeys(("activation", "input_encoding", *UNCHECKED), _PICTURE),
    "equation": {"train.steps": 2, "data.points.interior": 20, "evaluate.nodes": 9},
}
_OPTIONS = {"encoder": {"latent_dim": 8, "features": 32}, "dataset": {"count": 16, "size": 16}}


@dataclass(frozen=True)
class Names:
    """What one name becomes: distribution `acme-gru`, module and part `acme_gru`, class `AcmeGru`."""

    distribution: str
    module: str
    cls: str


def names_of(kind: str, name: str) -> Names:
    """Check a plugin's name.

    Raises:
        PluginError: not a plain lower-case name, a word of Python's, or a module that is installed already.
    """
    where = f"new {kind} {name}"
    if not _NAME.fullmatch(name):
        advice = "Use lower-case letters, digits and hyphens, such as acme-gru."
        raise PluginError(where, "not a name for a package.", advice)
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise PluginError(where, f"{module!r} is Python's own.", "Put a word before it, such as your own name.")
    if util.find_spec(module) is not None:
        raise PluginError(where, f"a module {module!r} is installed already.", "Choose another name.")
    cls = "".join(word.capitalize() for word in module.split("_"))
    if cls in metasiren.__all__ or cls == "Tensor":
        cls += "".join(word.capitalize() for word in kind.split("_"))
    return Names(module.replace("_", "-"), module, cls)


def part_kind(kind: str) -> str:
    """The kind of part that a package of this kind, or of this short word, offers."""
    kind = ALIASES.get(kind, kind)
    return SPECIAL.get(kind, kind)


def scaffold(kind: str, name: str, out: Path, *, taken: Collection[str] = ()) -> Path:
    """Write a package into a new folder below `out`.

    Args:
        kind: one of `KINDS`, or of `ALIASES`.
        name: of package and part, such as `acme-gru`.
        out: where the folder is made.
        taken: names of installed parts of that kind, which the new one must not have.

    Returns:
        the package's folder.

    Raises:
        PluginError: the name cannot be used, or the folder is there already.
    """
    kind = ALIASES.get(kind, kind)
    names = names_of(kind, name)
    where = f"new {kind} {name}"
    if names.module in taken:
        found = f"{kind} {names.module!r} is installed already."
        raise PluginError(where, found, "Recipes could not distinguish the two: choose another name.")
    folder = out / names.distribution
    words = {
        **vars(names),
        "kind": kind,
        "part_kind": part_kind(kind),
        "part": names.module,
        "api": str(API_VERSION),
        "version": metasiren_version(),
        "small": "".join(f'    "{key}": {value!r},\n' for key, value in _SMALL.get(kind, _JUDGED).items()),
        "checks": _CHECKED_BY.get(kind, "the contract checks, and "),
        "options": repr(_OPTIONS.get(kind, {})).replace("'", '"'),
    }
    files = {
        "pyproject.toml": "common/pyproject.toml",
        "README.md": "common/README.md",
        "recipe.yaml": f"{kind}/recipe.yaml",
        f"src/{names.module}/__init__.py": "common/__init__.py",
        f"src/{names.module}/{kind}.py": f"{kind}/part.py",
        f"tests/test_{names.module}.py": f"{kind}/test.py" if kind in UNCHECKED else "common/test.py",
    }
    try:
        folder.mkdir(parents=True)
        for path, template in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_fill(template, words), "utf-8")
    except FileExistsError:
        raise PluginError(where, f"{folder} is there already.", "Name another --out, or another plugin.") from None
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # it was made above
        raise PluginError(where, f"cannot write there: {error}.", "Name another --out.") from None
    return folder


def metasiren_version() -> str:
    """The installed version."""
    from importlib import metadata

    return metadata.version("metasiren")


def _fill(template: str, words: dict[str, str]) -> str:
    text = resources.files("metasiren").joinpath(f"registry/templates/{template}.tmpl").read_text("utf-8")
    return Template(text).substitute(words)
