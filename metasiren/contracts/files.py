"""What a downloaded file turns out to be."""

from __future__ import annotations


def is_web_page(start: bytes) -> bool:
    """Whether bytes begin as an HTML page does: what a refused or expired download leaves behind."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml"))
