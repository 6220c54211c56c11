"""The screenshots of reports and of the app in docs/, from a real Chromium.

    metasiren run image --preset quick
    metasiren run celeba_gaussian --preset quick
    python benchmarks/screenshots.py runs/image-quick-1 runs/celeba_gaussian-quick-1

Needs playwright, the extra `app`, and Chromium on the path or named in METASIREN_CHROMIUM. The faces are cartoons that
metasiren draws, and the photograph is one of scikit-image's. The fit on docs/app_fit.webp has 300 steps; the rest takes
seconds.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from metasiren_report.app.building import launch

DOCS = Path(__file__).resolve().parents[1] / "docs"
MARGIN, MOST_BYTES, PATIENCE = 14, 150_000, 300_000


def main(image: Path, faces: Path) -> None:
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sys.exit("screenshots: the package playwright is not installed.\n  python -m pip install playwright")
    found = os.environ.get("METASIREN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    address = launch([], wait=False)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1120, "height": 1000}, color_scheme="light")
        page.set_default_timeout(PATIENCE)
        page.goto((image / "results" / "report.html").resolve().as_uri())
        save(page, "start_report", page.locator(".card").first, page.locator(".card").first)
        page.goto((faces / "results" / "report.html").resolve().as_uri())
        page.locator(".contexts").evaluate("e => { e.value = 1; e.dispatchEvent(new Event('input')); }")
        save(page, "start_faces", page.locator(".sheet"), page.locator(".sheet"))
        page.set_viewport_size({"width": 1240, "height": 1000})
        page.goto(address)
        inpaint(page)
        fit(page)
        browser.close()


def inpaint(page: Any) -> None:
    """A face with its eyes brushed away."""
    page.wait_for_selector("#words:has-text('pixels observed')")
    canvas = page.locator("#editor canvas").first
    page.wait_for_timeout(3000)  # the editor lays its canvas out after the picture has come
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle - 70, box["y"] + 0.46 * box["height"])
    page.mouse.down()
    page.mouse.move(middle + 70, box["y"] + 0.46 * box["height"], steps=8)
    page.mouse.up()
    page.wait_for_function("parseInt(document.querySelector('#words').innerText) > 500")
    page.wait_for_timeout(3000)
    save(page, "app_inpaint", page.locator("h1"), page.locator("#samples"))


def fit(page: Any) -> None:
    """A sine network beside WIRE."""
    page.get_by_role("tab", name="Fit").click()
    page.locator("#rival input").click()
    page.get_by_role("option", name="wire", exact=True).click()
    page.locator("#start").click()
    done = "(document.querySelector('#curve').innerText.match(/after 300 steps/g) || []).length === 2"
    page.wait_for_function(done)
    page.wait_for_timeout(3000)
    save(page, "app_fit", page.locator("h1"), page.locator("#views"))


def save(page: Any, name: str, first: Any, last: Any) -> None:
    """The page from the top of one element to the bottom of another, with a margin on all sides."""
    page.evaluate("scrollTo(0, 0)")
    boxes = [element.bounding_box() for element in (first, last)]
    left = min(box["x"] for box in boxes) - MARGIN
    right = page.viewport_size["width"] - left
    top, bottom = boxes[0]["y"] - MARGIN, max(box["y"] + box["height"] for box in boxes) + MARGIN
    clip = {"x": left, "y": max(0, top), "width": right - left, "height": bottom - max(0, top)}
    shot = Image.open(io.BytesIO(page.screenshot(clip=clip, full_page=True))).convert("RGB")
    path = DOCS / f"{name}.webp"
    shot.save(path, "WEBP", quality=85, method=6)
    print(f"{path}: {shot.width} x {shot.height} pixels, {path.stat().st_size:,} bytes")
    assert path.stat().st_size < MOST_BYTES


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
