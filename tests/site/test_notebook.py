"""The notebook in the documentation runs from its first cell to its last, and is kept without output."""

from __future__ import annotations

import json

import pytest
from pages import DOCS

NOTEBOOK = DOCS / "first_field.ipynb"


@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat", reason="NO NBFORMAT: python -m pip install nbformat nbclient ipykernel")
    nbclient = pytest.importorskip("nbclient", reason="NO NBCLIENT: python -m pip install nbformat nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="NO IPYKERNEL: python -m pip install ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    done = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    last = done.cells[-1].outputs[0]["data"]["text/plain"]
    assert last == "torch.Size([9, 1])"


def test_the_notebook_holds_no_output() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
