"""Optional packages: an extra installs them, and errors name that extra."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from metasiren.errors import PluginError


def load_extra(module: str, *, extra: str, where: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module: such as `soundfile`.
        extra: of metasiren's distribution, which brings the package.
        where: what needs it, as errors name places.

    Raises:
        PluginError: it is not installed, or fails to import.
    """
    try:
        return import_module(module)
    except ImportError as error:
        advice = f"python -m pip install 'metasiren[{extra}]'"
        raise PluginError(where, f"needs the package {module!r}, which does not import: {error}.", advice) from None
