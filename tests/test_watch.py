"""A camera's folder: whatever happens to files, folder, record and process, each photograph has one row."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from conftest import Tiny
from plate_rows import plate
from platewatch.errors import InputError, RecordUnavailable
from platewatch.inspection import Inspection, now
from platewatch.line.arrivals import Arrivals
from platewatch.line.watch_folder import Watch
from platewatch.model.inspector import Inspector
from platewatch.photographs import reading
from platewatch.records import Added, Entry, Outcome, Query, Records


class Reader:
    """An inspector that passes whatever can be read."""

    def __init__(self) -> None:
        self.asked = list[str]()

    def inspect(self, image: bytes | Path, name: str) -> Inspection:
        self.asked.append(Path(name).name)
        try:
            reading.read(image, name)
        except InputError as error:
            return plate(None, image=name, error=str(error), time=now())
        return plate(image=name, image_sha256=reading.sha256(image) if isinstance(image, bytes) else None, time=now())


def photograph(number: int, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (number % 256, number // 256, 120)).save(buffer, format=file_format)
    return buffer.getvalue()


class Line:
    """A folder, a record and a watch that runs in a thread."""

    def __init__(self, root: Path) -> None:
        self.folder, self.url = root / "camera", str(root / "records.db")
        self.folder.mkdir()
        self.inspector, self.told = Reader(), list[str]()
        self.records = Records.open(self.url)
        self.watch: Watch | None = None
        self._thread: threading.Thread | None = None

    def start(self, **options: Any) -> None:
        quick: dict[str, Any] = {
            "settle_s": 0.05,
            "rescan_s": 0.1,
            "give_up_s": 30.0,
            "said": self.told.append,
        } | options
        self.watch = Watch(self.folder, cast(Inspector, self.inspector), self.records, **quick)
        self._thread = threading.Thread(target=self.watch.run)
        self._thread.start()

    def stop(self) -> None:
        if self.watch and self._thread:
            self.watch.stop()
            self._thread.join(30)
            assert not self._thread.is_alive()

    def drop(self, number: int, name: str | None = None) -> Path:
        """As a careful camera does: written elsewhere, then moved here."""
        aside = self.folder.parent / f"aside-{number}"
        aside.write_bytes(photograph(number))
        return aside.rename(self.folder / (name or f"{number:04}.png"))

    def entries(self) -> list[Entry]:
        return sorted(self.records.every(Query()), key=lambda entry: entry.number)

    def names(self) -> list[str]:
        return [Path(entry.inspection.image or "").name for entry in self.entries()]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.stop()
    made.records.close()


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_lies_there_and_what_comes_is_judged_once_in_the_camera_s_order(line: Line) -> None:
    for number in (3, 1, 2):
        line.drop(number)
        time.sleep(0.01)
    (line.folder / "notes.txt").write_text("no photograph")
    (line.folder / ".hidden.png").write_bytes(photograph(9))
    (line.folder / "folder.png").mkdir()
    line.start()
    eventually(lambda: line.records.counts().received == 3)
    line.drop(4, "0004.JPG")
    eventually(lambda: line.records.counts().received == 4)
    time.sleep(0.3)
    assert line.names() == ["0003.png", "0001.png", "0002.png", "0004.JPG"]
    assert line.inspector.asked == line.names()
    assert line.records.photograph(1) == photograph(3)
    assert line.entries()[0].source == "watch"


def test_many_at_once(line: Line) -> None:
    line.start()
    for number in range(300):
        line.drop(number)
    eventually(lambda: line.records.counts().received == 300)
    assert sorted(line.names()) == [f"{number:04}.png" for number in range(300)]
    assert line.records.audit().whole


def test_nothing_is_judged_again_after_a_restart_but_a_new_photograph_under_an_old_name_is(line: Line) -> None:
    line.drop(1)
    line.start()
    eventually(lambda: line.records.counts().received == 1)
    line.stop()
    line.drop(2)
    line.start()
    eventually(lambda: line.records.counts().received == 2)
    line.drop(3, "0001.png")
    eventually(lambda: line.records.counts().received == 3)
    line.stop()
    line.start()
    time.sleep(0.3)
    assert line.names() == ["0001.png", "0002.png", "0001.png"]
    assert line.records.photograph(3) == photograph(3)


def test_a_file_still_being_written_waits_for_its_end(line: Line) -> None:
    line.start()
    data = photograph(7)
    with (line.folder / "slow.png").open("wb") as file:
        for start in range(0, len(data), 20):
            time.sleep(0.08)  # longer than it takes to settle: only that its end is not there keeps it waiting
            assert line.records.counts().received == 0
            file.write(data[start : start + 20])
            file.flush()
    eventually(lambda: line.records.counts().received == 1)
    time.sleep(0.3)
    (entry,) = line.entries()
    assert (entry.outcome, line.records.photograph(1)) == (Outcome.PASS, data)


def test_half_a_photograph_is_written_down_as_failed_after_a_while_and_costs_nobody_else(line: Line) -> None:
    (line.folder / "half.png").write_bytes(photograph(1)[:60])
    (line.folder / "empty.png").write_bytes(b"")
    line.start(give_up_s=0.5)
    line.drop(2)
    eventually(lambda: line.records.counts().received == 3)
    time.sleep(0.3)
    outcomes = {Path(entry.inspection.image or "").name: entry.outcome for entry in line.entries()}
    assert outcomes == {"half.png": Outcome.FAILED, "empty.png": Outcome.FAILED, "0002.png": Outcome.PASS}
    assert line.entries()[0].outcome is Outcome.PASS
    assert line.records.photograph(2) in (photograph(1)[:60], b"")
    line.drop(1, "half.png")
    eventually(lambda: line.records.counts().received == 4)


def test_a_file_that_cannot_be_read_is_written_down_as_failed(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise InputError(f"{path}: cannot be read (Permission denied)")

    monkeypatch.setattr(reading, "load", refuse)
    line.drop(1)
    line.start(give_up_s=0.2)
    eventually(lambda: line.records.counts().failed == 1)
    assert line.entries()[0].photograph_sha256 is None


def test_a_file_that_vanishes_before_it_was_judged_leaves_no_row(line: Line) -> None:
    (line.folder / "0001.tmp.png").write_bytes(photograph(1)[:60])
    line.start(give_up_s=0.3)
    time.sleep(0.15)
    (line.folder / "0001.tmp.png").unlink()
    line.drop(1)
    eventually(lambda: line.records.counts().received == 1)
    time.sleep(0.5)
    assert line.names() == ["0001.png"]


def test_the_folder_vanishes_and_comes_back(line: Line) -> None:
    line.drop(1)
    line.start()
    eventually(lambda: line.records.counts().received == 1)
    line.folder.rename(line.folder.with_name("unplugged"))
    eventually(lambda: len(line.told) == 1)
    assert "vanished" in line.told[0]
    line.folder.with_name("unplugged").rename(line.folder)
    line.drop(2)
    eventually(lambda: line.records.counts().received == 2)
    shutil.rmtree(line.folder)
    eventually(lambda: len(line.told) == 3)
    line.folder.mkdir()
    line.drop(3)
    eventually(lambda: line.records.counts().received == 3)
    assert line.names() == ["0001.png", "0002.png", "0003.png"]
    kinds = [event.kind for event in line.records.events()]
    assert kinds == ["camera folder back", "camera folder vanished"] * 2


def test_a_record_that_is_locked_loses_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platewatch.line.watch_folder._RETRY_S", 0.02)
    add, locked = line.records.add, threading.Event()
    locked.set()

    def sometimes(*given: Any, **options: Any) -> Added:
        if locked.is_set():
            raise RecordUnavailable("records.db: database is locked; try again")
        return add(*given, **options)

    monkeypatch.setattr(line.records, "add", sometimes)
    line.drop(1)
    line.drop(2)
    line.start()
    eventually(lambda: len(line.told) == 1)
    time.sleep(0.2)
    locked.clear()
    eventually(lambda: line.records.counts().received == 2)
    assert [words.split(":")[0] for words in line.told] == ["records.db", "the record can be used again"]
    assert sorted(line.inspector.asked) == ["0001.png", "0002.png"]


def test_two_watches_on_one_folder_make_one_row_for_each_photograph(line: Line, tmp_path: Path) -> None:
    told = list[Entry]()
    with Records.open(line.url) as other:
        second = Watch(line.folder, cast(Inspector, Reader()), other, settle_s=0.05, rescan_s=0.1, judged=told.append)
        thread = threading.Thread(target=second.run)
        thread.start()
        line.start(judged=told.append)
        for number in range(30):
            line.drop(number)
        eventually(lambda: line.records.counts().received == 30)
        time.sleep(0.3)
        second.stop()
        thread.join(30)
    assert line.records.counts().received == 30
    assert sorted(entry.number for entry in told) == list(range(1, 31))


def test_without_any_notice_from_the_system_the_next_look_finds_it(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network drives tell nothing."""
    monkeypatch.setattr("platewatch.line.file_events.Notices._run", lambda _self: None)
    line.start()
    time.sleep(0.1)
    line.drop(1)
    eventually(lambda: line.records.counts().received == 1)


def test_a_notice_is_quicker_than_the_next_look(line: Line) -> None:
    line.start(rescan_s=3600)
    time.sleep(0.5)
    line.drop(1)
    eventually(lambda: line.records.counts().received == 1)


def test_a_photograph_is_known_by_path_size_and_time(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path, lambda _keys: set(), settle_s=0)
    for name in ("a.png", "b.png", "Blech № 7\n.png"):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, ns=(5, 5))
    arrivals.look()
    first = {each.path.name: each for each in arrivals.settled()}
    assert len({each.key for each in first.values()}) == 3
    assert all(each.key.isprintable() and len(each.key) <= 400 for each in first.values())
    assert replace(first["a.png"], size=2).key != first["a.png"].key != replace(first["a.png"], changed_ns=6).key
    long = replace(first["a.png"], path=tmp_path / ("ü" * 240) / ("x" * 240))
    assert len(long.key) <= 400


@pytest.mark.timeout(300)
def test_killed_again_and_again_the_command_still_judges_each_photograph_exactly_once(
    tmp_path: Path, tiny_model: Tiny
) -> None:
    """A real process with a real model, killed at moments that nobody chose, while photographs keep coming."""
    folder, url = tmp_path / "camera", str(tmp_path / "records.db")
    folder.mkdir()
    good = tiny_model.data / "train/good/000.png"
    command = [sys.executable, "-m", "platewatch", "watch", folder, "--model", tiny_model.model, "--records", url]

    def drop(count: int) -> None:
        for _ in range(count):
            number = len(list(folder.iterdir()))
            shutil.copyfile(good, tmp_path / "aside")
            (tmp_path / "aside").rename(folder / f"{number:04}.png")

    for patience in (1.2, 1.5, 1.7, 2.0):  # a second or so of it goes into starting
        drop(8)
        running = subprocess.Popen([*map(str, command), "--threads", "1"], stdout=subprocess.DEVNULL)
        time.sleep(patience)
        running.send_signal(signal.SIGKILL)
        running.wait()
    done = subprocess.run([*map(str, command), "--once", "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Records.open(url) as records:
        names = [Path(entry.inspection.image or "").name for entry in records.every(Query())]
        assert sorted(names) == [f"{number:04}.png" for number in range(32)]
        assert len(done.stdout.splitlines()) <= 32
        assert records.audit().whole
