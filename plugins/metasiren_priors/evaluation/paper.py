"""The numbers of the SIREN paper (Sitzmann et al. 2020, Table 4), measured with the whole of CelebA."""

from __future__ import annotations

from collections.abc import Sequence

from metasiren import Dataset, TableRow

COLUMNS = ("10", "100", "1000", "512", "1024")

MSE: dict[str, tuple[float | None, ...]] = {
    "CNP": (0.039, 0.016, 0.009, None, None),
    "sine set encoder + hypernetwork": (0.035, 0.013, 0.009, 0.022, 0.009),
    "ReLU set encoder + hypernetwork": (0.040, 0.018, 0.012, 0.026, 0.012),
    "partial-convolution encoder + hypernetwork": (0.046, 0.020, 0.018, 0.060, 0.019),
    "CNN encoder + hypernetwork": (0.033, 0.009, 0.008, 0.020, 0.008),
}


def paper_rows(dataset: Dataset, halves: bool, keys: Sequence[str]) -> list[TableRow]:
    """The paper's rows for tables about CelebA at 32x32; none for other data, to which they do not apply.

    Args:
        dataset: what the table is about.
        halves: whether the column "512" is the half image, as it is in the paper.
        keys: the table's columns.
    """
    if dataset.domain.grid != (32, 32) or dataset.domain.d_out != 3 or not is_celeba(dataset):
        return []
    rows = []
    for name, values in MSE.items():
        known = dict(zip(COLUMNS, values, strict=True))
        if not halves:
            known["512"] = None
        rows.append(
            TableRow(name=f"{name} (paper, full CelebA)", kind="paper", mse={key: known.get(key) for key in keys})
        )
    return rows


def is_celeba(dataset: Dataset) -> bool:
    """The images come from CelebA, by what the data set itself declares."""
    return dataset.provenance.get("family") == "CelebA" or "celeba" in dataset.title.lower()
