"""A check of downloaded files."""

from __future__ import annotations


def is_web_page(start: bytes) -> bool:
    """Whether bytes begin as an HTML page does; servers send one when a download is refused or has expired."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml"))
