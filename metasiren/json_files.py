"""JSON files: read with one message, and written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from metasiren.errors import RunError


def read_json(path: Path, advice: str) -> dict[str, Any]:
    """The object of a JSON file.

    Args:
        path: of the file.
        advice: what to do where it cannot be read, in one line.

    Raises:
        RunError: there is no such file, or it is not JSON, nested too deeply, or no object.
    """
    try:
        return json_object(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(str(path), f"not readable as JSON: {reason}.", advice) from None


def json_object(text: str) -> dict[str, Any]:
    """The object that JSON text holds.

    Raises:
        ValueError: the text is not JSON, is nested too deeply, or holds something else.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {json.dumps(value)[:40]}")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; a write that fails leaves the former file, and an `OSError` names it."""
    write_whole(path, json.dumps(value, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all; see `write_json`."""
    partial = path.with_suffix(".partial")
    try:
        with naming(path):
            partial.write_text(text, "utf-8")
            partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an `OSError` in the `with` block name this file: errors of writing, unlike those of opening, name none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
