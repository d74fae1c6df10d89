"""Takes the pictures of the station's pages for docs/operators.md, of a station that runs with rendered plates.

    python benchmarks/station_pictures.py http://127.0.0.1:8000 docs

Looks at the pages as a person does: Debian's Chromium, a tablet's size, light and dark.
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

SIZE = (1024, 768)
WIDTH = 720  # px of a picture in the document
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="a station that runs")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, path, keys, scheme in (
            ("live", "/", "", "light"),
            ("live-dark", "/", "", "dark"),
            ("review", "/review", "m", "light"),
            ("history", "/history", "", "light"),
            ("plate", "", "m", "light"),
            ("health", "/health", "", "light"),
            ("models", "/models", "", "light"),
        ):
            page = look(browser, given.url, path or worst(browser, given.url), scheme)
            for key in keys:
                page.keyboard.press(key)
            page.wait_for_timeout(2500)
            file = given.out / f"station-{name}.png"
            keep(page.screenshot(), file)
            page.close()
            print(f"{file}: {file.stat().st_size // 1000} kB")  # noqa: T201 - a script's answer
        page = look(browser, given.url, "/", "light")
        page.context.set_offline(True)
        page.wait_for_timeout(9000)
        keep(page.screenshot(), given.out / "station-lost.png")
        browser.close()


def look(browser: Browser, url: str, path: str, scheme: str) -> Page:
    """A tab with the page."""
    width, height = SIZE
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url + path)
    page.wait_for_timeout(1000)
    return page


def worst(browser: Browser, url: str) -> str:
    """The path of the newest rejected plate's page."""
    page = look(browser, url, "/history?outcome=REJECT", "light")
    path = page.locator("[data-row] a.plain").first.get_attribute("href")
    page.close()
    return str(path)


def keep(picture: bytes, file: Path) -> None:
    """Write it small: narrower, 256 colours."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.resize((WIDTH, image.height * WIDTH // image.width), Image.Resampling.LANCZOS)
    _few_colours(image).save(file, optimize=True)


def _few_colours(image: Image.Image) -> Image.Image:
    """256 of them: half by what there is most of, half by what is most unlike the rest, so that amber stays amber."""
    halves = [
        image.quantize(128, method=method).getpalette()
        for method in (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE)
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for half in halves for value in (half or [])[: 3 * 128]])
    return image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)


if __name__ == "__main__":
    main()
