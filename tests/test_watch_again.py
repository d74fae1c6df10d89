"""A watched folder: each photograph is judged once and no other is missed, whatever its times and bytes say."""

import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

import stations
from platewatch import cli
from platewatch.line import arrivals, assembly, watch_folder
from platewatch.line.camera_problems import FROZEN_CODE, CameraProblems
from platewatch.line.watch_folder import WatchFolder
from platewatch.records import Query, Records

QUIET_S = 2.0


def photograph(number: int, kind: str = "PNG") -> bytes:
    """Of one size for each kind."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (number, 90, 120)).save(buffer, format=kind)
    return buffer.getvalue().ljust(400, b"\0")


class Watched:
    """A watch that takes one step at a time, by a clock that the test sets."""

    def __init__(self, root: Path) -> None:
        self.folder, self.now = root / "camera", 0.0
        self.folder.mkdir()
        self.records = Records.open(str(root / "records.db"), policy=stations.UNSAMPLED)
        self.models, self.warnings = stations.models(root), list[str]()
        self.start()

    def start(self, **options: Any) -> None:
        self.line = assembly.assemble(self.models, self.records, actor="watch", warn=self.warnings.append)
        self.line.camera.start()
        given: dict[str, Any] = {"settle_s": 0, "quiet_s": QUIET_S, "clock": lambda: self.now}
        self.watch = WatchFolder(self.folder, self.line, **(given | {"warn": self.warnings.append} | options))

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def step(self, after_s: float = 0.0) -> list[str]:
        """The names of all plates in the record, after so long."""
        self.now += after_s
        self.watch.step()
        entries = sorted(self.records.every(Query()), key=lambda entry: entry.number)
        return [os.path.relpath(entry.inspection.image or "", self.folder) for entry in entries]

    def codes(self) -> list[str]:
        return [problem.code for problem in self.line.health.problems() if problem.code != "disk_low"]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.records.close()


def touch(path: Path) -> None:
    os.utime(path, ns=(10**18, 10**18))


def write_again(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def upload_again(path: Path) -> None:
    aside = path.parent.parent / "aside"
    shutil.copyfile(path, aside)
    path.unlink()
    aside.rename(path)


AGAIN = [touch, write_again, upload_again]


@pytest.mark.parametrize("again", AGAIN)
def test_the_same_bytes_under_the_same_name_soon_after_are_the_same_photograph(watched: Watched, again: Any) -> None:
    path = watched.write("a.png", photograph(1))
    assert watched.step() == ["a.png"]
    again(path)
    assert watched.step(QUIET_S) == ["a.png"]
    assert watched.watch.repeats.count == 0
    watched.start()
    assert watched.step(100) == ["a.png"]


@pytest.mark.parametrize("again", AGAIN)
def test_the_same_bytes_under_the_same_name_later_are_a_repeat_that_is_counted_and_shown(
    watched: Watched, again: Any
) -> None:
    path = watched.write("a.png", photograph(1))
    watched.step()
    again(path)
    assert watched.step(QUIET_S + 0.1) == ["a.png"]
    assert watched.watch.repeats.count == 1
    assert "repeats plate 1" in watched.warnings[-1]
    assert watched.line.metrics.plates() == (1, 1, 0)
    watched.write("a.png", photograph(2))
    assert watched.step() == ["a.png", "a.png"]
    assert watched.records.photograph(2) == photograph(2)


def test_a_camera_that_writes_the_same_again_and_again_is_a_problem_everywhere_until_it_does_not(
    watched: Watched,
) -> None:
    """Slower or quicker than the quiet time: the time counts from the first of them."""
    path = watched.write("latest.png", photograph(1))
    watched.step()
    for number in range(6):
        assert watched.codes() == ([FROZEN_CODE] if number >= 5 else [])
        os.utime(path, ns=(number, number))
        watched.step(0.9)
    assert watched.watch.repeats.count == 4
    assert ["is the camera frozen?" in each for each in watched.warnings].count(True) == 1
    station = CameraProblems(watched.records)
    station.start()
    assert [(code, stops) for code, _, stops in station.problems()] == [(FROZEN_CODE, False)]
    assert str(watched.folder.parent) not in next(station.problems())[1]
    watched.start()
    watched.step()
    assert watched.codes() == [FROZEN_CODE], "a restart alone is no new photograph"
    watched.write("latest.png", photograph(2))
    assert watched.step() == ["latest.png"] * 2
    assert watched.codes() == []
    for event in watched.records.events():
        station.follow(event)
    assert not list(station.problems())


def test_a_frozen_camera_that_counts_its_files_is_a_problem_too(watched: Watched) -> None:
    for number in range(4):
        assert watched.codes() == []
        watched.write(f"{number}.png", photograph(1))
        watched.step(5)
    assert watched.codes() == [FROZEN_CODE]
    assert watched.step() == [f"{number}.png" for number in range(4)], "each of them is judged"


def test_what_could_not_be_judged_is_judged_when_it_is_handed_in_again(watched: Watched) -> None:
    path = watched.write("a.png", photograph(1)[:60])
    watched.step()
    watched.step(100)
    assert watched.records.counts().failed == 1
    touch(path)
    watched.step()
    assert watched.step(100) == ["a.png", "a.png"]


@pytest.mark.parametrize("status_tells", [True, False])
def test_a_file_overwritten_within_the_step_of_the_clock_is_judged(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, status_tells: bool
) -> None:
    """Size and time of last change stay the same; where the file system tells no more, the file is read again."""
    if not status_tells:

        def coarse(path: Path, look: Any = arrivals.seen) -> Any:
            found = look(path)
            return None if found is None else replace(found, status_ns=0)

        monkeypatch.setattr(arrivals, "seen", coarse)
        monkeypatch.setattr(watch_folder, "seen", coarse)
    path = watched.write("a.png", photograph(1))
    assert watched.step() == ["a.png"]
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(photograph(2))
    os.utime(path, ns=times)
    watched.step()
    watched.step(arrivals.CLOCK_STEP_S)
    assert watched.step() == ["a.png", "a.png"]
    assert watched.records.photograph(2) == photograph(2)
    watched.start()
    for _ in range(3):
        assert watched.step(arrivals.CLOCK_STEP_S) == ["a.png", "a.png"]


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("time_tells", [True, False])
def test_a_file_of_full_length_waits_until_it_is_filled(watched: Watched, kind: str, time_tells: bool) -> None:
    """Also when it is filled without a change of its times: through a memory map, or within one step of the clock."""
    data, name = photograph(1, kind), f"a.{kind.lower()}"
    path = watched.write(name, b"")
    first = path.stat().st_mtime_ns
    for part in range(8):
        done = len(data) * (part + 1) // 8
        path.write_bytes(data[:done].ljust(len(data), b"\0"))
        os.utime(path, ns=(first, first + part * time_tells))
        for _ in range(3):
            assert watched.step(QUIET_S / 3 - 0.1) == []
    for _ in range(2):
        names = watched.step(QUIET_S)
    assert names == [name]
    assert watched.records.photograph(1) == data
    assert watched.step(100) == [name]


def test_a_file_that_decodes_in_part_is_waited_for(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly it is filled; what stays as it is is judged so after a while."""
    inspector = watched.models.loaded()
    examine, half = inspector.examine, photograph(1, "BMP")[:5000]

    def examined(image: Any, name: str | None = None) -> Any:
        found = examine(photograph(1), name) if image.startswith(half) else examine(image, name)
        return replace(found, damage="zeros" if image[5000:].count(0) > 2000 else "")

    monkeypatch.setattr(inspector, "examine", examined)
    whole = photograph(1, "BMP")
    path = watched.write("a.bmp", half.ljust(len(whole), b"\0"))
    for _ in range(5):
        assert watched.step(5) == []
    path.write_bytes(whole)
    watched.step()
    assert watched.step(QUIET_S + 0.1) == ["a.bmp"]
    assert watched.records.photograph(1) == whole
    watched.write("b.bmp", half.ljust(len(whole), b"\0"))
    for _ in range(5):
        assert watched.step(5) == ["a.bmp"]
    assert watched.step(10) == ["a.bmp", "b.bmp"]


def test_a_format_with_an_end_mark_does_not_wait(watched: Watched) -> None:
    for kind in ("PNG", "JPEG"):
        watched.write(f"a.{kind.lower()}", photograph(1, kind))
    assert len(watched.step()) == 2


def test_folders_in_the_folder_are_watched_when_asked(watched: Watched) -> None:
    dated = watched.folder / "2026-11-30" / "line 2"
    dated.mkdir(parents=True)
    (watched.folder / ".trash").mkdir()
    (watched.folder / "again").symlink_to(watched.folder)
    for place in (watched.folder, dated, watched.folder / ".trash"):
        (place / "a.png").write_bytes(photograph(len(place.parts)))
    (dated / "a.avif").write_bytes(b"")
    assert watched.step() == ["a.png"]
    assert "1 folder left alone" not in watched.warnings[0]
    assert "2 folders left alone (2026-11-30/, again/)" in watched.warnings[0]
    assert watched.warnings[0].endswith("; --recursive watches folders too")
    watched.start(recursive=True)
    assert watched.step() == ["a.png", "2026-11-30/line 2/a.png"]
    assert "1 file and 1 folder left alone (1 .avif, again/)" in watched.warnings[-1]
    (watched.folder / "2026-12-01").mkdir()
    shutil.copyfile(dated / "a.png", watched.folder / "2026-12-01" / "a.png")
    assert watched.step()[2:] == ["2026-12-01/a.png"]
    owns = watch_folder.plates_of(watched.folder)
    assert all(owns(entry) for entry in watched.records.every())


def test_what_is_left_alone_is_one_line_and_one_more_for_what_is_new(watched: Watched) -> None:
    for number in range(28):
        watched.write(f"{number}.avif", b"")
    watched.write("a.png", photograph(1))
    watched.write(".hidden", b"")
    (watched.folder / "2026-11-30").mkdir()
    for _ in range(2):
        watched.step()
    assert len(watched.warnings) == 1
    assert "28 files and 1 folder left alone (28 .avif, 2026-11-30/); photographs end in .png" in watched.warnings[0]
    watched.write("28.avif", b"")
    watched.step()
    assert len(watched.warnings) == 1
    watched.write("28.heic", b"")
    watched.step()
    assert "30 files and 1 folder left alone (29 .avif, 1 .heic, 2026-11-30/)" in watched.warnings[1]


@pytest.mark.parametrize("command", ["train", "inspect"])
def test_train_and_inspect_say_what_they_leave_alone(command: str, tmp_path: Path) -> None:
    """Here without enough photographs, and without a model: the line comes first."""
    folder = tmp_path / "plates"
    folder.mkdir()
    for number in range(28):
        (folder / f"{number}.jp2").write_bytes(b"")
    (folder / "a.png").write_bytes(photograph(1))
    (folder / "2026-11-30").mkdir()
    words = [str(folder), "--out", str(tmp_path / "model")] if command == "train" else [str(tmp_path), str(folder)]
    said = CliRunner().invoke(cli.main, [command, *words]).stderr.splitlines()
    assert [each for each in said if "28 files and 1 folder left alone (28 .jp2, 2026-11-30/)" in each] == said[:1]


def test_what_has_a_photographs_suffix_but_is_no_file_is_counted_and_stops_nothing(watched: Watched) -> None:
    """A link that leads to itself cannot be followed; the folder is there all the same."""
    watched.write("a.png", photograph(1))
    os.mkfifo(watched.folder / "pipe.png")
    (watched.folder / "nowhere.png").symlink_to("missing")
    (watched.folder / "self.png").symlink_to("self.png")
    (watched.folder / "self").symlink_to("self")
    for recursive in (False, True):
        watched.start(recursive=recursive)
        assert watched.step() == ["a.png"]
        told = "4 files left alone (1 no suffix, 3 with such a suffix, but no file); photographs end in .png"
        assert told in watched.warnings.pop()
        watched.step()
        assert (watched.warnings, watched.codes()) == ([], [])


def test_names_that_print_alike_or_are_very_long_are_different_photographs(watched: Watched) -> None:
    """Size and time are the same as well: those of BMP files on a file system with a coarse clock are."""
    names = [b"pr\xfcf.bmp", b"pr\xfdf.bmp", b"pr\x01f.bmp", b"a" * 200 + b"/" + b"b" * 200 + b".bmp"]
    names.append(b"A" + names[-1][1:])
    watched.start(recursive=True)
    for number, name in enumerate(names):
        path = watched.folder / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(photograph(number, "BMP"))
        touch(path)
        watched.step(QUIET_S)
        assert len(watched.step(QUIET_S)) == number + 1


def test_a_copy_whose_time_is_set_back_before_it_is_done_waits_too(watched: Watched) -> None:
    """A file that is filled, over an older one, while its time of last change is that of the original, or of 1980."""
    data, older = photograph(1, "BMP"), photograph(200, "BMP")
    path = watched.write("a.bmp", b"")
    for part in range(4):
        done = len(data) * part // 4
        path.write_bytes(data[:done] + older[done:])
        touch(path)
        assert watched.step(QUIET_S / 3) == []
    path.write_bytes(data)
    touch(path)
    for _ in range(2):
        names = watched.step(QUIET_S)
    assert names == ["a.bmp"]
    assert watched.records.photograph(1) == data
