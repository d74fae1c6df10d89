"""Draws the documents' pictures: three verdicts of the demo's model, and the pages of a running station.

    run.py pictures demo/model --station http://127.0.0.1:8000 && cp runs/pictures/*.png docs

The pages are rendered by Debian's Chromium at a tablet's size, light and dark. The station's record should hold
rendered plates, at least one of them with REJECT.
"""

import io
import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import platewatch
from benchmarks.harness import Found
from platewatch.arrays import Photo
from platewatch.model.inspector import Inspector
from platewatch.photographs import overlay, preparation, reading
from platewatch.synthetic import rendered_plates

SIDE, WIDTH = 420, 720  # px of one verdict, of a page
COLOURS = {"PASS": (0, 114, 178), "REVIEW": (230, 159, 0), "REJECT": (213, 94, 0)}
PAGES = {"live": "/", "live-dark": "/", "review": "/review", "history": "/history", "health": "/health"}
PAGES |= {"models": "/models", "lost": "/", "plate": "/history?outcome=REJECT"}
"""The address of each picture; `plate` is the first plate on its page."""


def measure(model: Path, *, out: Path, station: str = "") -> Found:
    inspector, shown = platewatch.load(model), (("good", 55), ("scratches", 42), ("major_rust", 12))
    out.mkdir(parents=True, exist_ok=True)
    reading.write_png(out / "verdicts.png", np.hstack([verdict(inspector, *each) for each in shown]))
    with sync_playwright() as playwright:
        for name in PAGES if station else ():
            flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            keep(page(browser, station, name), out / f"station-{name}.png")
            browser.close()
    return Found({"pictures": 1 + len(PAGES) * bool(station)})


def verdict(inspector: Inspector, kind: str, seed: int) -> Photo:
    """A rendered plate with the map, the boxes and the verdict: (464, 420, 3) uint8."""
    photo, _ = rendered_plates.render(kind, seed, 2 * SIDE)
    seen = inspector.examine(photo)
    drawn = overlay.overlay(photo, seen.frame.cut(seen.anomaly_map), seen.inspection.defects)
    strip = np.full((44, SIDE, 3), COLOURS[str(seen.inspection.verdict)], np.uint8)
    text = f"{seen.inspection.verdict}  score {seen.inspection.score or 0:.2f}"
    cv2.putText(strip, text, (12, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    return np.vstack([preparation.prepare(drawn, SIDE), strip])


def page(browser: Browser, station: str, name: str) -> bytes:
    """A page of the station as a PNG; `lost` is the live page some seconds after the connection broke."""
    size = {"width": 1024, "height": 768}
    tab = browser.new_page(viewport=size, color_scheme="dark" if name.endswith("dark") else "light")  # type: ignore[arg-type]
    tab.goto(station + PAGES[name])
    if name == "plate":
        tab.goto(f"{station}{tab.locator('[data-row] a.plain').first.get_attribute('href')}")
    tab.wait_for_timeout(1000)
    if name in {"review", "plate"}:
        tab.keyboard.press("m")  # the map
    tab.context.set_offline(name == "lost")
    tab.wait_for_timeout(9000 if name == "lost" else 2500)
    return tab.screenshot()


def keep(picture: bytes, file: Path) -> None:
    """Write a small PNG: narrower, 256 colours; half are the most frequent ones, half differ most from the others."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.resize((WIDTH, image.height * WIDTH // image.width), Image.Resampling.LANCZOS)
    methods = Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE
    halves = [(image.quantize(128, method).getpalette() or [])[: 3 * 128] for method in methods]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*halves[0], *halves[1]])
    image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)
