"""A file or folder has its name when it is complete and on the disk, or not at all; nothing is left behind."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from platewatch import files
from platewatch.errors import ModelError, OutputError, RecordUnavailable

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
STOPS = pytest.mark.parametrize("stop", [NO_SPACE, KeyboardInterrupt(), ModelError("x")], ids=["full", "ctrl-c", "own"])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def full(*_: Any, **__: Any) -> int:
    raise NO_SPACE


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file"
    assert files.write(path, "für") == path
    assert path.read_bytes() == "für".encode()
    assert files.write(path, b"\r\n").read_bytes() == b"\r\n"
    assert names(path.parent) == ["file"]


def test_a_file_is_as_open_as_the_umask_lets_it_be_and_a_private_one_its_owner_s(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        assert mode(files.write(tmp_path / "open", "")) == 0o640
        with files.whole_file(tmp_path / "private", private=True) as part:
            assert mode(part) == 0o600, "from its first byte on"
        assert mode(tmp_path / "private") == 0o600
        with files.whole_folder(tmp_path / "folder"):
            pass
        assert mode(tmp_path / "folder") == 0o750
    finally:
        os.umask(old)


@STOPS
def test_a_file_that_was_stopped_leaves_the_old_one(tmp_path: Path, stop: BaseException) -> None:
    path = files.write(tmp_path / "file", "old")

    def write() -> None:
        with files.whole_file(path) as part:
            part.write_text("ne")
            raise stop

    with pytest.raises(OutputError if isinstance(stop, OSError) else type(stop)):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_caller_says_what_failed_and_as_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError) as caught:
        files.write(tmp_path / "file", b"")
    assert (
        str(caught.value) == f"{tmp_path / 'file'}: cannot be written (No space left on device); free some space there"
    )
    with pytest.raises(RecordUnavailable) as other:
        files.write(tmp_path / "file", b"", what="not stored", remedy="try again", error=RecordUnavailable)
    assert (other.value.where, other.value.what) == (str(tmp_path / "file"), "not stored (No space left on device)")
    assert other.value.remedy == "try again"
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.touch"])
def test_whatever_fails_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setattr(call, full)
    with pytest.raises(OutputError, match="No space left"):
        files.write(tmp_path / "file", "new")
    assert names(tmp_path) == []


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """A limit of the file size acts as a full disk: the system refuses in the middle of writing."""
    path = files.write(tmp_path / "file", "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="File too large"):
            files.write(path, bytes(1_000_000))
        with pytest.raises(OutputError, match="File too large"), files.whole_folder(tmp_path / "folder") as part:
            (part / "large").write_bytes(bytes(1_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = list[str]()
    fsync, replace = os.fsync, Path.replace

    def noted_sync(handle: int) -> None:
        done.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def noted_replace(path: Path, target: Path) -> Path:
        done.append("renamed")
        return replace(path, target)

    monkeypatch.setattr("os.fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    files.write(tmp_path / "new" / "file", "x")
    assert done[0].startswith(".file.")
    assert (done[1], sorted(done[2:])) == ("renamed", sorted(["new", tmp_path.name]))

    done.clear()
    files.write(tmp_path / "new" / "file", "x", within=tmp_path)
    assert sorted(done[2:]) == sorted(["new", tmp_path.name]), "the folder may be another writer's, made just now"

    done.clear()
    with files.whole_folder(tmp_path / "set") as part:
        (part / "in").mkdir()
        (part / "in" / "photo").touch()
    assert set(done[:2]) == {"in", "photo"}
    assert done[2].startswith(".set.")
    assert done[3:] == ["renamed", tmp_path.name]


def test_a_folder_that_cannot_be_synced_is_no_failure_a_broken_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def without_folders(code: int) -> None:
        def sync(handle: int) -> None:
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                raise OSError(code, os.strerror(code))
            fsync(handle)

        monkeypatch.setattr("os.fsync", sync)

    without_folders(errno.EINVAL)  # some network drives
    assert files.write(tmp_path / "file", "x").read_text() == "x"
    without_folders(errno.EIO)
    with pytest.raises(OutputError, match="Input/output error"):
        files.write(tmp_path / "file", "x")


KILLED = """
import sys
from pathlib import Path
from platewatch import files

def half(part):
    (part / "half" if part.is_dir() else part).write_bytes(b"half of it")
    print("half", flush=True)
    sys.stdin.read()

path = Path(sys.argv[1])
with (files.whole_folder if sys.argv[2] == "folder" else files.whole_file)(path) as part:
    half(part)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_process_that_is_killed_leaves_no_half_under_the_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "name"
    if kind == "file":
        files.write(path, "old")
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path), kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "old" if kind == "file" else not path.exists()
    left = [name for name in names(tmp_path) if name != "name"]
    assert len(left) == 1
    assert left[0].startswith(".name.")
    assert left[0].endswith(".part")
    files.write(path, "new") if kind == "file" else files.whole_folder(path).__enter__()  # nothing is in the way


def test_several_writers_of_one_name_never_mix(tmp_path: Path) -> None:
    path, texts = tmp_path / "file", [str(number) * 100_000 for number in range(8)]
    seen, stop = set[str](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            if path.exists():
                seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=files.write, args=(path, text)) for text in texts for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert seen | {path.read_text()} <= set(texts)
    assert names(tmp_path) == ["file"]


def test_of_two_writers_of_one_folder_one_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "folder"
    with pytest.raises(OutputError, match="not empty"), files.whole_folder(out) as slow:  # noqa: PT012
        (slow / "slow").touch()
        with files.whole_folder(out) as quick:
            (quick / "quick").touch()
    assert names(out) == ["quick"]
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_written_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "model"
    with files.whole_folder(out) as part:
        assert not out.exists()
        (part / "file").write_text("whole")
    assert names(out.parent) == ["model"]
    assert (out / "file").read_text() == "whole"
    assert mode(out) == 0o755


@STOPS
def test_or_not_at_all(tmp_path: Path, stop: BaseException) -> None:
    def write() -> None:
        with files.whole_folder(tmp_path / "model", remedy="free space or check it") as part:
            (part / "file").write_text("half")
            raise stop

    with pytest.raises(OutputError if isinstance(stop, OSError) else type(stop)) as caught:
        write()
    assert names(tmp_path) == []
    if isinstance(stop, OSError):
        line = f"{tmp_path / 'model'}: cannot be written (No space left on device); free space or check it"
        assert str(caught.value) == line


def test_an_empty_folder_may_be_written_into_a_used_one_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with files.whole_folder(tmp_path) as part:
        (part / "file").touch()
    for used in (tmp_path, tmp_path / "file"):
        with (
            pytest.raises(OutputError, match="exists and is not empty; choose another folder"),
            files.whole_folder(used),
        ):
            pass
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with files.whole_folder(Path()) as part:
        (part / "file").touch()
    assert (tmp_path / "here" / "file").exists()


def test_folders_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file" / "model", tmp_path / ("long" * 100)):
        with (
            pytest.raises(OutputError, match=r"Not a directory|File exists|File name too long") as caught,
            files.whole_folder(out),
        ):
            pass
        assert "\n" not in str(caught.value)

    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with (
        pytest.raises(OutputError, match=r"model: cannot be written \(Read-only file system\)"),
        files.whole_folder(tmp_path / "model"),
    ):
        pass


def test_renaming_moves_what_is_complete(tmp_path: Path) -> None:
    files.write(tmp_path / "work" / "model" / "file", "x")
    files.rename(tmp_path / "work" / "model", tmp_path / "id")
    assert names(tmp_path / "id") == ["file"]
    assert names(tmp_path / "work") == []
