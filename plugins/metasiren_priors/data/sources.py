"""Pictures by name, out of a folder or a zip. Nothing is ever unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from metasiren import DataError, is_web_page

MOST_BYTES = 1 << 28
"""Of a file within a zip, unpacked: a picture of 8-bit colours with 9,000 rows and columns."""

PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Source(Protocol):
    """Files by their bare names."""

    where: str

    @property
    def names(self) -> Iterable[str]:
        """The names on offer."""

    def read(self, name: str) -> bytes:
        """The bytes of a file of that name."""


class FolderSource:
    """The files that lie directly in a folder."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.folder, self.where, self.names = folder, str(folder), set(names)

    def read(self, name: str) -> bytes:
        """The bytes of a file of that name."""
        return (self.folder / name).read_bytes()


class ZipSource:
    """The files of a zip, whichever folder of it they lie in.

    Raises:
        DataError: not a zip (a web page, a download that broke off), or one with names that lead out of it.
    """

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        try:
            with path.open("rb") as file:
                start = file.read(512)
            if is_web_page(start):
                advice = "A download was refused (a quota, a consent page). Fetch it again, in a browser if need be."
                raise DataError(self.where, "a web page, not a zip.", advice)
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            found = f"cannot be read as a zip ({error}); {path.stat().st_size if path.is_file() else 0:,} bytes."
            raise DataError(self.where, found, "The download probably broke off: fetch it again.") from error
        self._members: dict[str, str] = {}
        for member in self._zip.namelist():
            inside = PurePosixPath(member.replace("\\", "/"))
            if inside.is_absolute() or ".." in inside.parts or PureWindowsPath(member).drive:
                raise DataError(
                    self.where, f"holds the name {member!r}, which leads out of it.", "Do not trust this zip."
                )
            if not member.endswith("/") and inside.parts[0] != "__MACOSX" and not inside.name.startswith("."):
                self._members[inside.name] = member

    @property
    def names(self) -> Iterable[str]:
        """The names on offer."""
        return self._members.keys()

    def read(self, name: str) -> bytes:
        """The bytes of a file of that name.

        Raises:
            DataError: it is too large.
        """
        member = self._members[name]
        size = self._zip.getinfo(member).file_size
        if size > MOST_BYTES:
            found = f"{member} takes {size:,} bytes unpacked; {MOST_BYTES:,} is the most."
            raise DataError(self.where, found, "Take it out, or make it again: no picture is as large.")
        # A header may lie about the size: no more than it promised is unpacked.
        with self._zip.open(member) as file:
            return file.read(MOST_BYTES + 1)
