"""The tree of docs/architecture.md, made from the modules' own first sentences.

`python tests/tree.py` writes it into the page; a test compares the two.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "architecture.md"
BLOCK = re.compile(r"(?<=<!-- tree -->\n```\n).*?(?=```\n<!-- end of tree -->)", re.DOTALL)
WIDTH = 34


def tree() -> str:
    """Core: every module with its first sentence. Plugins: every package and sub-package."""
    core = _folder(REPOSITORY / "metasiren", "", modules=True)
    plugins = ["plugins/"]
    for package in sorted((REPOSITORY / "plugins").glob("metasiren_*")):
        plugins += _folder(package, "  ", modules=False)
    return "\n".join([*core, *plugins]) + "\n"


def _folder(folder: Path, indent: str, *, modules: bool) -> list[str]:
    lines = [_line(f"{indent}{folder.name}/", folder / "__init__.py")]
    if modules:
        files = [path for path in sorted(folder.glob("*.py")) if path.name not in ("__init__.py", "__main__.py")]
        lines += [_line(f"{indent}  {path.name}", path) for path in files]
    for below in sorted(folder.iterdir()):
        if (below / "__init__.py").is_file():
            lines += _folder(below, f"{indent}  ", modules=modules)
    return lines


def _line(name: str, path: Path) -> str:
    words = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0].rstrip(".")
    return f"{name:<{WIDTH}} {words}".rstrip()


def written() -> str:
    """The tree as the page has it."""
    found = BLOCK.search(PAGE.read_text("utf-8"))
    return found[0] if found else ""


if __name__ == "__main__":
    PAGE.write_text(BLOCK.sub(lambda _: tree(), PAGE.read_text("utf-8")), "utf-8")
