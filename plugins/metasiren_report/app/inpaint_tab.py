"""The tab Inpaint: a few observed pixels, the completed face, its uncertainty and samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from metasiren import MetasirenError
from metasiren_report.app.drawing import enlarge, heat, side_by_side, to_bytes
from metasiren_report.app.prior import Pixels, Prior
from metasiren_report.app.uploads import read_picture

HIDDEN = (0.16, 0.20, 0.42)
BUTTONS = ["download", "fullscreen"]
RANDOM, BRUSH = "random pixels", "all but what I brush over"


def mask_of(editor: Mapping[str, Any] | None, side: int) -> NDArray[np.bool_] | None:
    """Pixels brushed over in an image editor: (side, side), true where the brush was; None where nothing is brushed.

    Args:
        editor: an ImageEditor's value, whose layers are (rows, columns, 4).
        side: of the result; a cell counts as brushed where a third of it is.
    """
    layers = [layer for layer in (editor or {}).get("layers") or [] if layer is not None]
    if not layers:
        return None
    covered = np.max([np.asarray(layer)[..., 3] for layer in layers], axis=0) > 0
    share = Image.fromarray(covered.astype(np.uint8) * 255).resize((side, side), Image.Resampling.BOX)
    brushed: NDArray[np.bool_] = np.asarray(share) > 255 / 3
    return brushed if brushed.any() else None


def complete(
    prior: Prior, values: Pixels, brushed: NDArray[np.bool_] | None, count: int, size: int, seed: int
) -> tuple[Any, ...]:
    """The tab's outputs: context, completion, sigma, samples in a row, and a line of words.

    Args:
        prior: completes.
        values: the face, (side, side, 3) in [0, 1].
        brushed: (side, side), true where hidden; None for random pixels.
        count: of random pixels.
        size: rows and columns of the completion.
        seed: of the random pixels and the samples.

    Raises:
        ValueError: everything is hidden.
    """
    if brushed is None:
        cells = prior.side**2
        order = np.random.default_rng(seed).permutation(cells).reshape(prior.side, prior.side)
        seen = order < max(1, min(count, cells))
    else:
        seen = ~brushed
        if not seen.any():
            raise ValueError("The brush hides every pixel. Leave some visible.")
    made = prior.complete(values, seen, size, seed)
    context = np.where(seen[..., None], values, HIDDEN)
    own = made.picture if size == prior.side else prior.draw(made.latent, prior.side)[0]
    hidden = ~seen
    error = float(((own - values) ** 2).mean())
    words = f"{int(seen.sum())} of {seen.size} pixels observed. Mean squared error {error:.4f}"
    if brushed is not None and not hidden.any():
        words = f"Brush over the face to hide a part of it. {words}"
    if hidden.any():
        words += f", over hidden pixels {float(((own - values)[hidden] ** 2).mean()):.4f}"
    sigma = None if made.sigma is None else enlarge(heat(made.sigma))
    samples = side_by_side([enlarge(to_bytes(sample)) for sample in made.samples]) if made.samples else None
    if made.sigma is not None:
        words += f". Largest standard deviation {float(made.sigma.max()):.3f} (white)"
    else:
        words += ". This prior gives no samples."
    return enlarge(to_bytes(context)), enlarge(to_bytes(made.picture)), sigma, samples, words


class _Inputs(NamedTuple):
    """The inputs of a completion, in the order in which `show` takes them."""

    name: Any
    number: Any
    upload: Any
    editor: Any
    how: Any
    count: Any
    size: Any
    seed: Any


class _Handlers:
    """The handlers of the tab's inputs.

    Args:
        gr: the module gradio.
        priors: by name.
        faces: for each prior, faces (side, side, 3) in [0, 1] to choose from.
    """

    def __init__(self, gr: Any, priors: Mapping[str, Prior], faces: Mapping[str, list[Pixels]]) -> None:
        self.gr, self.priors, self.faces = gr, priors, faces

    def picture(self, name: str, number: int, upload: str | None) -> Pixels:
        """The uploaded picture, or else a face of the prior's data."""
        if upload:
            return read_picture(upload, self.priors[name].side)
        return self.faces[name][int(number) % len(self.faces[name])]

    def show(self, name: str, number: int, upload: str | None, editor: Any, how: str, *rest: Any) -> tuple[Any, ...]:
        """Complete the picture."""
        try:
            values = self.picture(name, number, upload)
            brushed, side = None, self.priors[name].side
            if how == BRUSH:
                found = mask_of(editor, side)
                brushed = np.zeros((side, side), bool) if found is None else found
            return complete(self.priors[name], values, brushed, *(int(v) for v in rest))
        except (MetasirenError, ValueError) as error:
            raise self.gr.Error(str(error)) from None

    def canvas(self, name: str, number: int, upload: str | None) -> Any:
        """The picture as the editor shows it."""
        try:
            return enlarge(to_bytes(self.picture(name, number, upload)), 320)
        except MetasirenError as error:
            raise self.gr.Error(str(error)) from None

    def after_brush(self, name: str, editor: Any) -> Any:
        """Choose the brush once something is brushed."""
        return self.gr.skip() if mask_of(editor, self.priors[name].side) is None else BRUSH


def add_tab(gr: Any, app: Any, priors: Mapping[str, Prior], faces: Mapping[str, list[Pixels]]) -> None:
    """Add the tab to the Blocks that are being built.

    Args:
        gr: the module gradio.
        app: the Blocks.
        priors: by name.
        faces: for each prior, faces (side, side, 3) in [0, 1] to choose from.
    """
    handlers = _Handlers(gr, priors, faces)
    with gr.Tab("Inpaint", id="inpaint"), gr.Row():
        with gr.Column(scale=3, min_width=300):
            name, number, upload, how, count, size, seed = _controls(gr, list(priors))
        with gr.Column(scale=5, min_width=320):
            editor = gr.ImageEditor(
                label="Brush to hide", type="numpy", sources=(), transforms=(), layers=False,
                brush=gr.Brush(default_size=40, colors=["#2a3470"], color_mode="fixed"), canvas_size=(320, 320),
                height=400, elem_id="editor",
            )  # fmt: skip
            outputs = _outputs(gr)
    inputs = _Inputs(name, number, upload, editor, how, count, size, seed)
    _connect(handlers, app, inputs, outputs)


def _controls(gr: Any, names: list[str]) -> tuple[Any, ...]:
    """Prior, face, upload, what is observed, number of random pixels, size and seed."""
    name = gr.Dropdown(names, value=names[0], label="Prior", elem_id="prior")
    number = gr.Slider(0, 15, 0, step=1, label="Face", elem_id="face")
    upload = gr.File(
        label="Or your own picture (its centre square)", file_types=["image"], type="filepath", height=165,
        elem_id="own",
    )  # fmt: skip
    how = gr.Radio([RANDOM, BRUSH], value=RANDOM, label="What is observed", elem_id="how")
    count = gr.Slider(1, 1024, 100, step=1, label="Number of random pixels", elem_id="count")
    size = gr.Slider(32, 512, 128, step=32, label="Pixels a side of the completion", elem_id="size")
    seed = gr.Number(0, precision=0, minimum=0, maximum=10**6, label="Seed of the random pixels and samples")
    return name, number, upload, how, count, size, seed


def _outputs(gr: Any) -> list[Any]:
    """The outputs of `complete`, in its order."""
    with gr.Row():
        context = _picture(gr, "Observed", "context")
        made = _picture(gr, "Completed", "completed")
        sigma = _picture(gr, "Deviation", "sigma")
    words = gr.Markdown(elem_id="words")
    samples = _picture(gr, "Samples: other faces with these pixels, by the prior", "samples")
    return [context, made, sigma, samples, words]


def _connect(handlers: _Handlers, app: Any, inputs: _Inputs, outputs: list[Any]) -> None:
    """Call the handlers when inputs change."""
    shown = {"fn": handlers.show, "inputs": list(inputs), "outputs": outputs, "show_progress": "hidden"}
    chosen = [inputs.name, inputs.number, inputs.upload]
    for changed in chosen:
        changed.change(handlers.canvas, chosen, inputs.editor).then(**shown)
    for moved in (inputs.size, inputs.number):
        moved.release(**shown, concurrency_limit=2)
    # Whoever moves the slider of random pixels wants these, and whoever brushes wants the brush.
    inputs.count.release(lambda: RANDOM, None, inputs.how).then(**shown, concurrency_limit=2)
    inputs.editor.input(handlers.after_brush, [inputs.name, inputs.editor], inputs.how).then(**shown)
    for changed in (inputs.how, inputs.seed, inputs.editor):
        changed.change(**shown)
    app.load(handlers.canvas, chosen, inputs.editor).then(**shown)


def _picture(gr: Any, title: str, name: str) -> Any:
    """A picture below its title: a label of its own would cover the picture's corner."""
    with gr.Column(min_width=95):
        gr.Markdown(f"**{title}**")
        return gr.Image(show_label=False, label=title, interactive=False, buttons=BUTTONS, elem_id=name)
