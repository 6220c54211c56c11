"""The tab Fit: a sine network beside another one, live."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from metasiren import DataError, MetasirenError, grid, picture_sheet
from metasiren_report.app import drawing
from metasiren_report.app.fitting import COMPARED, Fitting, Options, fit, values_of
from metasiren_report.app.uploads import read_picture, read_sound

TASKS = {"fit its values": "values", "recover it from its gradient": "gradient", "fill in missing pixels": "inpaint"}
NOTHING = "nothing"
TILE = 192
HEADS = ("true picture", "value", "magnitude of the gradient", "Laplacian")
INKS = ((70, 70, 70), (36, 88, 197), (200, 81, 43))
"""Colours of the true sound and of the networks."""


def read_signal(upload: str | None, side: int) -> tuple[np.ndarray[Any, Any], int | None]:
    """The uploaded picture or sound (scikit-image's camera without an upload), and the sound's rate in Hz or None.

    Raises:
        DataError: neither a picture nor a sound.
    """
    if not upload:
        from skimage import data

        camera: Any = data.camera
        square = Image.fromarray(camera()).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        return np.asarray(square, dtype=np.float64) / 255, None
    if Path(upload).suffix.lower() in (".wav", ".flac", ".ogg"):
        return read_sound(upload)
    return read_picture(upload, side), None


def pair(signal: Any, options: Options, other_kind: str) -> Iterator[dict[str, Fitting]]:
    """Train the sine network and another one (unless `other_kind` is `nothing`) in turn, a state of each at a time."""
    own = fit(signal, options)
    other = fit(signal, Options(**{**vars(options), "nonlinearity": other_kind})) if other_kind != NOTHING else iter(())
    states: dict[str, Fitting] = {}
    going = {"sine": own, other_kind: other}
    while going:
        for name in list(going):
            state = next(going[name], None)
            if state is None:
                del going[name]
            else:
                states[name] = state
                yield dict(states)


def add_tab(gr: Any) -> None:
    """Add the tab to the Blocks that are being built."""
    run, save = _handlers(gr)
    with gr.Tab("Fit", id="fit"):
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                inputs, start, stop = _controls(gr)
                size = gr.Slider(64, 1024, 512, step=64, label="Size of the saved picture")
                keep = gr.Button("Save", elem_id="save")
                files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="files")
            with gr.Column(scale=2, min_width=320):
                outputs = _outputs(gr)
        states = gr.State()
        going = start.click(run, inputs, [*outputs, states], show_progress="minimal", concurrency_limit=2)
        stop.click(None, cancels=[going])
        keep.click(save, [states, size], files)


def _handlers(gr: Any) -> tuple[Callable[..., Iterator[tuple[Any, ...]]], Callable[..., list[str]]]:
    """The handlers of the buttons Fit and Save."""

    def run(upload: str | None, task: str, other_kind: str, side: int, *numbers: float) -> Iterator[tuple[Any, ...]]:
        try:
            signal, rate = read_signal(upload, int(side))
            if rate is not None and TASKS[task] != "values":
                raise DataError("app: fit", "a sound can only be fitted by its values.", "Choose 'fit its values'.")
            width, depth, omega, speed, steps, seen, tv = numbers
            options = Options(
                task=TASKS[task], width=int(width), depth=int(depth), omega=float(omega), rate=float(speed),  # type: ignore[arg-type]
                steps=int(steps), seen=float(seen), tv=float(tv),
            )  # fmt: skip
            for states in pair(signal, options, other_kind):
                yield (*_shown(gr, signal, states, rate), states)
        except MetasirenError as error:
            raise gr.Error(str(error)) from None

    def save(states: dict[str, Fitting] | None, size: int) -> list[str]:
        if not states:
            raise gr.Error("Nothing is fitted yet. Press Fit first.")
        folder, files = Path(tempfile.mkdtemp(prefix="metasiren-app-")), []
        for name, state in states.items():
            files.append(str(drawing.save_weights(state, folder / f"{name}.safetensors")))
            if len(state.shape) == 2:
                picture = folder / f"{name}.png"
                Image.fromarray(drawing.values_picture(state, min(max(int(size), 16), 1024))).save(picture)
                files.append(str(picture))
        return files

    return run, save


def _controls(gr: Any) -> tuple[list[Any], Any, Any]:
    """The inputs of a fit, in the order in which `run` takes them, and the buttons Fit and Stop."""
    upload = gr.File(
        label="A picture or a sound (else a photograph)", type="filepath", elem_id="signal",
        height=165,
        file_types=[".png", ".jpg", ".jpeg", ".webp", ".bmp", ".wav", ".flac", ".ogg"],
    )  # fmt: skip
    task = gr.Radio(list(TASKS), value=next(iter(TASKS)), label="What to do", elem_id="task")
    other_kind = gr.Dropdown([NOTHING, *COMPARED], value="relu", label="Beside the sine", elem_id="rival")
    with gr.Row():
        start = gr.Button("Fit", variant="primary", elem_id="start")
        stop = gr.Button("Stop", elem_id="stop")
    with gr.Accordion("Options", open=False):
        side = gr.Slider(32, 256, 96, step=8, label="Size of the picture")
        width = gr.Slider(8, 256, 64, step=8, label="Width")
        depth = gr.Slider(1, 5, 2, step=1, label="Hidden layers after the first")
        omega = gr.Slider(1, 100, 30, step=1, label="ω0")
        speed = gr.Number(1e-3, minimum=1e-6, maximum=0.1, label="Learning rate")
        steps = gr.Slider(10, 5000, 300, step=10, label="Steps", elem_id="steps")
        seen = gr.Slider(0.01, 1, 0.2, step=0.01, label="Share of the pixels that is seen (missing pixels)")
        tv = gr.Number(1e-3, minimum=0, maximum=1, label="Weight of total variation (missing pixels)")
    return [upload, task, other_kind, side, width, depth, omega, speed, steps, seen, tv], start, stop


def _outputs(gr: Any) -> list[Any]:
    """The training curve, the pictures and the sound."""
    curve = gr.HTML(elem_id="curve")
    views = gr.Image(
        show_label=False, label="Values and derivatives", interactive=False, elem_id="views",
        buttons=[],
    )  # fmt: skip
    sound = gr.Audio(label="Fitted sound", interactive=False, buttons=["download"], visible=False, elem_id="sound")
    return [curve, views, sound]


def _shown(gr: Any, signal: Any, states: dict[str, Fitting], rate: int | None) -> tuple[Any, Any, Any]:
    """The curve, the sheet of pictures, and the sound that the sine network fitted."""
    curve = drawing.curve_html({name: state.curve for name, state in states.items()})
    if rate is None:
        return curve, np.asarray(pictures_of(signal, states)), gr.Audio(None, visible=False)
    page = np.asarray(waveforms_of(signal, states))
    made = (waves_of(states["sine"]).clip(-1, 1) * 32767).astype(np.int16)
    return curve, page, gr.Audio((rate, made), visible=True)


def waves_of(state: Fitting) -> np.ndarray[Any, Any]:
    """The samples of a fitted sound."""
    return values_of(state, grid(state.shape, extent=state.extent))[:, 0].double().numpy()


def waveforms_of(signal: Any, states: dict[str, Fitting]) -> Image.Image:
    """The true sound, and below it that of each network."""
    waves = {"true sound": signal, **{name: waves_of(state) for name, state in states.items()}}
    drawn = [
        Image.fromarray(drawing.waveform(wave, colour)) for wave, colour in zip(waves.values(), INKS, strict=False)
    ]
    return picture_sheet([[each] for each in drawn], list(waves), [""])


def pictures_of(signal: Any, states: dict[str, Fitting]) -> Image.Image:
    """A row for each network: the true picture (or its seen pixels), values, gradient and Laplacian."""
    rows, masked = [], False
    for state in states.values():
        masked = state.seen is not None
        shown = signal if state.seen is None else np.where(state.seen.numpy().reshape(*state.shape, 1), signal, 0.2)
        views = drawing.to_bytes(shown), drawing.values_picture(state), *drawing.derivative_pictures(state)
        rows.append([Image.fromarray(drawing.enlarge(view, TILE)) for view in views])
    return picture_sheet(rows, list(states), ("seen pixels", *HEADS[1:]) if masked else HEADS, letters=16)
