"""The one atomic write: a file or a folder takes its name when it is complete and on the disk, or not at all.

It is written beside its name as `.NAME.RANDOM.part`, which is removed whatever stops the writing, Ctrl-C included.
Only a killed process or a loss of power leaves it behind. Several may write the same name: the last one stays.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platewatch.errors import OutputError, PlatewatchError

_WHAT, _REMEDY = "cannot be written", "free some space there"
_NO_SYNC = {errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP}
"""What a folder's fsync fails with where it may not be opened, or where the file system has no such thing."""


def write(
    path: Path,
    content: bytes | str,
    *,
    private: bool = False,
    within: Path | None = None,
    what: str = _WHAT,
    remedy: str = _REMEDY,
    error: type[PlatewatchError] = OutputError,
) -> Path:
    """Write a file's bytes, or its text as UTF-8, and return `path`; otherwise as `whole_file`."""
    with whole_file(path, private=private, within=within, what=what, remedy=remedy, error=error) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


@contextmanager
def whole_file(
    path: Path,
    *,
    private: bool = False,
    within: Path | None = None,
    what: str = _WHAT,
    remedy: str = _REMEDY,
    error: type[PlatewatchError] = OutputError,
) -> Iterator[Path]:
    """A path to write at, which becomes `path` when the block ends well; until then `path` stays as it was.

    The folder is made where it is missing. `private` gives mode 600, otherwise the umask decides. The entries of all
    folders from the file up to `within` are put on the disk too, for a folder that others make at the same time.
    Raises `error(path, "what (reason)", remedy=remedy)` for every OSError, those of the block included.
    """
    part: Path | None = None
    try:
        new = _make(path.parent)
        part = _part(path)
        part.touch(mode=0o600 if private else 0o666, exist_ok=False)
        yield part
        _sync(part)
        part.replace(path)
        above = [folder for folder in path.parents if within is not None and folder.is_relative_to(within)]
        _sync_folders({path.parent, *new, *above})
    except OSError as problem:
        raise error(path, f"{what} ({problem.strerror or problem})", remedy=remedy) from problem
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path, *, remedy: str = _REMEDY) -> Iterator[Path]:
    """A new folder to write into, mode 755, which becomes `folder` when the block ends well and is gone otherwise.

    Raises OutputError when `folder` exists and is not empty, and for every OSError, those of the block included.
    """
    refuse_used(folder)
    part: Path | None = None
    try:
        place = folder.resolve()  # `.` has no name
        new = _make(place.parent)
        part = _part(place)
        part.mkdir(mode=0o755)
        yield part
        for path in part.rglob("*"):
            _sync(path)
        _sync(part)
        if place.is_dir():
            place.rmdir()
        part.replace(place)
        _sync_folders({place.parent, *new})
    except OSError as problem:
        raise OutputError(folder, f"{_WHAT} ({problem.strerror or problem})", remedy=remedy) from problem
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def rename(path: Path, target: Path) -> None:
    """Give a file or folder that is complete another name in the same file system; raises OSError."""
    path.replace(target)
    _sync_folders({path.parent, target.parent})


def refuse_used(folder: Path) -> None:
    """Raise OutputError when `folder` exists and is no empty folder."""
    try:
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise OutputError(folder, f"cannot be used ({error.strerror})", remedy="choose another folder") from error
    if used:
        raise OutputError(folder, "exists and is not empty", remedy="choose another folder or remove it first")


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _make(folder: Path) -> list[Path]:
    """Make the folder and what is missing above it; the folders that got a new entry by that."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [each.parent for each in missing]


def _sync_folders(folders: Iterable[Path]) -> None:
    """Put the names in the folders on the disk: a new name lasts only then."""
    for folder in folders:
        _sync(folder)


def _sync(path: Path) -> None:
    """Put a file's bytes or a folder's names on the disk; nothing for a folder where the system has no such call."""
    is_folder = path.is_dir()
    if is_folder and not hasattr(os, "O_DIRECTORY"):
        return  # Windows writes names through
    try:
        handle = os.open(path, os.O_RDONLY if hasattr(os, "O_DIRECTORY") else os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if not is_folder or error.errno not in _NO_SYNC:
            raise
