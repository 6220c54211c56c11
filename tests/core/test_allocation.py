"""The settings of glibc's allocator change; other allocators are not changed."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from metasiren.engine import allocation


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="NOT GLIBC: only its allocator is set")
def test_glibc_understands() -> None:
    # In a process of its own: it cannot be undone.
    code = "from metasiren.engine.allocation import keep_freed_memory as keep; print(keep(), keep())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "True"]


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert allocation.keep_freed_memory() is False
