"""What this package offers; modules are imported when a recipe names a part."""

from __future__ import annotations

from collections.abc import Mapping

from metasiren import hookimpl


@hookimpl
def metasiren_datasets() -> Mapping[str, str]:
    """Signals in time."""
    return {
        "audio": "metasiren_signals.sounds.dataset:Audio",
        "video": "metasiren_signals.clips.dataset:Video",
    }


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """How a sound and a clip are evaluated."""
    return {
        "sound": "metasiren_signals.sounds.protocol:Sound",
        "clip": "metasiren_signals.clips.protocol:Clip",
    }


@hookimpl
def metasiren_renderers() -> Mapping[str, str]:
    """Fields as files that play."""
    return {
        "sound": "metasiren_signals.sounds.renderer:SoundRenderer",
        "clip": "metasiren_signals.clips.renderer:ClipRenderer",
    }
