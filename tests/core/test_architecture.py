"""The architecture page is true: its tree, and the sizes that it states."""

from __future__ import annotations

from pathlib import Path

import pytest
import tree

CORE = tree.REPOSITORY / "metasiren"


def test_the_page_shows_the_true_tree() -> None:
    assert tree.written() == tree.tree(), "run python tests/tree.py"


def test_the_top_of_the_core_has_at_most_eight_modules() -> None:
    assert len(list(CORE.glob("*.py"))) <= 8


def test_no_file_of_the_core_or_a_plugin_is_longer_than_three_hundred_lines() -> None:
    files = [*CORE.rglob("*.py"), *(CORE.parent / "plugins").rglob("*.py")]
    lengths = {str(path.relative_to(CORE.parent)): len(path.read_text("utf-8").splitlines()) for path in files}
    assert not {name: count for name, count in lengths.items() if count > 300}


def test_every_module_of_the_core_says_what_it_is() -> None:
    untold = [line for line in tree.tree().splitlines() if " " not in line.strip() and not line.startswith("plugins/")]
    assert not untold


def test_no_module_is_called_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "manager", "misc", "common_utils"}
    named = {path.stem for path in (*CORE.rglob("*.py"), *Path(CORE.parent / "plugins").rglob("*.py"))}
    assert not named & vague


PACKAGES = ["metasiren", *sorted(path.name for path in (CORE.parent / "plugins").glob("metasiren_*"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_of_imports(package: str) -> None:
    """Imports inside functions count, too."""
    grimp = pytest.importorskip("grimp", reason="NO IMPORT GRAPH: import-linter is not installed")
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    # The package itself names its public parts lazily; all others are files.
    left = {m: graph.find_modules_directly_imported_by(m) - {package, m} for m in graph.modules - {package}}
    while free := [module for module, imported in left.items() if not imported]:
        for module in free:
            del left[module]
        left = {module: imported - set(free) for module, imported in left.items()}
    assert not left


def test_packages_of_earlier_scaffolds_find_what_they_import() -> None:
    import metasiren
    from metasiren.catalogue import load_catalogue

    assert load_catalogue is metasiren.load_catalogue
