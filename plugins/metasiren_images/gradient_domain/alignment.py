"""Closeness of two pictures of which one is known up to scale and offset.

A picture's derivatives do not determine its mean, and targets in other units make it brighter or duller; so a result is
aligned before it is evaluated: one scale for all channels and an offset for each, by least squares. From a Laplacian
alone a picture is known up to any harmonic function (a slope, a saddle, ...), of which alignment removes the constant
only: the rest counts as error.
"""

from __future__ import annotations

from metasiren_images.gradient_domain.schemes import Values


def align(guess: Values, truth: Values) -> Values:
    """A scaled and shifted guess, nearest to the truth; the truth's means where the guess is constant.

    Args:
        guess: (rows, columns, components): channels, or the channels' derivatives.
        truth: of the same shape.
    """
    centred, level = guess - guess.mean((0, 1)), truth.mean((0, 1))
    power = float((centred**2).sum())
    scale = float((centred * (truth - level)).sum()) / power if power > 0 else 0.0
    aligned: Values = scale * centred + level
    return aligned
