"""The app in a real Chromium: slide, brush, upload, a wrong file, fit to the end, save, two people at once."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import browser, chromium
from PIL import Image

import metasiren as ms

PATIENCE = 120_000
"""Milliseconds for which a page is waited for: a busy machine is no fault of the app."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app in a process of its own, with one run to show."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("NO GRADIO: python -m pip install 'metasiren[app]'")
    chromium()
    folder = tmp_path_factory.mktemp("app")
    changes = {"data.size": 16, "siren.hidden_features": 8, "train.steps": 2, "train.log_every": 1}
    ms.run(ms.load_recipe("image", preset="quick", overrides=changes), folder / "runs" / "tiny", device="cpu")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "metasiren", "app", str(folder / "runs"), "--port", str(port)]
    # No one answers on port 9: the app must not ask a proxy for its own address.
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    environment = {**os.environ, **proxy, "OMP_NUM_THREADS": "1", "GRADIO_TEMP_DIR": str(folder / "gradio")}
    with (folder / "log").open("w") as log:
        app = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
        try:
            url, until = f"http://127.0.0.1:{port}", time.monotonic() + 90
            while True:
                try:
                    urllib.request.urlopen(url, timeout=2).close()
                    break
                except OSError:
                    assert app.poll() is None, (folder / "log").read_text()
                    assert time.monotonic() < until, (folder / "log").read_text()
                    time.sleep(0.3)
            yield url
        finally:
            app.terminate()
            app.wait(20)


@pytest.fixture(scope="module")
def opened() -> Iterator[Any]:
    with browser() as one:
        yield one


@pytest.fixture
def tab(opened: Any, address: str) -> Iterator[Any]:
    """A page of the app after its first completion; no request left this machine, and no error was raised."""
    page, wrong = opened.new_page(viewport={"width": 1280, "height": 1000}), []
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: wrong.append(r.url) if not r.url.startswith((address, "data:", "blob:")) else None)
    page.goto(address)
    page.wait_for_selector("#words:has-text('100 of 1024 pixels observed')")
    yield page
    page.close()
    assert wrong == []


def _number(page: Any, name: str, value: int) -> None:
    box = page.locator(f"#{name} input[type=number]")
    box.fill(str(value))
    box.press("Enter")
    box.blur()


def test_sliding_completes_anew(tab: Any) -> None:
    before = tab.locator("#completed img").get_attribute("src")
    slider = tab.locator("#count input[type=range]")
    slider.focus()
    slider.press("End")
    slider.dispatch_event("pointerup")
    tab.wait_for_selector("#words:has-text('1024 of 1024 pixels observed')")
    # The pictures come after the words, and a picture has no size before it is loaded.
    tab.wait_for_function(
        "before => document.querySelector('#completed img').getAttribute('src') != before", arg=before
    )
    tab.wait_for_function("() => document.querySelector('#samples img').naturalWidth > 0")
    wide, high = tab.locator("#samples img").evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert wide > 4 * high, "four samples in a row"


def test_brushing_hides_what_was_brushed(tab: Any) -> None:
    tab.locator("#how").get_by_text("brush").click()
    tab.wait_for_selector("#words:has-text('Brush over the face')")
    tab.locator("#how").get_by_text("random").click()
    tab.wait_for_selector("#words:has-text('100 of 1024')")
    canvas = tab.locator("#editor canvas").first
    canvas.scroll_into_view_if_needed()
    tab.wait_for_timeout(1500)  # the editor lays its canvas out after the picture has come
    box = canvas.bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.45, box["y"] + box["height"] * 0.5)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.5, steps=6)
    tab.mouse.up()
    tab.wait_for_function(
        "/^\\d+ of 1024/.test(document.querySelector('#words').innerText)"
        " && parseInt(document.querySelector('#words').innerText) > 700"
        " && parseInt(document.querySelector('#words').innerText) < 1024"
    )
    assert tab.locator("#how").get_by_label("brush").is_checked(), "the brush takes the place of random pixels"


def test_a_picture_of_one_s_own_and_a_wrong_file(tab: Any, tmp_path: Path) -> None:
    Image.fromarray(np.full((50, 70, 3), 90, np.uint8)).save(tmp_path / "mine.png")
    words = tab.locator("#words").inner_text()
    tab.locator("#own input[type=file]").set_input_files(tmp_path / "mine.png")
    tab.wait_for_function("w => document.querySelector('#words').innerText !== w", arg=words)
    (tmp_path / "wrong.png").write_bytes(b"<html>this is no picture</html>")
    tab.locator("#own button[aria-label='Clear'], #own button[aria-label='Remove this file']").first.click()
    tab.locator("#own input[type=file]").set_input_files(tmp_path / "wrong.png")
    tab.wait_for_selector("text=not a readable picture")


def test_a_fit_to_the_end_is_saved(tab: Any, tmp_path: Path) -> None:
    tab.get_by_role("tab", name="Fit").click()
    tab.get_by_text("Options").click()
    _number(tab, "steps", 40)
    tab.locator("#start").click()
    tab.wait_for_function("(document.querySelector('#curve').innerText.match(/after 40 steps/g) || []).length === 2")
    tab.locator("#save").click()
    tab.wait_for_selector("#files a[download]")
    with tab.expect_download() as download:
        tab.locator("#files a[download]").last.click()
    download.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").stat().st_size > 1000


def test_a_fit_can_be_stopped(tab: Any) -> None:
    tab.get_by_role("tab", name="Fit").click()
    tab.get_by_text("Options").click()
    _number(tab, "steps", 5000)
    tab.locator("#start").click()
    tab.wait_for_function("/after [1-9]\\d* steps/.test(document.querySelector('#curve').innerText)")
    tab.locator("#stop").click()
    tab.wait_for_timeout(1500)
    text = tab.locator("#curve").inner_text()
    tab.wait_for_timeout(2500)
    assert tab.locator("#curve").inner_text() == text
    assert "after 5000 steps" not in text


def test_two_people_see_their_own(opened: Any, address: str, tab: Any) -> None:
    other = opened.new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(address)
    other.wait_for_selector("#words:has-text('100 of 1024 pixels observed')")
    slider = other.locator("#count input[type=range]")
    slider.focus()
    slider.press("Home")
    slider.dispatch_event("pointerup")
    other.wait_for_selector("#words:has-text('1 of 1024 pixels observed')")
    assert "100 of 1024" in tab.locator("#words").inner_text()
    other.close()


def test_latents_and_runs_are_shown(tab: Any) -> None:
    tab.get_by_role("tab", name="Latents").click()
    walk = tab.locator("#walk img")
    walk.wait_for()
    first = walk.get_attribute("src")
    tab.locator("#latent_prior input").click()
    tab.get_by_role("option").last.click()
    tab.wait_for_function("src => document.querySelector('#walk img').src !== src", arg=first)
    tab.get_by_role("tab", name="Runs").click()
    tab.locator("#chosen input[type=checkbox]").first.check()
    tab.locator("#show").click()
    tab.wait_for_selector("#page iframe")
    report = tab.frame_locator("#page iframe")
    report.locator("h1").wait_for()
    assert "image" in report.locator("h1").inner_text()
