"""The tab Latents: interpolation between two faces, and a field's values outside of its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metasiren_report.app.drawing import enlarge, side_by_side, to_bytes
from metasiren_report.app.prior import Pixels, Prior

STEPS = 8
BUTTONS = ["download", "fullscreen"]


def between(prior: Prior, first: Pixels, second: Pixels, size: int) -> list[Pixels]:
    """Eight pictures of latents on the straight line between those of two faces, both ends included."""
    import torch

    one, two = prior.latent(first), prior.latent(second)
    weights = torch.linspace(0, 1, STEPS)[:, None]
    return prior.draw((1 - weights) * one + weights * two, size)


def add_tab(gr: Any, app: Any, priors: Mapping[str, Prior], faces: Mapping[str, list[Pixels]]) -> None:
    """Add the tab to the Blocks at hand; arguments as for `inpaint_tab.add_tab`."""
    names = list(priors)

    def walk(name: str, first: int, second: int) -> Any:
        known = faces[name]
        pictures = between(priors[name], known[int(first) % len(known)], known[int(second) % len(known)], 64)
        return side_by_side([enlarge(to_bytes(picture), 128) for picture in pictures], STEPS // 2)

    def outside(name: str, first: int, extent: float) -> Any:
        known = faces[name]
        latent = priors[name].latent(known[int(first) % len(known)])
        return enlarge(to_bytes(priors[name].draw(latent, 192, min(max(float(extent), 1.0), 5.0))[0]), 384)

    with gr.Tab("Latents", id="latents"):
        name = gr.Dropdown(names, value=names[0], label="Prior", elem_id="latent_prior")
        with gr.Row():
            first = gr.Slider(0, 15, 0, step=1, label="First face", elem_id="first")
            second = gr.Slider(0, 15, 5, step=1, label="Second face", elem_id="second")
            extent = gr.Slider(1, 5, 2, step=0.1, label="Extent (1: the picture itself)", elem_id="extent")
        with gr.Row():
            with gr.Column(scale=3, min_width=300):
                gr.Markdown("**From the first face to the second**: fields of the latents between theirs")
                gallery = gr.Image(show_label=False, label="Walk", interactive=False, buttons=BUTTONS, elem_id="walk")
            with gr.Column(scale=2, min_width=300):
                gr.Markdown("**Outside of the first face's picture**: its field up to the extent")
                beyond = gr.Image(
                    show_label=False, label="Outside", interactive=False, buttons=BUTTONS, elem_id="beyond"
                )
        name.change(walk, [name, first, second], gallery, show_progress="hidden")
        name.change(outside, [name, first, extent], beyond, show_progress="hidden")
        for moved in (first, second):
            moved.release(walk, [name, first, second], gallery, show_progress="hidden")
        for moved in (first, extent):
            moved.release(outside, [name, first, extent], beyond, show_progress="hidden")
        app.load(walk, [name, first, second], gallery, show_progress="hidden")
        app.load(outside, [name, first, extent], beyond, show_progress="hidden")
