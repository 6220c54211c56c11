"""Images in memory, and the contexts drawn from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import DataError
from metasiren_priors.data.imageset import ImageSet, sample_cells, to_values

QUICK = settings(deadline=None, max_examples=25, derandomize=True)


def noise(images: int = 7, height: int = 5, width: int = 4, channels: int = 3) -> ImageSet:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, height, width, channels), dtype=np.uint8)
    return ImageSet("noise", {"train": pixels, "val": pixels[:2]}, {"filter": "none"})


@QUICK
@given(batch=st.integers(1, 6), size=st.integers(1, 40), data=st.data())
def test_a_context_never_repeats_a_pixel_and_its_count_is_within_bounds(
    batch: int, size: int, data: st.DataObject
) -> None:
    low = data.draw(st.integers(0, size))
    most = data.draw(st.integers(low, size))
    cells, mask = sample_cells(batch, size, (low, most), torch.Generator().manual_seed(size), "cpu")
    assert cells.shape == mask.shape == (batch, most)
    for row, real in zip(cells, mask, strict=True):
        seen = row[real].tolist()
        assert low <= len(seen) <= most
        assert len(set(seen)) == len(seen)
        assert all(0 <= cell < size for cell in seen)


def test_every_count_and_every_pixel_is_drawn() -> None:
    cells, mask = sample_cells(2000, 6, (1, 4), torch.Generator().manual_seed(0), "cpu")
    counts = mask.sum(1)
    assert sorted(set(counts.tolist())) == [1, 2, 3, 4]
    seen = torch.zeros(6).scatter_add(0, cells[mask], torch.ones(int(mask.sum())))
    # Each of 6 pixels is seen in 2.5 of 6 contexts; the standard deviation over 2000 contexts is 1 %.
    assert (seen / 2000 - 2.5 / 6).abs().max() < 0.05


@QUICK
@given(height=st.integers(1, 6), width=st.integers(1, 6), channels=st.sampled_from([1, 3]), data=st.data())
def test_a_context_holds_what_the_image_holds_there_and_zeros_as_padding(
    height: int, width: int, channels: int, data: st.DataObject
) -> None:
    images = noise(4, height, width, channels)
    low = data.draw(st.integers(0, height * width))
    batch = images.batch("train", torch.tensor([2, 0, 3]), context=(low, height * width))
    context, values = batch.context, batch.points["pixels"].values
    assert context.cells is not None
    hidden = ~context.mask
    for padding in (context.coords[hidden], context.values[hidden], context.cells[hidden]):
        assert not padding.any()
    seen, mask = context.image()
    truth = values.transpose(1, 2).reshape(seen.shape)
    assert torch.equal(seen, truth * mask)
    assert torch.equal(mask.sum((1, 2, 3)).long(), context.mask.sum(1))
    at = batch.points["pixels"].coords[0]
    assert torch.equal(context.coords[context.mask], at[context.cells[context.mask]])


def test_the_answers_are_absent_from_a_context() -> None:
    images = noise()
    items = torch.tensor([1, 4])
    batch = images.batch("train", items, context=(3, 3), generator=torch.Generator().manual_seed(1))
    hidden = batch.context.image()[1] == 0
    # Another image with the same seen pixels gives the same context, to the bit.
    values = batch.points["pixels"].values.clone()
    values += hidden.reshape(2, -1, 1) * torch.randn_like(values)
    assert batch.context.cells is not None
    again = images.context(values, batch.context.cells, batch.context.mask, items)
    assert torch.equal(again.values, batch.context.values)
    assert torch.equal(again.coords, batch.context.coords)
    assert torch.equal(again.items, items)


def test_mirroring_exchanges_left_and_right_of_half_of_the_training_images_only() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    mirrored = ImageSet("noise", {"train": pixels, "val": pixels}, {}, mirror=True)
    items = torch.ones(400, dtype=torch.long)
    straight, turned = (to_values(torch.from_numpy(way.copy())) for way in (pixels[1:], pixels[1:, :, ::-1]))
    batch = mirrored.batch("train", items, context=(5, 5))
    values = batch.points["pixels"].values
    is_turned, is_straight = ((values == way).flatten(1).all(1) for way in (turned, straight))
    assert torch.equal(is_turned, ~is_straight)
    assert 150 < int(is_turned.sum()) < 250  # five standard deviations
    seen, mask = batch.context.image()
    assert torch.equal(seen, values.transpose(1, 2).reshape(seen.shape) * mask)
    assert torch.equal(mirrored.batch("val", items).points["pixels"].values, straight.expand(400, -1, -1))


def test_no_context_given_means_the_whole_image_is_seen() -> None:
    batch = noise().batch("val", torch.tensor([1]))
    assert batch.context.mask.all()
    assert torch.equal(batch.context.image()[1], torch.ones(1, 1, 5, 4))


def test_a_context_larger_than_the_image_is_the_whole_image() -> None:
    assert noise().batch("val", torch.tensor([0, 1]), context=(1000, 2000)).context.mask.sum(1).tolist() == [20, 20]


def test_a_generator_decides_the_context() -> None:
    one, two, three = (
        noise().batch("train", torch.tensor([0]), context=(4, 9), generator=torch.Generator().manual_seed(seed)).context
        for seed in (3, 3, 4)
    )
    assert torch.equal(one.values, two.values)
    assert not torch.equal(one.image()[1], three.image()[1])


def test_values_reach_from_minus_one_to_one_in_row_major_order() -> None:
    image = torch.tensor([[[[0], [255]], [[51], [204]]]], dtype=torch.uint8)
    assert torch.allclose(to_values(image)[0, :, 0], torch.tensor([-1.0, 1.0, -0.6, 0.6]))


def test_domain_splits_and_slices_say_what_is_there() -> None:
    images = noise()
    assert (images.domain.d_in, images.domain.d_out, images.domain.grid, images.domain.items) == (2, 3, (5, 4), 7)
    assert images.splits == {"train": 7, "val": 2}
    assert torch.equal(images.images("train", slice(1, 3)), images.images("train", torch.tensor([1, 2])))
    assert images.values("val").shape == (2, 20, 3)


def test_a_memory_mapped_array_reads_like_one_in_memory(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 3, 3), dtype=np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = ImageSet("mapped", {"train": np.load(tmp_path / "pixels.npy", mmap_mode="r")}, {})
    assert np.array_equal(mapped.images("train", torch.tensor([4, 1])).numpy(), pixels[[4, 1]])
    assert np.array_equal(mapped.to("cpu").images("train").numpy(), pixels)


@pytest.mark.gpu
def test_on_a_gpu_the_same_images_and_back(tmp_path: Path) -> None:
    images = noise()
    before = images.values("train")
    laid = images.to("cuda").batch("train", torch.arange(7, device="cuda"), context=(3, 9))
    assert laid.context.values.is_cuda
    assert torch.equal(laid.points["pixels"].values.cpu(), before)
    assert torch.equal(images.to("cpu").values("train"), before)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "found"),
        ({"train": np.zeros((2, 4, 4, 3), np.float32)}, "float32"),
        ({"train": np.zeros((2, 4, 4), np.uint8)}, "uint8"),
        ({"train": np.zeros((2, 4, 4, 3), np.uint8), "val": np.zeros((2, 5, 4, 3), np.uint8)}, "differ in size"),
        ({"val": np.zeros((2, 4, 4, 3), np.uint8)}, "no training images"),
        ({"train": np.zeros((0, 4, 4, 3), np.uint8)}, "no training images"),
    ],
)
def test_arrays_that_are_no_images_are_refused(arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageSet("wrong", arrays, {})
