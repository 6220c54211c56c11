"""CelebA's layouts and partition, small fakes of them, and the command that prepares it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from metasiren import DataError
from metasiren_priors.commands import add_commands
from metasiren_priors.data import celeba_layout
from metasiren_priors.data import prepare as preparing
from metasiren_priors.data.celeba import CelebA, prepare_celeba
from metasiren_priors.data.celeba_layout import parse_partition
from metasiren_priors.data.sources import ZipSource

COUNTS = {"train": 5, "val": 2, "test": 2}
NAMES = [f"{index:06}.jpg" for index in range(1, 10)]
TEXT = "".join(f"{name} {split}\n" for name, split in zip(NAMES, [0] * 5 + [1] * 2 + [2] * 2, strict=True))
TABLE = "image_id,partition\n" + TEXT.replace(" ", ",")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data home of the test's own, and nine faces instead of 202,599."""
    folder = tmp_path / "home"
    monkeypatch.setenv("METASIREN_DATA", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(celeba_layout, "OFFICIAL", COUNTS)
    return folder


def jpg(index: int, size: tuple[int, int] = (178, 218)) -> bytes:
    """A plain picture whose grey level follows from its number."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (20 * index,) * 3).save(buffer, "jpeg")
    return buffer.getvalue()


def fill(folder: Path, names: list[str] = NAMES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(jpg(int(name[:6])))


def fill_zip(path: Path, inside: str = "img_align_celeba/", extra: dict[str, str] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(inside + name, jpg(int(name[:6])))
        for name, text in (extra or {}).items():
            archive.writestr(name, text)


def torchvision_layout(root: Path) -> Path:
    fill(root / "celeba" / "img_align_celeba")
    (root / "celeba" / "list_eval_partition.txt").write_text(TEXT)
    return root


def greys(faces: CelebA, split: str) -> list[int]:
    return [round(float(image.float().mean()) / 20) for image in faces.images(split)]


def owners_layout(root: Path) -> Path:
    fill_zip(root / "Img" / "img_align_celeba.zip")
    (root / "Eval").mkdir()
    (root / "Eval" / "list_eval_partition.txt").write_text(TEXT)
    return root


def kaggle_folder(root: Path) -> Path:
    fill(root / "img_align_celeba" / "img_align_celeba")
    (root / "list_eval_partition.csv").write_text(TABLE)
    return root


def kaggle_zip(root: Path) -> Path:
    fill_zip(root / "archive.zip", "img_align_celeba/img_align_celeba/", {"list_eval_partition.csv": TABLE})
    return root / "archive.zip"


def zip_named(root: Path) -> Path:
    return owners_layout(root) / "Img" / "img_align_celeba.zip"


def images_named(root: Path) -> Path:
    return torchvision_layout(root) / "celeba" / "img_align_celeba"


@pytest.mark.parametrize(
    "layout", [torchvision_layout, owners_layout, kaggle_folder, kaggle_zip, zip_named, images_named]
)
def test_every_usual_layout_is_found_prepared_and_opened(tmp_path: Path, layout) -> None:  # type: ignore[no-untyped-def]
    root = layout(tmp_path / "data")
    target, record = prepare_celeba(root)
    assert record.splits == COUNTS
    assert target.name == "celeba_32_bilinear.npy"
    assert target.parent.name == "prepared"
    faces = CelebA(path=root)
    assert (faces.title, faces.provenance, faces.splits) == ("CelebA", {"filter": "bilinear"}, COUNTS)
    assert [greys(faces, split) for split in COUNTS] == [[1, 2, 3, 4, 5], [6, 7], [8, 9]]
    assert CelebA.missing(path=root) is None


def test_torchvision_reads_the_layout_as_we_do(tmp_path: Path) -> None:
    from torchvision.datasets import CelebA as Torchvision

    root = torchvision_layout(tmp_path / "data")
    assert (root / Torchvision.base_folder / "img_align_celeba").is_dir()
    listed = {name for _, _, name in Torchvision.file_list}
    assert {f"{celeba_layout.IMAGES}.zip", celeba_layout.PARTITIONS[0]} <= listed


def test_the_array_is_mapped_and_found_in_the_data_home(home: Path) -> None:
    torchvision_layout(home)
    assert "is not prepared" in str(CelebA.missing())
    prepare_celeba(home)
    faces = CelebA()
    assert isinstance(faces._arrays["train"], np.memmap)
    assert greys(faces, "test") == [8, 9]


def test_the_array_may_go_elsewhere(tmp_path: Path) -> None:
    root = torchvision_layout(tmp_path / "data")
    target, _ = prepare_celeba(root, into=tmp_path / "fast", size=8, resize="nearest")
    assert target == tmp_path / "fast" / "prepared" / "celeba_8_nearest.npy"
    assert CelebA(path=tmp_path / "fast", size=8, resize="nearest").domain.grid == (8, 8)
    assert not (root / "prepared").exists()


def test_an_order_of_lines_other_than_the_splits_is_sorted_out(tmp_path: Path) -> None:
    root = torchvision_layout(tmp_path / "data")
    (root / "celeba" / "list_eval_partition.txt").write_text("".join(reversed(TEXT.splitlines(keepends=True))))
    prepare_celeba(root)
    assert greys(CelebA(path=root), "train") == [5, 4, 3, 2, 1]


# What may be wrong


def refused(root: Path, *words: str) -> str:
    with pytest.raises(DataError) as caught:
        prepare_celeba(root)
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


def test_a_missing_set_says_where_to_get_it(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "no such folder or zip", "mmlab.ie.cuhk.edu.hk", "metasiren data celeba --root")
    with pytest.raises(DataError, match="CelebA is not found") as caught:
        CelebA()
    assert "metasiren data celeba --root DIR" in str(caught.value)
    assert str(tmp_path / "home") in str(CelebA.missing())


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "an empty folder")


def test_images_without_a_partition_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "data" / "img_align_celeba")
    refused(tmp_path / "data", "no list_eval_partition.txt or list_eval_partition.csv")


def test_a_half_downloaded_set_is_counted(tmp_path: Path) -> None:
    root = torchvision_layout(tmp_path / "data")
    for name in NAMES[4:]:
        (root / "celeba" / "img_align_celeba" / name).unlink()
    refused(root, "4 of the 9 images", "Missing: 000005.jpg, 000006.jpg")
    assert not (root / "prepared").exists()


def test_a_partition_with_unknown_names_is_refused(tmp_path: Path) -> None:
    root = torchvision_layout(tmp_path / "data")
    (root / "celeba" / "list_eval_partition.txt").write_text(TEXT.replace("000003.jpg", "../../secret.jpg"))
    refused(root, "8 of the 9 images", "Missing: ../../secret.jpg")


def test_a_truncated_image_is_named_and_what_was_prepared_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "CHUNK", 2)
    root = torchvision_layout(tmp_path / "data")
    broken = root / "celeba" / "img_align_celeba" / "000006.jpg"
    broken.write_bytes(jpg(6)[:900])
    refused(root, "1 image cannot be decoded", "000006.jpg", "The 4 images before are prepared and kept")
    assert "4 images so far" in str(CelebA.missing(path=root))
    with pytest.raises(DataError, match="unfinished"):
        CelebA(path=root)
    broken.write_bytes(jpg(6))
    (root / "celeba" / "img_align_celeba" / "000001.jpg").write_bytes(b"not read again")
    prepare_celeba(root)
    assert greys(CelebA(path=root), "val") == [6, 7]


@pytest.mark.parametrize("data", [b"", b"<html>sorry</html>", jpg(3, (178, 178))], ids=["empty", "page", "size"])
def test_images_that_do_not_decode_are_named(tmp_path: Path, data: bytes) -> None:
    root = torchvision_layout(tmp_path / "data")
    (root / "celeba" / "img_align_celeba" / "000003.jpg").write_bytes(data)
    refused(root, "1 image cannot be decoded", "000003.jpg")


def test_a_zip_that_is_a_web_page_is_recognised(tmp_path: Path) -> None:
    root = owners_layout(tmp_path / "data")
    (root / "Img" / "img_align_celeba.zip").write_bytes(b"\n<!doctype HTML><title>Google Drive - Quota</title>")
    refused(root, "img_align_celeba.zip: a web page, not a zip", "Fetch it again")


def test_a_zip_cut_short_is_recognised(tmp_path: Path) -> None:
    path = zip_named(tmp_path / "data")
    path.write_bytes(path.read_bytes()[:-300])
    refused(path, "cannot be read as a zip", "broke off")


@pytest.mark.parametrize("name", ["../000001.jpg", "/etc/passwd", "a/../../x.jpg", "..\\x.jpg", "C:\\x.jpg"])
def test_a_zip_with_names_that_lead_out_of_it_is_refused(tmp_path: Path, name: str) -> None:
    path = zip_named(tmp_path / "data")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"")
    refused(path, "leads out of it")


def test_a_damaged_member_of_a_zip_is_named(tmp_path: Path) -> None:
    path = zip_named(tmp_path / "data")
    data = path.read_bytes()
    at = data.index(b"000002.jpg") + 200
    path.write_bytes(data[:at] + bytes(50) + data[at + 50 :])
    refused(path, "000002.jpg", "cannot be decoded")


def test_apples_shadow_files_are_no_images(tmp_path: Path) -> None:
    fill_zip(tmp_path / "x.zip", extra={"__MACOSX/img_align_celeba/._000001.jpg": "shadow", "a/.DS_Store": ""})
    assert sorted(ZipSource(tmp_path / "x.zip").names) == NAMES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!DOCTYPE html><html>", "a web page"),
        (TEXT.replace("000002.jpg 0", "000002.jpg"), "line 2 says '000002.jpg'"),
        (TEXT.replace("000002.jpg 0", "000002.jpg 3"), "line 2 says '000002.jpg 3'"),
        (TEXT.replace("000002.jpg", "000001.jpg"), "for the second time"),
        ("\x00\x01\x02\n", "line 1 says"),
        (TEXT[:-26], "5 / 2 / 0 images in train / val / test; CelebA has 5 / 2 / 2"),
        ("", "0 / 0 / 0 images"),
    ],
    ids=["page", "short", "split", "twice", "binary", "cut", "empty"],
)
def test_a_malformed_partition_is_refused_by_line(tmp_path: Path, text: str, message: str) -> None:
    root = torchvision_layout(tmp_path / "data")
    (root / "celeba" / "list_eval_partition.txt").write_text(text)
    refused(root, message)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(
    splits=st.lists(st.sampled_from("012"), max_size=30),
    comma=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    header=st.booleans(),
    mark=st.booleans(),
)
def test_both_kinds_of_partition_say_the_same(
    splits: list[str], comma: bool, end: str, header: bool, mark: bool
) -> None:
    lines = ["image_id,partition"] * header + [
        f"{i:06}.jpg{',' if comma else ' '}{split}" for i, split in enumerate(splits)
    ]
    data = end.join(lines).encode("utf-8-sig" if mark else "utf-8")
    names = parse_partition(data, "partition")
    for number, split in enumerate(("train", "val", "test")):
        assert names[split] == [f"{i:06}.jpg" for i, split_number in enumerate(splits) if split_number == str(number)]


def test_the_official_counts_are_those_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert celeba_layout.OFFICIAL == {"train": 162_770, "val": 19_867, "test": 19_962}
    assert sum(celeba_layout.OFFICIAL.values()) == 202_599


def test_another_size_or_filter_is_not_taken_for_this_one(tmp_path: Path) -> None:
    root = torchvision_layout(tmp_path / "data")
    prepare_celeba(root, resize="nearest")
    with pytest.raises(DataError, match="holds celeba_32_nearest, not celeba_32_bilinear"):
        CelebA(path=root)
    assert CelebA(path=root, resize="nearest").provenance == {"filter": "nearest"}


def test_a_damaged_array_says_how_to_make_it_again(tmp_path: Path) -> None:
    root = torchvision_layout(tmp_path / "data")
    target, _ = prepare_celeba(root)
    target.write_bytes(target.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"metasiren data celeba --root {root}"):
        CelebA(path=root)


# The command


def command(*arguments: str) -> Result:
    cli = click.Group("metasiren")
    add_commands(cli)
    return CliRunner().invoke(cli, ["data", "celeba", *arguments])


def test_the_command_prepares_and_says_what_to_do_next(tmp_path: Path) -> None:
    root = torchvision_layout(tmp_path / "data")
    result = command("--root", str(root), "--size", "16", "--resize", "nearest")
    assert result.exit_code == 0, result.output
    assert "CelebA, 16x16, nearest: 9 images (train 5, val 2, test 2)" in result.output
    assert f"in {root / 'prepared' / 'celeba_16_nearest.npy'}" in result.output
    wanted = f"--preset paper_text --set data.path={root} --set data.size=16 --set data.resize=nearest"
    assert wanted in result.output
    assert CelebA(path=root, size=16, resize="nearest").splits == COUNTS


def test_the_command_looks_in_the_data_home(home: Path) -> None:
    torchvision_layout(home)
    result = command()
    assert result.exit_code == 0
    assert result.output.endswith("metasiren run celeba_cnn --preset paper_text\n")


def test_the_command_raises_what_the_command_line_prints(tmp_path: Path) -> None:
    result = command("--root", str(tmp_path / "absent"))
    assert isinstance(result.exception, DataError)
    with pytest.raises(DataError, match="size is 0"):
        prepare_celeba(tmp_path, size=0)


def test_the_command_joins_a_group_that_another_plugin_made() -> None:
    cli, group = click.Group("metasiren"), click.Group("data")
    group.add_command(click.Command("shapes"))
    cli.add_command(group)
    add_commands(cli)
    assert sorted(group.commands) == ["celeba", "shapes"]
