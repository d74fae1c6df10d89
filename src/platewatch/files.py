"""Atomic writing of files and folders: temporary name, fsync, rename; no incomplete file ever has the final name.

The temporary name is `.NAME.RANDOM.part` in the same folder. It is removed when writing fails or is interrupted; only a
killed process or a loss of power leaves it behind. Several processes may write the same name: the last rename counts.
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
"""Errors of a folder's fsync that are ignored: the folder may not be opened, or the file system cannot sync folders."""


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
    """Write bytes, or text as UTF-8, to `path` and return it; parameters and errors as for `whole_file`."""
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
    """Yield a temporary path, which is renamed to `path` when the block ends without an error.

    Missing folders are made. `private` gives mode 600, and 700 to new folders; otherwise the umask decides. All folders
    from the file up to `within` are synced too: another process may have made one of them without syncing it yet.
    Raises `error(path, "what (reason)", remedy=remedy)` for every OSError, those of the block included.
    """
    part: Path | None = None
    try:
        new = _make(path.parent, 0o700 if private else 0o777)
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
def whole_folder(folder: Path, *, private: bool = False, remedy: str = _REMEDY) -> Iterator[Path]:
    """Yield a temporary folder, which is renamed to `folder` when the block ends without an error.

    It has mode 755, or 700 when `private`. Raises OutputError when `folder` exists and is not empty, and for every
    OSError, those of the block included.
    """
    refuse_used(folder)
    part: Path | None = None
    try:
        place = folder.resolve()  # `.` has no name
        new = _make(place.parent)
        part = _part(place)
        part.mkdir(mode=0o700 if private else 0o755)
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


def write_once(path: Path, content: str) -> bool:
    """Write a new file, mode 444, durably and not atomically; False when it is there already. Raises OutputError.

    For folders that allow no renaming and no second write.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync(path.parent)
    except FileExistsError:
        return False
    except OSError as problem:
        raise OutputError(path, f"{_WHAT} ({problem.strerror or problem})", remedy=_REMEDY) from problem
    return True


def rename(path: Path, target: Path) -> None:
    """Rename a complete file or folder within a file system, durably (fsync); raises OSError."""
    path.replace(target)
    _sync_folders({path.parent, target.parent})


def refuse_used(folder: Path) -> None:
    """Raise OutputError when `folder` exists and is not an empty folder."""
    try:
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise OutputError(folder, f"cannot be used ({error.strerror})", remedy="choose another folder") from error
    if used:
        raise OutputError(folder, "exists and is not empty", remedy="choose another folder or remove it first")


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _make(folder: Path, mode: int = 0o777) -> list[Path]:
    """Make the folder and its missing parents; returns the folders that have a new entry."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=mode, exist_ok=True)
    folder.mkdir(exist_ok=True)  # raises when it is a file
    return [each.parent for each in missing]


def _sync_folders(folders: Iterable[Path]) -> None:
    """Sync folders: without it, a new name may be lost with the power."""
    for folder in folders:
        _sync(folder)


def _sync(path: Path) -> None:
    """Sync a file, or a folder where the system can."""
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
