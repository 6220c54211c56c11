"""The whole app, and how it is started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from metasiren import MetasirenError, load_catalogue, load_extra
from metasiren_report.app import fit_tab, inpaint_tab, latents_tab, runs_tab
from metasiren_report.app.packed_mixture import read_mixture
from metasiren_report.app.prior import Pixels, Prior, SmallPrior, prior_of_run

FACES = 16
FONT = ("system-ui", "sans-serif")


def build(folders: Sequence[Path]) -> Any:
    """The app's Blocks.

    Args:
        folders: runs, or folders of runs; priors over square colour pictures among them join the first tab.

    Raises:
        PluginError: gradio is not installed.
    """
    # Before gradio is imported: it reads these once.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    # Gradio asks its own server whether it has started; a proxy of the environment does not reach it.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
    gr = load_extra("gradio", extra="app", where="app")
    priors: dict[str, Prior] = {}
    for prior in [SmallPrior(), read_mixture(), *_trained(folders)]:
        priors[prior.name] = prior
    faces = {name: _faces(prior.side) for name, prior in priors.items()}
    with gr.Blocks(title="metasiren", analytics_enabled=False) as app:
        gr.Markdown("# metasiren\nComplete faces, fit pictures and sounds, look at runs. Nothing leaves this machine.")
        with gr.Tabs():
            inpaint_tab.add_tab(gr, app, priors, faces)
            fit_tab.add_tab(gr)
            latents_tab.add_tab(gr, app, priors, faces)
            runs_tab.add_tab(gr, app, folders)
    return app


def launch(folders: Sequence[Path], *, host: str = "127.0.0.1", port: int | None = None, wait: bool = True) -> str:
    """Start the app; nothing but `host` can reach it, and it is never shared through a tunnel.

    Args:
        folders: as for `build`.
        host: address to listen on.
        port: the first free one from 7860 by default.
        wait: until the process is stopped.

    Returns:
        the app's address.
    """
    app = build(folders)
    gr: Any = load_extra("gradio", extra="app", where="app")
    _, address, _ = app.queue(max_size=16).launch(
        server_name=host, server_port=port, share=False, prevent_thread_lock=True, quiet=True, ssr_mode=False,
        max_file_size="10mb", footer_links=[], theme=gr.themes.Default(font=FONT, font_mono=("monospace",)),
        run_history=False, show_error=True,
        # Without it, a machine that takes more than three seconds to answer ends the app.
        _frontend=False,
    )  # fmt: skip
    if wait:
        print(f"metasiren app: {address} (Ctrl-C stops it)", flush=True)
        app.block_thread()
    return str(address)


def _trained(folders: Sequence[Path]) -> list[Prior]:
    found: list[Prior] = []
    for run in runs_tab.runs_below(folders).values():
        try:
            found.append(prior_of_run(run))
        except MetasirenError:
            continue
    return found


def _faces(side: int) -> list[Pixels]:
    """Cartoon faces that no prior was trained on."""
    options = {"train": 1, "val": 1, "test": FACES, "size": side}
    dataset = load_catalogue().make("dataset", "sketch_faces", where="app: faces", options=options)
    values = dataset.batch("test", torch.arange(FACES)).points["pixels"].values.double().numpy()
    return list(((values + 1) / 2).clip(0, 1).reshape(FACES, side, side, 3).astype(np.float64))
