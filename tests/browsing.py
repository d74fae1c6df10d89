"""A station on loopback with the tiny model, and Debian's Chromium before it."""

import base64
import contextlib
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conftest import Tiny
from platewatch.line.model_registry import ModelRegistry
from platewatch.photographs import reading
from platewatch.records import Policy, Records
from platewatch.station.app import create_app
from platewatch.station.settings import Settings
from platewatch.station.users import Users
from platewatch.synthetic import rendered_plates
from waiting import GIVE_UP_S, eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SIZES = ((1024, 768), (1920, 1080))
PHONE = (390, 844)
ROOT = Path(__file__).parents[1]
expect.set_options(timeout=1000 * GIVE_UP_S)
AXE = Path(os.environ.get("PLATEWATCH_AXE") or ROOT / "node_modules" / "axe-core" / "axe.min.js")

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--force-device-scale-factor=1"]


@dataclass(frozen=True)
class Site:
    """A station that runs, and what it was given."""

    url: str
    records: Records
    models: ModelRegistry
    users: Users
    good: tuple[Path, ...]
    rusty: tuple[Path, ...]


@contextlib.contextmanager
def running(tiny_model: Tiny, folder: Path) -> Iterator[Site]:
    """A station of its own, with the tiny model as the only available one, on a free port of 127.0.0.1."""
    shutil.copytree(tiny_model.model, folder / "models" / "first")
    rendered_plates.render_set(folder / "line", good=30, test={"good": 1, "total_rust": 3}, size=128, seed=77)
    url = f"sqlite:///{folder / 'records.db'}"
    with Records.open(url, policy=Policy(review_share=0)) as records:
        models = ModelRegistry(folder / "models" / "first")
        users = Users(folder / "users.json")
        settings = Settings(data=tiny_model.data, record_url=url, users=users.path)
        good = tuple(reading.find(folder / "line" / "train" / "good"))
        rusty = tuple(reading.find(folder / "line" / "test" / "total_rust"))
        for path in (rusty[-1], good[-1]):  # so that every test, run alone, finds plates
            records.add(models.loaded().inspect(path), path.read_bytes())
        app = create_app(models, records, settings)
        app.state.retraining_runs.child.program = (sys.executable, str(ROOT / "tests" / "quick_training.py"))
        with _served(app) as port:
            yield Site(f"http://127.0.0.1:{port}", records, models, users, good, rusty)


@contextlib.contextmanager
def running_without_model(folder: Path, **options: Any) -> Iterator[Site]:
    """A station that has no model yet, and photographs of good plates."""
    rendered_plates.render_set(folder / "line", good=24, test={}, size=96, seed=5)
    url = f"sqlite:///{folder / 'records.db'}"
    with Records.open(url, policy=Policy(review_share=0)) as records:
        models, users = ModelRegistry(None, folder / "models"), Users(folder / "users.json")
        settings = Settings(record_url=url, users=users.path, training=folder / "training", **options)
        with _served(create_app(models, records, settings)) as port:
            good = tuple(reading.find(folder / "line" / "train" / "good"))
            yield Site(f"http://127.0.0.1:{port}", records, models, users, good, ())


@contextlib.contextmanager
def _served(app: object) -> Iterator[int]:
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", timeout_graceful_shutdown=2))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        eventually(lambda: server.started)
        yield door.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(GIVE_UP_S)
        door.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; skips when it is not installed."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here; apt-get install chromium to try the pages in a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


_idle = list[Page]()
"""Empty pages of browsers that run: to open one takes longer than most of what tests do on it."""


@contextlib.contextmanager
def tab(browser: Browser, size: tuple[int, int] = SIZES[0], scheme: str = "light") -> Iterator[Page]:
    """A page that fails its test when a script on it fails, or asks for anything that is not the station's."""
    page = next((each for each in _idle if each.context.browser is browser), None)
    if page is None:
        page = browser.new_context().new_page()
    else:
        _idle.remove(page)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_default_timeout(1000 * GIVE_UP_S)
    wrong = list[str]()
    heard: dict[str, Callable[[Any], None]] = {
        "pageerror": lambda error: wrong.append(str(error)),
        "console": lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None,
        "request": lambda sent: wrong.append(sent.url) if "//127.0.0.1:" not in sent.url else None,
    }
    for name, hear in heard.items():
        page.on(name, hear)  # type: ignore[call-overload]
    try:
        yield page
        assert wrong == []
        page.evaluate("localStorage.clear()")
        page.context.clear_cookies()
        for name, hear in heard.items():
            page.remove_listener(name, hear)
        page.goto("about:blank")
    except BaseException:
        page.context.close()
        raise
    _idle.append(page)


def drop(page: Page, photographs: tuple[Path, ...]) -> None:
    """Let photographs fall onto the page, as from a folder's window."""
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in photographs]
    page.evaluate(
        """files => {
            const carried = new DataTransfer();
            for (const [name, data] of files) {
                const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
                carried.items.add(new File([bytes], name, { type: "image/png" }));
            }
            const options = { dataTransfer: carried, bubbles: true, cancelable: true };
            for (const kind of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(kind, options));
        }""",
        files,
    )
