"""The live pages show what the record holds, whoever wrote it: `watch` and `serve` as processes on one record."""

import http.client
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import browsing
from conftest import Tiny
from plate_rows import plate
from platewatch.inspection import Verdict
from platewatch.line.drift_monitor import ALARM
from platewatch.line.model_registry import ACTIVATED
from platewatch.records import Judgement, Outcome, Records
from served import Served
from waiting import GIVE_UP_S, eventually


class Events(threading.Thread):
    """A page's connection to GET /events: what came, as kind and values."""

    def __init__(self, served: Served) -> None:
        super().__init__(daemon=True)
        self.got = list[tuple[str, dict[str, Any]]]()
        self.opened = threading.Event()
        self._served = served
        self.start()
        assert self.opened.wait(GIVE_UP_S)

    def run(self) -> None:
        kind = ""
        # empty when the station stops, or an error when it ends before this connection is served
        with suppress(OSError, http.client.HTTPException), closing(self._served.connect()) as connection:
            connection.request("GET", "/events")
            with connection.getresponse() as answer:
                while line := answer.readline().decode():
                    name, _, value = line.strip().partition(": ")
                    if name == "retry":
                        self.opened.set()
                    elif name == "event":
                        kind = value
                    elif name == "data" and kind != "health":
                        self.got.append((kind, json.loads(value)))


def test_what_others_write_comes_once_and_in_order(tiny_model: Tiny, tmp_path: Path) -> None:
    photograph = (tiny_model.data / "test/good/000.png").read_bytes()
    with Served(tiny_model.model, tmp_path) as served, Records.open(served.records) as other:
        first, second = Events(served), Events(served)
        other.add(plate(Verdict.REJECT), key="k")
        other.add(plate(Verdict.REJECT), key="k")
        said = other.review(1, Judgement.DEFECTIVE, "anna")
        assert served.ask("POST", "/inspections", photograph)[1]["number"] == 2
        body = json.dumps({"judgement": "good"}).encode()
        assert served.ask("POST", "/inspections/2/reviews", body, {"Content-Type": "application/json"})[0] == 201
        other.undo(said.id, "anna")
        other.event("login", "anna")
        other.event(ACTIVATED, "bob", {"model_id": "x", "before": "y", "folder": "z"})
        other.event(ALARM, "watch", {"model_id": "x", "message": "brightness changed"})
        eventually(lambda: ("alarm", {"model_id": "x", "message": "brightness changed"}) in first.got)
        eventually(lambda: len(second.got) == len(first.got))
        time.sleep(0.6)
    for each in (first, second):
        each.join(GIVE_UP_S)
    assert first.got == second.got
    told = [(kind, values.get("number") or values.get("model_id")) for kind, values in first.got]
    assert told == [
        ("inspection", 1),
        ("review", 1),
        ("inspection", 2),
        ("review", 2),
        ("review", 1),
        ("model", "x"),
        ("alarm", "x"),
    ]
    assert [values["judgement"] for kind, values in first.got if kind == "review"] == ["defective", "good", None]


@contextmanager
def watching(tiny_model: Tiny, folder: Path, records: str) -> "Iterator[subprocess.Popen[bytes]]":
    """`platewatch watch` as a process of its own, until the block ends."""
    folder.mkdir()
    command = [sys.executable, "-m", "platewatch", "watch", folder, "--model", tiny_model.model, "--records", records]
    command += ["--review-share", "0"]  # no passing plate is queued at random
    process = subprocess.Popen([*map(str, command), "--threads", "1"], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(GIVE_UP_S) == 0


def drop(photograph: Path, folder: Path, name: str) -> None:
    """As a careful camera does: written elsewhere, then moved here."""
    shutil.copyfile(photograph, folder.parent / "aside")
    (folder.parent / "aside").rename(folder / name)


def test_a_page_shows_the_watch_s_reject_and_another_station_s_review_without_reload(
    tiny_model: Tiny, tmp_path: Path
) -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from playwright.sync_api import expect

    camera = tmp_path / "camera"
    with (
        browsing.chromium() as browser,
        Served(tiny_model.model, tmp_path) as served,
        watching(tiny_model, camera, served.records),
        browsing.tab(browser) as page,
        browsing.tab(browser) as queue,
    ):
        page.goto(served.address)
        queue.goto(f"{served.address}/review")
        for each in (page, queue):
            expect(each.locator("[data-connection]")).to_have_text("live")
            each.evaluate("window.loadedOnce = true")
        drop(tiny_model.data / "test/good/000.png", camera, "first.png")
        expect(page.locator("[data-last] li")).to_have_count(1)
        drop(next((tiny_model.data / "test/total_rust").iterdir()), camera, "second.png")
        expect(page.locator("[data-word]")).to_have_text("REJECT")
        expect(page.locator("[data-last] li")).to_have_count(2)
        expect(queue.locator("[data-chip]")).to_contain_text("REJECT")
        with Records.open(served.records) as other:
            assert other.get(2).outcome is Outcome.REJECT
            assert other.get(2).source == "watch"
            for entry in other.queue().entries:
                other.review(entry.number, Judgement.DEFECTIVE, "anna")
        expect(queue.locator("[data-empty]")).to_be_visible()
        for each in (page, queue):
            assert each.evaluate("window.loadedOnce"), "the page was not reloaded"
