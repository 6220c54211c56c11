"""The tab Latents: interpolation between two faces, and a field's values outside of its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metasiren_report.app.drawing import enlarge, to_bytes
from metasiren_report.app.prior import Pixels, Prior

STEPS = 8


def between(prior: Prior, first: Pixels, second: Pixels, size: int) -> list[Pixels]:
    """Eight pictures of latents on the straight line between those of two faces, both ends included."""
    import torch

    one, two = prior.latent(first), prior.latent(second)
    weights = torch.linspace(0, 1, STEPS)[:, None]
    return prior.draw((1 - weights) * one + weights * two, size)


def add_tab(gr: Any, app: Any, priors: Mapping[str, Prior], faces: Mapping[str, list[Pixels]]) -> None:
    """Add the tab to the Blocks at hand; arguments as for `inpaint_tab.add_tab`."""
    names = list(priors)

    def walk(name: str, first: int, second: int) -> list[Any]:
        known = faces[name]
        pictures = between(priors[name], known[int(first) % len(known)], known[int(second) % len(known)], 64)
        return [enlarge(to_bytes(picture), 128) for picture in pictures]

    def outside(name: str, first: int, extent: float) -> Any:
        known = faces[name]
        latent = priors[name].latent(known[int(first) % len(known)])
        return enlarge(to_bytes(priors[name].draw(latent, 192, min(max(float(extent), 1.0), 5.0))[0]), 384)

    with gr.Tab("Latents", id="latents"):
        name = gr.Dropdown(names, value=names[0], label="Prior")
        with gr.Row():
            first = gr.Slider(0, 15, 0, step=1, label="First face", elem_id="first")
            second = gr.Slider(0, 15, 5, step=1, label="Second face", elem_id="second")
            extent = gr.Slider(1, 5, 2, step=0.1, label="Extent: coordinates from -extent to extent", elem_id="extent")
        gallery = gr.Gallery(
            label="From the first to the second latent", columns=8, height=190, buttons=["fullscreen"], elem_id="walk"
        )
        beyond = gr.Image(
            label="The first face's field outside of its picture",
            interactive=False,
            buttons=["download", "fullscreen"],
            elem_id="beyond",
        )
        for moved in (first, second):
            moved.release(walk, [name, first, second], gallery, show_progress="hidden")
        for moved in (first, extent):
            moved.release(outside, [name, first, extent], beyond, show_progress="hidden")
        app.load(walk, [name, first, second], gallery, show_progress="hidden")
        app.load(outside, [name, first, extent], beyond, show_progress="hidden")
