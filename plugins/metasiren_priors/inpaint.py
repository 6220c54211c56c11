"""Complete a picture by a trained prior."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from metasiren import Context, DataError, Field, Model, Run, RunError, grid, pick_device
from metasiren_priors.data.imageset import observe
from metasiren_priors.inpainted import Inpainted
from metasiren_priors.mask_files import Polarity
from metasiren_priors.observed import Observed, enlarged, observe_photograph
from metasiren_priors.photograph import Box, paste, pixel_coordinates
from metasiren_priors.posterior_draws import field_deviation, in_parts, sampled_fields

PRIORS = "celeba_mixture, celeba_gaussian, celeba_cnn, celeba_pconv, celeba_set_sine or celeba_set_relu"


def inpaint(
    run: Run,
    picture: Path,
    *,
    mask: Path | None = None,
    pixels: int | None = None,
    polarity: Polarity | None = None,
    size: tuple[int, int] | None = None,
    box: Box | None = None,
    whole: bool = False,
    samples: int = 0,
    deviation: bool = False,
    seed: int = 0,
    device: str = "auto",
) -> Inpainted:
    """Reconstruct a picture from part of it.

    Args:
        run: a trained prior over images.
        picture: any picture; its centre square is taken where there is no box.
        mask: a picture, white or transparent where pixels are hidden; see `read_mask`.
        pixels: how many random pixels of the prior's grid to keep instead.
        polarity: of the mask; see `read_mask`.
        size: (rows, columns) of the reconstruction; the prior's own where left out. A SIREN has no resolution. Known
            pixels of the composite are the picture's own where its square has this size, else the prior's cells.
        box: the part of the picture that the prior describes, such as a face. The field is then rendered at the box's
            own resolution. What lies beyond the picture's edges counts as hidden.
        whole: without a box: render the field at the resolution of the picture's centre square, and put the composite
            into the picture.
        samples: number of signals drawn from the posterior.
        deviation: compute the standard deviation of the reconstruction, too.
        seed: of the random pixels and samples.
        device: where the prior is evaluated: `auto`, `cpu`, `cuda` or `cuda:1`.

    Raises:
        RunError: the run's signals are no images, its encoder does not use observed pixels, or it has no posterior
            where samples or a deviation are wanted.
        DataError: unusable files, a box outside the picture, or one of which nothing is hidden.
    """
    domain = run.domain
    if domain.grid is None or len(domain.grid) != 2 or domain.d_out not in (1, 3) or min(domain.grid) < 2:
        raise RunError(str(run.path), "not a prior over images.", f"Give a run of {PRIORS}.")
    if whole and size is not None:
        raise DataError("size", "given together with whole.", "The whole picture has its own resolution.")
    if box is not None and size is not None:
        raise DataError("--size", "given together with --box.", "A box is rendered at its own resolution.")
    shape = (domain.grid[0], domain.grid[1])
    observed = observe_photograph(
        picture, shape, domain.d_out, mask=mask, pixels=pixels, polarity=polarity, box=box, seed=seed
    )
    own = (observed.frame.height, observed.frame.width)
    target = own if box or whole else size or shape
    coords = pixel_coordinates(shape, target) if box or whole else grid(target)
    made, drawn, spread = _predicted(run, observed, coords, target, samples, deviation, seed, pick_device(device))
    seen = observed.seen.view(1, *shape)
    seen_picture = torch.where(seen, _picture(observed.values[0], shape), torch.tensor(0.5))
    if target == own:
        shown, true = observed.known.unsqueeze(0), _unit(observed.crop)
    else:
        shown, true = enlarged(seen, target).bool(), enlarged(seen_picture, target)
    result = Inpainted(
        seen=seen_picture,
        made=made,
        composite=torch.where(shown, true, made),
        original=_picture(observed.original[0], shape),
        samples=drawn,
        sample_composites=torch.where(shown, true, drawn),
        deviation=spread if spread is None else spread * ~shown,
        photo_shape=(observed.photo.height, observed.photo.width),
    )
    return _in_photo(result, observed.photo, observed.frame) if box or whole else result


def _predicted(
    run: Run,
    observed: Observed,
    coords: Tensor,
    target: tuple[int, int],
    samples: int,
    deviation: bool,
    seed: int,
    place: torch.device,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The prior's mean, its samples and its deviation at coordinates, as `Inpainted` holds them."""
    shape, seen = (run.domain.grid or ())[:2], observed.seen.unsqueeze(0)
    generator = torch.Generator().manual_seed(seed)
    cells = torch.arange(seen.shape[1]).unsqueeze(0)
    context = observe(observed.values, cells, seen, torch.zeros(1, dtype=torch.long), grid(shape), shape)
    spread = None
    with torch.no_grad():
        model, there = run.model(device=place), context.to(place)
        latent = model.encoder(there, model.decoder)
        _demand_use_of_observations(run, model, there, latent)
        coords = coords.to(place)
        made = _drawn(model.decoder.field(latent), coords, target)[0]
        drawn = made.new_zeros(0, *made.shape)
        if samples:
            if (fields := sampled_fields(model, there, samples, generator)) is None:
                raise _no_posterior(run)
            drawn = _drawn(fields, coords, target)
        if deviation:
            if (each := field_deviation(model, there, coords, generator)) is None:
                raise _no_posterior(run, "celeba_mixture, celeba_gaussian, celeba_cnp or celeba_cavia")
            each = each.cpu() / 2  # values in [0, 1] are half as wide
            spread = each.square().mean(dim=1).sqrt().view(1, *target)
    return made, drawn, spread


def _in_photo(found: Inpainted, photo: Image.Image, box: Box) -> Inpainted:
    spread = found.deviation
    black = Image.new("L", photo.size)
    return replace(
        found,
        photo=paste(photo, box, found.composite),
        photo_samples=tuple(paste(photo, box, each) for each in found.sample_composites),
        photo_deviation=spread if spread is None else paste(black, box, spread),
    )


def _drawn(field: Field, coords: Tensor, shape: tuple[int, int]) -> Tensor:
    """Pictures (batch, channels, rows, columns) in [0, 1]."""
    return _unit(rearrange(in_parts(field, coords).cpu(), "b (h w) c -> b c h w", h=shape[0]))


def _no_posterior(run: Run, others: str = "celeba_mixture or celeba_gaussian") -> RunError:
    found = f"its encoder {run.recipe.encoder.name!r} gives a mean without a posterior."
    advice = f"Leave out --samples and --std, or give a run of {others}."
    return RunError(str(run.path), found, advice)


def _demand_use_of_observations(run: Run, model: Model, context: Context, latent: Tensor) -> None:
    """Refuse a model whose latent stays the same when every observed value changes."""
    turned = replace(context, values=-context.values - 0.5)
    if torch.equal(latent, model.encoder(turned, model.decoder)):
        found = f"its encoder {run.recipe.encoder.name!r} does not use observed pixels, so the run holds no prior."
        raise RunError(str(run.path), found, f"Give a run of {PRIORS}.")


def _picture(values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Values (pixels, channels) as (channels, rows, columns) in [0, 1]."""
    return _unit(rearrange(values, "(h w) c -> c h w", h=shape[0]))


def _unit(values: Tensor) -> Tensor:
    return ((values + 1) / 2).clamp(0, 1)
