"""A camera's folder: whatever happens to files, folder, record and process, each photograph has one row."""

import io
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

import stations
from conftest import Tiny
from platewatch.errors import InputError, ModelError, RecordUnavailable
from platewatch.line import assembly, watch_folder
from platewatch.line.arrivals import Arrivals
from platewatch.line.assembly import Line
from platewatch.line.destinations import Destination
from platewatch.line.model_registry import ModelRegistry
from platewatch.line.watch_folder import WatchFolder
from platewatch.model.inspector import Examination, Inspector
from platewatch.photographs import reading
from platewatch.records import Added, Entry, Outcome, Query, Records
from platewatch.records.anchors import Anchor
from waiting import GIVE_UP_S, eventually

FAILING = Path(__file__).parent / "failing_runtime.py"


class Reader(stations.LineInspector):
    """The fake inspector, with a list of what it was asked, and an error to raise."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = list[str]()
        self.broken: Exception | None = None

    def examine(self, image: Any, name: str | None = None, **_options: Any) -> Examination:
        self.asked.append(Path(name or "").name)
        if self.broken is not None:
            raise self.broken
        return super().examine(image, name)


def photograph(number: int, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (number % 256, number // 256, 120)).save(buffer, format=file_format)
    return buffer.getvalue()


class Camera:
    """A folder, a record, and a watch that runs in a thread."""

    def __init__(self, root: Path) -> None:
        self.folder, self.url = root / "camera", str(root / "records.db")
        self.folder.mkdir(exist_ok=True)
        self.model = stations.models(root).folder
        self.inspector = Reader()
        self.records = Records.open(self.url)
        self.line: Line | None = None
        self.warnings, self.problems = list[str](), list[set[str]]()
        self.recorded = list[Entry]()
        self.now = 0.0  # for a watch whose clock the test sets
        self._numbers = itertools.count()
        self._watch: WatchFolder | None = None
        self._thread: threading.Thread | None = None

    def start(self, destinations: Sequence[Destination] = (), **options: Any) -> None:
        self.line = assembly.assemble(
            ModelRegistry(self.model, load=lambda _: cast(Inspector, self.inspector)),
            self.records,
            actor="watch",
            warn=self.warnings.append,
            owns=watch_folder.plates_of(self.folder),
            destinations=destinations,
            drift_file=watch_folder.drift_file(self.url, self.folder),
            problems_changed=lambda found: self.problems.append({each.code for each in found}),
        )
        quick: dict[str, Any] = {"settle_s": 0.05, "rescan_s": 0.1, "recorded": self.recorded.append}
        self._watch = WatchFolder(self.folder, self.line, **(quick | {"warn": self.warnings.append} | options))
        self._thread = threading.Thread(target=self._watch.run)
        self.line.start()
        self._thread.start()

    def stop(self) -> None:
        if self._watch and self._thread and self.line:
            self._watch.stop()
            self._thread.join(GIVE_UP_S)
            assert not self._thread.is_alive()
            self.line.stop()
            received, judged, failed = self.line.metrics.plates()
            assert received == judged + failed
            self._watch = None

    def drop(self, number: int, name: str | None = None) -> Path:
        """As a careful camera does: written elsewhere, then moved here."""
        aside = self.folder.parent / f"aside-{number}"
        aside.write_bytes(photograph(number))
        return aside.rename(self.folder / (name or f"{number:04}.png"))

    def sees(self, count: int) -> bool:
        """Whether the record has so many plates; a second passes with each question."""
        self.now += 1.0
        return self.records.counts().received == count

    def notices(self, folder: Path) -> bool:
        """Drop one more; whether the record has one. The system sends notices from some time after the start on."""
        self.drop(next(self._numbers), str(folder / f"{time.monotonic_ns()}.png"))
        return self.records.counts().received > 0

    def entries(self) -> list[Entry]:
        return sorted(self.records.every(Query()), key=lambda entry: entry.number)

    def names(self) -> list[str]:
        return [Path(entry.inspection.image or "").name for entry in self.entries()]


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[Camera]:
    made = Camera(tmp_path)
    yield made
    made.stop()
    made.records.close()


def test_what_lies_there_and_what_comes_is_judged_once_in_the_camera_s_order(camera: Camera) -> None:
    for number in (3, 1, 2):
        camera.drop(number)
        time.sleep(0.01)
    (camera.folder / "notes.txt").write_text("no photograph")
    (camera.folder / ".hidden.png").write_bytes(photograph(9))
    (camera.folder / "folder.png").mkdir()
    camera.start()
    eventually(lambda: camera.records.counts().received == 3)
    camera.drop(4, "0004.JPG")
    eventually(lambda: camera.records.counts().received == 4)
    time.sleep(0.3)
    assert camera.names() == ["0003.png", "0001.png", "0002.png", "0004.JPG"]
    assert camera.inspector.asked == camera.names()
    assert camera.records.photograph(1) == photograph(3)
    assert camera.entries()[0].source == "watch"


def test_many_at_once(camera: Camera) -> None:
    camera.start()
    for number in range(100):
        camera.drop(number)
    eventually(lambda: camera.records.counts().received == 100)
    assert sorted(camera.names()) == [f"{number:04}.png" for number in range(100)]
    assert camera.records.audit().intact


def test_nothing_is_judged_again_after_a_restart_but_a_new_photograph_under_an_old_name_is(camera: Camera) -> None:
    camera.drop(1)
    camera.start()
    eventually(lambda: camera.records.counts().received == 1)
    camera.stop()
    camera.drop(2)
    camera.start()
    eventually(lambda: camera.records.counts().received == 2)
    camera.drop(3, "0001.png")
    eventually(lambda: camera.records.counts().received == 3)
    camera.stop()
    camera.start()
    time.sleep(0.3)
    assert camera.names() == ["0001.png", "0002.png", "0001.png"]
    assert camera.records.photograph(3) == photograph(3)


def test_a_file_still_being_written_waits_for_its_end(camera: Camera) -> None:
    camera.start()
    data = photograph(7)
    with (camera.folder / "slow.png").open("wb") as file:
        for start in range(0, len(data), 20):
            time.sleep(0.08)  # longer than it takes to settle: only that its end is not there keeps it waiting
            assert camera.records.counts().received == 0
            file.write(data[start : start + 20])
            file.flush()
    eventually(lambda: camera.records.counts().received == 1)
    time.sleep(0.3)
    (entry,) = camera.entries()
    assert (entry.outcome, camera.records.photograph(1)) == (Outcome.PASS, data)


def test_half_a_photograph_is_written_down_as_failed_after_a_while_and_costs_nobody_else(camera: Camera) -> None:
    (camera.folder / "half.png").write_bytes(photograph(1)[:60])
    (camera.folder / "empty.png").write_bytes(b"")
    camera.drop(2)
    camera.start(clock=lambda: camera.now)
    eventually(lambda: camera.records.counts().received == 1)
    eventually(lambda: camera.sees(3))
    outcomes = {Path(entry.inspection.image or "").name: entry.outcome for entry in camera.entries()}
    assert outcomes == {"half.png": Outcome.FAILED, "empty.png": Outcome.FAILED, "0002.png": Outcome.PASS}
    assert camera.entries()[0].outcome is Outcome.PASS
    assert camera.records.photograph(2) in (photograph(1)[:60], b"")
    camera.drop(1, "half.png")
    eventually(lambda: camera.sees(4))


def test_a_file_that_cannot_be_read_is_written_down_as_failed(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise InputError(path, "cannot be read (Permission denied)")

    monkeypatch.setattr(reading, "load", refuse)
    camera.drop(1)
    camera.start(clock=lambda: camera.now)
    eventually(lambda: camera.sees(1))
    assert camera.records.counts().failed == 1
    assert camera.entries()[0].photograph_sha256 is None


def test_a_file_that_vanishes_before_it_was_judged_leaves_no_row(camera: Camera) -> None:
    (camera.folder / "0001.tmp.png").write_bytes(photograph(1)[:60])
    camera.drop(2)
    camera.start(clock=lambda: camera.now)
    eventually(lambda: camera.records.counts().received == 1)  # so it has looked
    (camera.folder / "0001.tmp.png").unlink()
    for number, received in ((1, 2), (3, 3)):
        camera.now += 100.0
        camera.drop(number)
        eventually(lambda received=received: camera.sees(received))  # type: ignore[misc]
    assert camera.names() == ["0002.png", "0001.png", "0003.png"]


def test_the_folder_vanishes_and_comes_back(camera: Camera) -> None:
    camera.drop(1)
    camera.start()
    eventually(lambda: camera.records.counts().received == 1)
    camera.folder.rename(camera.folder.with_name("unplugged"))
    eventually(lambda: len(camera.warnings) == 1)
    assert "vanished" in camera.warnings[0]
    camera.folder.with_name("unplugged").rename(camera.folder)
    camera.drop(2)
    eventually(lambda: camera.records.counts().received == 2)
    shutil.rmtree(camera.folder)
    eventually(lambda: len(camera.warnings) == 3)
    camera.folder.mkdir()
    camera.drop(3)
    eventually(lambda: camera.records.counts().received == 3)
    assert camera.names() == ["0001.png", "0002.png", "0003.png"]
    kinds = [event.kind for event in camera.records.events()]
    assert kinds == ["camera folder back", "camera folder vanished"] * 2


def test_a_record_that_is_locked_loses_nothing(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platewatch.line.watch_folder._RETRY_S", 0.02)
    add, locked = camera.records.add, threading.Event()
    locked.set()

    def sometimes(*given: Any, **options: Any) -> Added:
        if locked.is_set():
            raise RecordUnavailable("records.db", "database is locked", remedy="try again")
        return add(*given, **options)

    monkeypatch.setattr(camera.records, "add", sometimes)
    camera.drop(1)
    camera.drop(2)
    camera.start()
    eventually(lambda: {"record_unavailable"} in camera.problems)
    locked.clear()
    eventually(lambda: camera.records.counts().received == 2)
    eventually(lambda: camera.problems[-1] == set())
    assert sorted(camera.inspector.asked) == ["0001.png", "0002.png"], "judged once, however often it was recorded"
    assert camera.line is not None
    assert camera.line.metrics.plates() == (2, 2, 0)


def test_stopped_while_the_record_is_locked_the_photograph_waits_for_the_next_start(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any, **__: Any) -> Added:
        raise RecordUnavailable("records.db", "database is locked")

    camera.drop(1)
    with monkeypatch.context() as patch:
        patch.setattr(camera.records, "add", locked)
        camera.start()
        eventually(lambda: len(camera.inspector.asked) == 1)
        camera.stop()
    assert camera.records.counts().received == 0
    camera.start()
    eventually(lambda: camera.records.counts().received == 1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ModelError("network.onnx", "the runtime failed"), "network.onnx: the runtime failed"),
        (RuntimeError("no more memory"), "RuntimeError; see the log"),
    ],
    ids=["known", "unknown"],
)
def test_a_runtime_that_fails_gives_every_plate_its_inspection(camera: Camera, error: Exception, said: str) -> None:
    """Also after a restart: nothing is judged again, nothing is left out."""
    camera.inspector.broken = error
    for number in range(3):
        camera.drop(number)
    camera.start()
    eventually(lambda: camera.records.counts().received == 3)
    camera.stop()
    camera.inspector.broken = None
    camera.drop(3)
    camera.start()
    eventually(lambda: camera.records.counts().received == 4)
    counts = camera.records.counts()
    assert (counts.received, counts.judged, counts.failed) == (4, 1, 3)
    for entry in camera.entries()[:3]:
        assert (entry.outcome, entry.inspection.reason) == (Outcome.FAILED, "could not be judged")
        assert entry.inspection.error == said
        assert entry.photograph_kept
    assert sorted(camera.inspector.asked) == [f"{number:04}.png" for number in range(4)]


def test_a_model_folder_that_is_missing_lets_photographs_wait(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platewatch.line.watch_folder._RETRY_S", 0.02)
    camera.start()
    camera.model.rename(aside := camera.model.with_name("aside"))
    camera.drop(1)
    eventually(lambda: {"model_gone"} in camera.problems)
    assert camera.records.counts().received == 0
    aside.rename(camera.model)
    eventually(lambda: camera.records.counts().received == 1)
    assert camera.entries()[0].outcome is Outcome.PASS


def test_two_watches_on_one_folder_make_one_row_for_each_photograph(camera: Camera, tmp_path: Path) -> None:
    other = Camera(tmp_path)
    other.start()
    camera.start()
    for number in range(30):
        camera.drop(number)
    eventually(lambda: camera.records.counts().received == 30)
    time.sleep(0.3)
    other.stop()
    other.records.close()
    assert camera.records.counts().received == 30
    assert sorted(entry.number for entry in (*camera.recorded, *other.recorded)) == list(range(1, 31))


class Slow:
    """A destination that keeps what it got."""

    name = "http://receiver/"

    def __init__(self) -> None:
        self.got = list[int]()

    def deliver(self, entry: Entry | Anchor) -> None:
        self.got.append(entry.number)

    def close(self) -> None:
        pass


def test_the_watch_delivers_and_tests_for_drift_as_the_station_does(camera: Camera) -> None:
    destination = Slow()
    for number in range(12):
        camera.drop(number)
    camera.start([destination])
    eventually(lambda: len(destination.got) == 12)
    assert camera.line is not None
    eventually(lambda: camera.line is not None and camera.line.health.drift.of("").evidence().plates == 12)
    evidence = camera.line.health.drift.of("").evidence()
    camera.stop()
    assert watch_folder.drift_file(camera.url, camera.folder).parent == Path(camera.url).parent
    camera.start()
    assert camera.line.health.drift.of("").evidence() == evidence, "over a restart"


def test_without_a_notice_from_the_system_the_next_look_finds_it(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network drives tell nothing."""
    monkeypatch.setattr("platewatch.line.file_events.FileEvents._run", lambda _self: None)
    camera.start()
    time.sleep(0.1)
    camera.drop(1)
    eventually(lambda: camera.records.counts().received == 1)


def test_between_two_whole_looks_new_names_are_found(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole look at a large folder on a network drive takes long, and is taken seldom."""
    monkeypatch.setattr("platewatch.line.file_events.FileEvents._run", lambda _self: None)
    waits = iter([3600.0])  # after the first look, which is a whole one

    def soon(watch: WatchFolder, look: Callable[[], None]) -> float:
        look()
        return watch._clock() + next(waits, 0.05)

    monkeypatch.setattr(WatchFolder, "_next", soon)
    camera.start()
    time.sleep(0.1)
    camera.drop(1)
    eventually(lambda: camera.records.counts().received == 1)


def test_a_notice_is_quicker_than_the_next_look(camera: Camera) -> None:
    camera.start(rescan_s=3600)
    eventually(lambda: camera.notices(camera.folder))


def test_a_notice_from_a_folder_in_the_folder_is_quicker_too(camera: Camera) -> None:
    (dated := camera.folder / "2026-11-30").mkdir()
    camera.start(rescan_s=3600, recursive=True)
    eventually(lambda: camera.notices(dated))


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


@pytest.mark.parametrize(
    "program", [("-m", "platewatch"), (str(Path(__file__).parent / "failing_runtime.py"),)], ids=len
)
def test_killed_again_and_again_the_command_still_judges_each_photograph_exactly_once(
    tmp_path: Path, tiny_model: Tiny, program: tuple[str, ...]
) -> None:
    """A real process with a real model, killed while it works and photographs keep coming; once with a runtime that
    fails on every third plate."""
    folder, url = tmp_path / "camera", str(tmp_path / "records.db")
    folder.mkdir()
    good = tiny_model.data / "train/good/000.png"
    command = [sys.executable, *program, "watch", folder, "--model", tiny_model.model, "--records", url]

    def drop(count: int) -> None:
        for _ in range(count):
            number = len(list(folder.iterdir()))
            shutil.copyfile(good, tmp_path / "aside")
            (tmp_path / "aside").rename(folder / f"{number:04}.png")

    with Records.open(url) as records:
        for recorded in (3, 9):
            drop(8)
            running = subprocess.Popen([*map(str, command), "--threads", "1"], stdout=subprocess.DEVNULL)
            eventually(lambda: records.counts().received >= recorded)  # noqa: B023 - called here
            running.send_signal(signal.SIGKILL)
            running.wait()
        done = subprocess.run([*map(str, command), "--once", "--json"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        entries = list(records.every(Query()))
        assert sorted(Path(entry.inspection.image or "").name for entry in entries) == [
            f"{number:04}.png" for number in range(16)
        ]
        counts = records.counts()
        assert counts.received == counts.judged + counts.failed == len(entries)
        assert (counts.failed > 0) == (program == (str(FAILING),))
        for entry in entries:
            assert (entry.outcome is Outcome.FAILED) == ("the runtime failed" in (entry.inspection.error or ""))
        assert records.audit().intact
    told = re.search(r"received (\d+) = judged (\d+) \+ failed (\d+)$", done.stderr.strip())
    assert told
    received, judged, failed = map(int, told.groups())
    assert received == judged + failed == len(done.stdout.splitlines())
